package schema

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// readStructured reads an event in the JSON format of CloudEvents from a body
// that checkText has passed. It takes the members one by one, because decoding
// into a map would let the last of two with the same name win without a word.
func readStructured(body []byte) (published, error) {
	p := published{envelope: make(map[string]any, 16)}
	body = trimSpace(body)
	if body[0] != '{' {
		return published{}, errors.New("body: must be a JSON object")
	}
	for quoted, value := range members(body) {
		name := unquote(quoted)
		if _, twice := p.envelope[name]; twice {
			return published{}, fmt.Errorf("%s: appears more than once", attributeLabel(name))
		}
		p.envelope[name] = decode(value)
		if name == "data" {
			p.data = value
		}
	}
	if err := p.settle(); err != nil {
		return published{}, err
	}
	return p, nil
}

// settle resolves what the JSON format leaves open: a member that is null
// counts as absent (section 2.2), and data may stand as data_base64
// (section 3.1.1).
func (p *published) settle() error {
	for name, value := range p.envelope {
		if value == nil {
			delete(p.envelope, name)
		}
	}
	encoded, ok := p.envelope["data_base64"]
	if !ok {
		return nil
	}
	if _, both := p.envelope["data"]; both {
		return errors.New("data_base64: stands beside data; only one of them may be given")
	}
	s, ok := encoded.(string)
	if !ok {
		return errors.New("data_base64: must be a string")
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return errors.New("data_base64: is not base64")
	}
	if err := checkText("data_base64", data); err != nil {
		return err
	}
	p.data = trimSpace(data)
	p.envelope["data"] = decode(p.data)
	return nil
}

// members yields the names, in quotes, and the values of a JSON object that is
// known to be valid.
func members(object []byte) iter.Seq2[json.RawMessage, json.RawMessage] {
	return func(yield func(name, value json.RawMessage) bool) {
		var at position
		var name json.RawMessage
		start := 0
		for i, c := range object {
			before := at.level
			at.pass(c)
			if at.inString || before > 1 || at.level > 1 {
				continue
			}
			switch c {
			case '{':
				start = i + 1
			case ':':
				name, start = trimSpace(object[start:i]), i+1
			case ',', '}':
				if name != nil && !yield(name, trimSpace(object[start:i])) {
					return
				}
				start = i + 1
			}
		}
	}
}

// decode takes JSON that is known to be valid. Numbers stay as they are
// written: an int64 or a float64 would change those that it cannot hold.
func decode(text json.RawMessage) any {
	if text[0] == '"' {
		return unquote(text)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var value any
	if dec.Decode(&value) != nil {
		return nil
	}
	return value
}

// unquote takes a JSON string that is known to be valid.
func unquote(text json.RawMessage) string {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text[1 : len(text)-1])
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		return ""
	}
	return s
}

// trimSpace trims what JSON takes for white space (RFC 8259 section 2).
func trimSpace(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }
