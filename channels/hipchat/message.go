package hipchat

import (
	"html"
	"strings"
	"time"
	"unicode/utf8"

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

// message is a notice as HipChat's HTML, with a line for each of also:
// well-formed, with every text from outside escaped, and only the tags that
// both API versions allow. The notice gives up facts, and the lines their ends,
// to fit: a cut through the whole could fall inside a tag, or leave out what
// is then counted as told.
func message(n channels.Notice, also []channels.Brief) string {
	if len(also) == 0 {
		return notice(n, longestMessage)
	}
	text := notice(n, longestMessage/2) + "<br/><br/><i>This room takes only so many messages. Also:</i>"
	share := (longestMessage - len(text)) / len(also)
	for _, brief := range also {
		text += line(brief, share)
	}
	return text
}

func notice(n channels.Notice, longest int) string {
	text := "<b>" + clip(n.Title, longest/4) + "</b>"
	link := linkTo(n.Link, longest/2)
	for _, fact := range n.Facts {
		line := "<br/>" + html.EscapeString(fact.Line(time.UTC))
		if len(text)+len(line)+len(link) <= longest {
			text += line
		}
	}
	return text + link
}

func linkTo(url string, longest int) string {
	link := `<br/><a href="` + html.EscapeString(url) + `">Open</a>`
	if url == "" || len(link) > longest {
		return ""
	}
	return link
}

func line(b channels.Brief, longest int) string {
	text := "<br/>• "
	if !b.Time.IsZero() {
		text += b.Time.UTC().Format("15:04 MST") + " "
	}
	return text + clip(b.Text, longest-len(text))
}

// clip escapes as much of the text as fits into so many bytes, and marks where
// it ends too early. It never cuts through a character or what stands for one.
func clip(text string, longest int) string {
	escaped := html.EscapeString(strings.ToValidUTF8(text, "\uFFFD"))
	if len(escaped) <= longest {
		return escaped
	}
	const ellipsis = "…"
	var short strings.Builder
	for _, r := range text {
		character := html.EscapeString(string(r))
		if short.Len()+len(character)+len(ellipsis) > longest {
			break
		}
		short.WriteString(character)
	}
	return short.String() + ellipsis
}

// cut is clip for what is not HTML, in characters.
func cut(text string, longest int) string {
	if utf8.RuneCountInString(text) <= longest {
		return text
	}
	return string([]rune(text)[:longest-1]) + "…"
}

// worst is the outcome that a message shows: one thing that is bad makes it so,
// and only when all is good is it good.
func worst(own schema.Outcome, also []channels.Brief) schema.Outcome {
	for _, brief := range also {
		if brief.Outcome == schema.Bad || own == schema.Good {
			own = brief.Outcome
		}
	}
	return own
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
