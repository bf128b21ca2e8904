package farend

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// hipChatTags are those that the document of rooms/message allows.
var hipChatTags = []string{"a", "b", "i", "strong", "em", "br", "img", "pre", "code", "ul", "ol", "li",
	"table", "thead", "tbody", "tr", "th", "td"}

// textOfHTML reads a message as people do, one line for each br. It refuses
// what is not well-formed, leaves &, < or > unescaped, or uses other tags.
func textOfHTML(message string) (string, error) {
	const wrapper = "message"
	decoder := xml.NewDecoder(strings.NewReader("<" + wrapper + ">" + message + "</" + wrapper + ">"))
	decoder.Entity = xml.HTMLEntity
	var text strings.Builder
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			name := strings.ToLower(t.Name.Local)
			if name != wrapper && !slices.Contains(hipChatTags, name) {
				return "", fmt.Errorf("tag %s is not allowed", name)
			}
			if name == "br" {
				text.WriteByte('\n')
			}
		}
	}
}
