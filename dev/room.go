package dev

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
)

// roomLook is how a HipChat room shows a message, besides its text.
type roomLook struct {
	From  string `json:"from"`
	Color string `json:"color"`
}

// Look reads sender and color from the request: a form in API v1, JSON in v2.
func (a arrival) Look() roomLook {
	var look roomLook
	if strings.HasPrefix(a.request().Header.Get("Content-Type"), "application/json") {
		_ = json.Unmarshal([]byte(a.sent()), &look) // leaves the look empty
	} else if form, err := url.ParseQuery(a.sent()); err == nil {
		look = roomLook{form.Get("from"), form.Get("color")}
	}
	look.From = cmp.Or(look.From, "Unknown sender")
	if !slices.Contains([]string{"red", "green", "purple", "gray"}, look.Color) {
		look.Color = "yellow" // the default of rooms/message
	}
	return look
}

// span is a piece of a message that looks the same throughout.
type span struct {
	Text   string
	Link   string
	Strong bool
	Break  bool // a new line begins here; there is no text
}

// Spans takes the message apart. The page puts it together again from text,
// links and bold type, so that nothing else of the sender's HTML gets in.
func (a arrival) Spans() []span {
	if a.HTML == "" {
		return []span{{Text: a.Text}}
	}
	spans, err := spansOf(a.HTML)
	if err != nil {
		return []span{{Text: a.HTML}} // refused by the room for the same reason
	}
	return spans
}

func spansOf(message string) ([]span, error) {
	decoder := xml.NewDecoder(strings.NewReader("<message>" + message + "</message>"))
	decoder.Entity = xml.HTMLEntity
	var spans []span
	var style span
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return spans, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.CharData:
			style.Text = string(t)
			spans = append(spans, style)
		case xml.StartElement:
			if t.Name.Local == "br" {
				spans = append(spans, span{Break: true})
			}
			style.begin(t)
		case xml.EndElement:
			style.end(t.Name.Local)
		}
	}
}

func (s *span) begin(element xml.StartElement) {
	switch element.Name.Local {
	case "b", "strong":
		s.Strong = true
	case "a":
		for _, attribute := range element.Attr {
			if attribute.Name.Local == "href" {
				s.Link = attribute.Value
			}
		}
	}
}

func (s *span) end(element string) {
	switch element {
	case "b", "strong":
		s.Strong = false
	case "a":
		s.Link = ""
	}
}
