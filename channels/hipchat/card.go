package hipchat

import (
	"tocsin/channels"
	"tocsin/schema"
)

// card is what clients that can show cards show in place of the message (API
// v2, "Messages" in HipChat's developer guide). It has no icon: there is no
// public address of a picture.
type card struct {
	Style       string      `json:"style"`
	ID          string      `json:"id"` // the same when it is sent again, by which clients know it
	Format      string      `json:"format"`
	Title       string      `json:"title"`
	Description text        `json:"description"`
	URL         string      `json:"url,omitempty"`
	Attributes  []attribute `json:"attributes,omitempty"`
}

type text struct {
	Format string `json:"format"`
	Value  string `json:"value"`
}

type attribute struct {
	Label string         `json:"label"`
	Value attributeValue `json:"value"`
}

type attributeValue struct {
	Label string `json:"label"`
	Style string `json:"style,omitempty"`
}

// Limits of the card's texts in characters (API v2, send_room_notification).
const (
	longestCardTitle      = 500
	longestAttributeLabel = 50
)

func newCard(id, eventType string, n channels.Notice) *card {
	kind, _ := schema.TypeNamed(eventType)
	c := &card{
		Style:       "application",
		ID:          id,
		Format:      "medium",
		Title:       cut(n.Title, longestCardTitle),
		Description: text{"text", kind.Meaning},
		URL:         n.Link,
	}
	if c.Description.Value == "" {
		c.Description.Value = c.Title
	}
	for _, fact := range n.Facts {
		value := attributeValue{Label: fact.Value}
		if fact.Label == "Status" {
			value.Style = lozenge(n.Outcome)
		}
		c.Attributes = append(c.Attributes, attribute{cut(fact.Label, longestAttributeLabel), value})
	}
	return c
}

// lozenge is the colour of a card's status.
func lozenge(o schema.Outcome) string {
	switch o {
	case schema.Good:
		return "lozenge-success"
	case schema.Bad:
		return "lozenge-error"
	}
	return "lozenge-current"
}
