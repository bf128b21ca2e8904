package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// MaxEventBytes is the largest message body that is read. CloudEvents 1.0
	// asks intermediaries to pass at least 64 KiB; the platform's largest
	// resource is some 2 kB.
	MaxEventBytes = 256 << 10

	// maxDepth of arrays and objects within each other. Decoders recurse once
	// for each level, so it is checked before anything is decoded.
	maxDepth = 64
)

// checkText checks that text is JSON which is safe to decode. encoding/json
// alone would replace bad UTF-8 without a word, and recurse.
func checkText(field string, text []byte) error {
	switch {
	case len(text) == 0:
		return fmt.Errorf("%s: is empty", field)
	case len(text) > MaxEventBytes:
		return fmt.Errorf("%s: is longer than %d bytes", field, MaxEventBytes)
	case !utf8.Valid(text):
		return fmt.Errorf("%s: is not UTF-8", field)
	case depth(text) > maxDepth:
		return fmt.Errorf("%s: is nested deeper than %d levels", field, maxDepth)
	case !json.Valid(text):
		return fmt.Errorf("%s: %w", field, whyNotJSON(text))
	}
	return nil
}

// whyNotJSON tells malformed text from text with something after its end. The
// decoder's own words would quote the text.
func whyNotJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	var value json.RawMessage
	err := dec.Decode(&value)
	if err == nil {
		return fmt.Errorf("goes on after the JSON value, which ends at byte %d", dec.InputOffset())
	}
	if malformed, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("is not JSON at byte %d", malformed.Offset)
	}
	return errors.New("ends before its JSON value does")
}

// depth counts how deep the brackets of a JSON text nest outside its strings.
func depth(text []byte) int {
	var at position
	deepest := 0
	for _, c := range text {
		at.pass(c)
		deepest = max(deepest, at.level)
	}
	return deepest
}

// position is a place in a JSON text, as far as brackets and strings go.
type position struct {
	level    int // of brackets that are open
	inString bool
	escaped  bool
}

// pass moves behind the next byte of the text.
func (p *position) pass(c byte) {
	switch {
	case p.escaped:
		p.escaped = false
	case p.inString:
		p.escaped = c == '\\'
		p.inString = c != '"'
	case c == '"':
		p.inString = true
	case c == '{', c == '[':
		p.level++
	case c == '}', c == ']':
		p.level--
	}
}
