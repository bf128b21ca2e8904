package email

import (
	"errors"
	"regexp"
	"strings"
)

var addressPattern = regexp.MustCompile(`[^\s<>]*(@|%40|[+=]40)[^\s<>]*`)

const longestReply = 200

// redacted is an error of this text in one line and without addresses: servers
// like to repeat them, whole or only the part before the @.
func redacted(text, address string) error {
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
