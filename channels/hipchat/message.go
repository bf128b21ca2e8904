package hipchat

import (
	"html"

	"tocsin/channels"
	"tocsin/schema"
)

const (
	// sender is what the room sees a message come from. API v1 takes fewer
	// than 15 letters, digits, spaces, - and _ (rooms/message, "from").
	sender = "Tocsin"
	// longestMessage is both API versions' limit in characters. We count
	// bytes, which are never fewer.
	longestMessage = 10_000
)

// message is a notice as HipChat's HTML: well-formed, with every text from
// outside escaped, and only the tags that both API versions allow. What does
// not fit is left out whole, because a cut could fall inside a tag.
func message(n channels.Notice) string {
	text := "<b>" + html.EscapeString(n.Title) + "</b>"
	link := linkTo(n.Link)
	for _, fact := range n.Facts {
		line := "<br/>" + html.EscapeString(fact.Label) + ": " + html.EscapeString(fact.Value)
		if len(text)+len(line)+len(link) <= longestMessage {
			text += line
		}
	}
	return text + link
}

func linkTo(url string) string {
	link := `<br/><a href="` + html.EscapeString(url) + `">Open</a>`
	if url == "" || len(link) > longestMessage/2 {
		return ""
	}
	return link
}

// color is how the room shows the message (rooms/message, "color").
func color(o schema.Outcome) string {
	switch o {
	case schema.Good:
		return "green"
	case schema.Bad:
		return "red"
	}
	return "yellow"
}

// notifies reports whether the message makes a sound: only what somebody may
// have to act on.
func notifies(o schema.Outcome) bool { return o == schema.Bad }
