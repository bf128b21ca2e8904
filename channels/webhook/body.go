package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"tocsin/schema"
)

// Body is what is posted for an event: its data object with timestamp (epoch
// seconds) and event_type in front. Members of those names at the top level of
// the data give way to them, however their names are escaped; everything else
// stays as it is, byte for byte and in order, so that numbers past 2^53,
// spacing and spellings of dates reach the receiver as the platform wrote
// them. The same event gives the same bytes.
func Body(e schema.Event) ([]byte, error) {
	return appendBody(make([]byte, 0, len(e.Data)+bodyExtra), e)
}

// bodyExtra is more than our own members add for any known type.
const bodyExtra = 96

func appendBody(out []byte, e schema.Event) ([]byte, error) {
	data := bytes.Trim(e.Data, " \t\r\n") // the space of RFC 8259, and no other
	if !json.Valid(data) || data[0] != '{' {
		return nil, errors.New("the event's data is not a JSON object")
	}
	eventType, err := json.Marshal(e.Type)
	if err != nil {
		return nil, fmt.Errorf("encode event type: %w", err)
	}
	out = strconv.AppendInt(append(out, `{"timestamp":`...), e.Time.Unix(), 10)
	out = append(append(out, `,"event_type":`...), eventType...)
	return appendMembers(out, data), nil
}

// appendMembers appends the members of a valid object, but for ours, and its
// closing brace. Each brings what stands between it and its predecessor; only
// the first lacks a comma there.
func appendMembers(out, object []byte) []byte {
	end := 1
	for m := range members(object) {
		if !ours(object[m.start:m.keyEnd]) {
			if object[m.lead] != ',' {
				out = append(out, ',')
			}
			out = append(out, object[m.lead:m.end]...)
		}
		end = m.end
	}
	return append(out, object[end:]...)
}

func ours(quotedKey []byte) bool {
	if bytes.IndexByte(quotedKey, '\\') < 0 {
		return string(quotedKey) == `"timestamp"` || string(quotedKey) == `"event_type"`
	}
	var name string
	err := json.Unmarshal(quotedKey, &name)
	return err == nil && (name == "timestamp" || name == "event_type")
}

// member is one "key": value of an object, as offsets into it.
type member struct {
	lead   int // of the comma and space before it, if any
	start  int // of the key's opening quote
	keyEnd int // behind the key's closing quote
	end    int // behind the value
}

// members walks the top level of a valid JSON object that begins at offset 0.
func members(object []byte) iter.Seq[member] {
	return func(yield func(member) bool) {
		at := 1
		for {
			key := bytes.IndexByte(object[at:], '"')
			if key < 0 {
				return
			}
			m := member{lead: at, start: at + key}
			m.keyEnd = stringEnd(object, m.start)
			m.end = valueEnd(object, m.keyEnd)
			if !yield(m) {
				return
			}
			at = m.end
		}
	}
}

// valueEnd finds the comma or brace that ends the value which begins at or
// after at. Space before it belongs to the value: nothing has to tell them apart.
func valueEnd(object []byte, at int) int {
	for depth := 0; ; at++ {
		switch object[at] {
		case '"':
			at = stringEnd(object, at) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return at
			}
		case ',':
			if depth == 0 {
				return at
			}
		}
	}
}

// stringEnd returns the offset behind the closing quote of the string that
// opens at at.
func stringEnd(object []byte, at int) int {
	for at++; object[at] != '"'; at++ {
		if object[at] == '\\' {
			at++
		}
	}
	return at + 1
}
