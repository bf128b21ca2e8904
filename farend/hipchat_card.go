package farend

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"unicode/utf8"
)

// hipChatCard is the card of an API v2 notification, as far as an application
// has use for it.
type hipChatCard struct {
	Style       string `json:"style"`
	ID          string `json:"id"`
	Format      string `json:"format"`
	Title       string `json:"title"`
	URL         string `json:"url"`
	Description struct {
		Format string `json:"format"`
		Value  string `json:"value"`
	} `json:"description"`
	Icon *struct {
		URL string `json:"url"`
	} `json:"icon"`
	Attributes []hipChatAttribute `json:"attributes"`
}

type hipChatAttribute struct {
	Label string `json:"label"`
	Value struct {
		Label string `json:"label"`
		Style string `json:"style"`
		URL   string `json:"url"`
	} `json:"value"`
}

// problemOfCard says what is wrong with a card; empty if nothing. A member that
// the document does not know is wrong.
func problemOfCard(raw json.RawMessage) string {
	var c hipChatCard
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	length := 0
	if decoder.Decode(&c) == nil {
		length = utf8.RuneCountInString(c.Title)
	}
	switch {
	case length == 0 || length > 500:
		return "card must be an object with a title of 1 to 500 characters"
	case c.ID == "":
		return "card must have an id"
	case !slices.Contains([]string{"file", "image", "application", "link", "media"}, c.Style):
		return "style of the card is not one of the styles"
	case !slices.Contains([]string{"", "compact", "medium"}, c.Format):
		return "format of the card must be compact or medium"
	case !slices.Contains([]string{"html", "text"}, c.Description.Format) || c.Description.Value == "":
		return "description of the card must have a format and a value"
	case !isWebLink(c.URL) || c.Icon != nil && !isWebLink(c.Icon.URL):
		return "URLs of the card must be absolute"
	case slices.ContainsFunc(c.Attributes, hipChatAttribute.bad):
		return "attributes of the card must have labels of 1 to 50 characters, and values"
	}
	return ""
}

func (a hipChatAttribute) bad() bool {
	length := utf8.RuneCountInString(a.Label)
	return length == 0 || length > 50 || a.Value.Label == "" || !slices.Contains(hipChatLozenges, a.Value.Style)
}

var hipChatLozenges = []string{"", "lozenge", "lozenge-success", "lozenge-error", "lozenge-current", "lozenge-complete", "lozenge-moved"}

func isWebLink(text string) bool {
	u, err := url.Parse(text)
	return text == "" || err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}
