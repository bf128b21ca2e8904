package channels

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// longestValue, in runes, is more than a line of a mail and less than a nuisance.
const longestValue = 200

// fields is a JSON object of which nothing is certain.
type fields map[string]any

func decodeFields(data json.RawMessage) fields {
	var f fields
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&f) != nil {
		return nil
	}
	return f
}

// text reads a string or a number; the platform's generations spell the same
// field either way.
func (f fields) text(key string) string {
	switch value := f[key].(type) {
	case string:
		return clean(value, longestValue)
	case json.Number:
		return clean(value.String(), longestValue)
	}
	return ""
}

func (f fields) child(key string) fields {
	child, _ := f[key].(map[string]any)
	return child
}

func (f fields) moment(key string) time.Time {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02 15:04:05 MST"} {
		if t, err := time.Parse(layout, f.text(key)); err == nil {
			return t
		}
	}
	return time.Time{}
}

// clean makes one line of at most longest runes: control characters and line
// ends become spaces, invisible marks go, since some of them (U+202E) turn the
// text around them.
func clean(text string, longest int) string {
	if isClean(text, longest) {
		return text
	}
	text = strings.Map(visible, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= longest {
		return text
	}
	return string([]rune(text)[:longest-1]) + "…"
}

// isClean knows most texts that clean would not change.
func isClean(text string, longest int) bool {
	for i := range len(text) {
		space := text[i] == ' ' && (i == 0 || i == len(text)-1 || text[i-1] == ' ')
		if space || text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return len(text) <= longest
}

func visible(r rune) rune {
	const nonJoiner, joiner = '\u200c', '\u200d' // Persian, Indic scripts and emoji need them
	switch {
	case r == nonJoiner || r == joiner:
		return r
	case unicode.In(r, unicode.Cf, unicode.Co, unicode.Variation_Selector) && r != '\ufe0f':
		return -1
	case unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp):
		return ' '
	}
	return r
}

func lastPathPart(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}

func isPrintableASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
