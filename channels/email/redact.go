package email

import (
	"errors"
	"regexp"
	"strings"

	"tocsin/channels"
)

var addressPattern = regexp.MustCompile(`[^\s<>]*(@|%40|[+=]40)[^\s<>]*`)

// linkPattern finds what filters like to quote of a mail: its links, of which
// one lets whoever has it stop mails.
var linkPattern = regexp.MustCompile(`(?i)(https?:|www\.)[^\s<>"]+|[A-Za-z0-9_.=-]{40,}`)

const longestReply = 200

// redacted is an error of this text in one line and without addresses, links and
// secrets: servers like to repeat them, addresses whole or only the part before
// the @.
func redacted(text, address string, secrets ...string) error {
	text = channels.Hidden(text, secrets...)
	text = linkPattern.ReplaceAllString(text, "[link]")
	text = addressPattern.ReplaceAllString(text, "[address]")
	if local, _, found := strings.Cut(address, "@"); found {
		text = regexp.MustCompile(`(?i)(^|\W)`+regexp.QuoteMeta(local)+`(\W|$)`).ReplaceAllString(text, "${1}[address]${2}")
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if runes := []rune(text); len(runes) > longestReply {
		text = string(runes[:longestReply]) + "…"
	}
	return errors.New(text)
}
