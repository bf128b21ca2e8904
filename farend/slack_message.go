package farend

import (
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// slackMessage is a message in Slack's format, as far as Mattermost and
// Discord read it alike.
type slackMessage struct {
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Fallback  string `json:"fallback"`
	Color     string `json:"color"`
	Title     string `json:"title"`
	TitleLink string `json:"title_link"`
	Text      string `json:"text"`
	Fields    []struct {
		Title string `json:"title"`
		Value string `json:"value"`
	} `json:"fields"`
}

// Limits of Discord (resources/message, embed limits), in characters, and
// Slack's of attachments: the strictest of the three servers'.
const (
	slackText        = 2000
	slackTitle       = 256
	slackFields      = 25
	slackFieldTitle  = 256
	slackFieldValue  = 1024
	slackCard        = 6000 // of all attachments together
	slackList        = 4096 // text of an attachment
	slackAttachments = 10
)

var slackColor = regexp.MustCompile(`^(#[0-9A-Fa-f]{6}|good|warning|danger)?$`)

// slackMarkup is all that < may begin: a link, a mention, or a command to call
// everybody. Nothing here needs one, so any is a name that was not escaped.
var slackMarkup = regexp.MustCompile(`[<>]|&(?:[^agl]|$|a[^m]|g[^t]|l[^t])`)

// problem is the word for what is wrong with the message; empty if nothing.
func (m slackMessage) problem() string {
	switch {
	case m.Text == "" && len(m.Attachments) == 0:
		return "no_text"
	case utf8.RuneCountInString(m.Text) > slackText || slackMarkup.MatchString(m.Text):
		return "invalid_payload"
	case len(m.Attachments) > slackAttachments:
		return "too_many_attachments"
	}
	total := 0
	for _, a := range m.Attachments {
		if !a.valid() {
			return "invalid_attachments"
		}
		total += a.size()
	}
	if total > slackCard {
		return "invalid_attachments"
	}
	return ""
}

func (a slackAttachment) valid() bool {
	link := a.TitleLink == "" || strings.HasPrefix(a.TitleLink, "https://") || strings.HasPrefix(a.TitleLink, "http://")
	ok := (a.Fallback != "" || a.Text != "") && link && slackColor.MatchString(a.Color) && len(a.Fields) <= slackFields &&
		fits(a.Title, slackTitle) && fits(a.Text, slackList)
	for _, f := range a.Fields {
		ok = ok && f.Title != "" && f.Value != "" && fits(f.Title, slackFieldTitle) && fits(f.Value, slackFieldValue)
	}
	return ok
}

// size is what counts for the limit of all attachments.
func (a slackAttachment) size() int {
	size := utf8.RuneCountInString(a.Title + a.Text)
	for _, f := range a.Fields {
		size += utf8.RuneCountInString(f.Title + f.Value)
	}
	return size
}

func fits(text string, longest int) bool {
	return utf8.RuneCountInString(text) <= longest && !slackMarkup.MatchString(text)
}

// readable is the message as people see it.
func (m slackMessage) readable() string {
	lines := []string{m.Text}
	for _, a := range m.Attachments {
		lines = append(lines, a.Title)
		if a.Text != "" {
			lines = append(lines, a.Text)
		}
		for _, f := range a.Fields {
			lines = append(lines, f.Title+": "+f.Value)
		}
	}
	return html.UnescapeString(strings.TrimSpace(strings.Join(lines, "\n")))
}
