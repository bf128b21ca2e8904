package slack

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"tocsin/channels"
	"tocsin/schema"
)

// Limits are those of Discord (resources/message, embed limits), the strictest
// of the three: Slack and Mattermost take 40,000 and 16,383 characters of
// text. We count what is sent in bytes, which are never fewer.
const (
	longestText  = 2000 // content
	longestTitle = 256
	longestLabel = 256
	longestValue = 1024
	longestCard  = 6000 // of all cards: titles, texts and fields together
	longestList  = 4096 // text of a card
	mostFields   = 25
)

// message is the part of Slack's message format that Mattermost and Discord
// read alike.
type message struct {
	Text        string       `json:"text"`
	Markdown    bool         `json:"mrkdwn"` // false: names are shown as they are
	Attachments []attachment `json:"attachments"`
}

// attachment is a card with a coloured edge below the text.
type attachment struct {
	Fallback  string   `json:"fallback"`
	Color     string   `json:"color"`
	Title     string   `json:"title,omitempty"`
	Text      string   `json:"text,omitempty"`
	TitleLink string   `json:"title_link,omitempty"`
	Fields    []field  `json:"fields,omitempty"`
	Markdown  []string `json:"mrkdwn_in"` // empty: nowhere
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// render says what happened in the text, which is also what a notification
// shows, and puts the details on a card that links to the resource. Others get
// a card of their own, with a line for each.
func render(n channels.Notice, also []channels.Brief) message {
	text := escape(n.Title, longestText)
	card := attachment{
		Fallback:  text,
		Color:     color(n.Outcome),
		Title:     escape(n.Resource, longestTitle),
		TitleLink: n.Link,
		Markdown:  []string{},
	}
	if card.Title == "" && n.Link != "" {
		card.Title = "Open"
	}
	if len(also) == 0 {
		card.Fields = fieldsOf(n.Facts, longestCard-len(card.Title))
		return message{Text: text, Attachments: []attachment{card}}
	}
	others := list(also)
	card.Fields = fieldsOf(n.Facts, longestCard-len(card.Title)-len(others.Text))
	more := fmt.Sprintf(" – and %d more, since this channel takes only so many messages", len(also))
	return message{Text: escape(n.Title, longestText-len(more)) + more, Attachments: []attachment{card, others}}
}

// list is a card with a line for each: they give up their ends to fit, and none
// is left out.
func list(also []channels.Brief) attachment {
	share := longestList/len(also) - 1
	lines := make([]string, len(also))
	worst := also[0].Outcome
	for i, brief := range also {
		lines[i] = "• "
		if !brief.Time.IsZero() {
			lines[i] += brief.Time.UTC().Format("15:04 MST") + " "
		}
		lines[i] += escape(brief.Text, share-len(lines[i]))
		if brief.Outcome == schema.Bad || worst == schema.Good {
			worst = brief.Outcome
		}
	}
	return attachment{Fallback: fmt.Sprint(len(also), " more"), Color: color(worst), Text: strings.Join(lines, "\n"), Markdown: []string{}}
}

// fieldsOf leaves out whole what does not fit.
func fieldsOf(facts []channels.Fact, room int) []field {
	var fields []field
	for _, fact := range facts {
		f := field{Title: escape(fact.Label, longestLabel), Value: escape(fact.Value, longestValue), Short: true}
		if size := len(f.Title) + len(f.Value); size <= room && len(fields) < mostFields {
			room -= size
			fields = append(fields, f)
		}
	}
	return fields
}

// escape replaces the three characters that Slack's format gives a meaning
// (docs.slack.dev, "Formatting text"), takes the effect from words that would
// call everybody, and cuts where the result would be longer than longest
// bytes.
func escape(text string, longest int) string {
	text = calls.ReplaceAllString(text, "@\u200b$1")
	var out strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		written := string(r)
		switch r {
		case '&':
			written = "&amp;"
		case '<':
			written = "&lt;"
		case '>':
			written = "&gt;"
		}
		if out.Len()+len(written)+utf8.RuneLen('…') > longest {
			out.WriteRune('…')
			break
		}
		out.WriteString(written)
	}
	return out.String()
}

// calls are mentions of everybody: Mattermost and Discord hear them in plain
// text.
var calls = regexp.MustCompile(`(?i)@(all|channel|everyone|here)\b`)

func color(o schema.Outcome) string {
	switch o {
	case schema.Good:
		return "#2e7d32"
	case schema.Bad:
		return "#c62828"
	}
	return "#f9a825"
}
