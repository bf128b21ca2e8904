package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// dataContentType is what Data always is.
const dataContentType = "application/json"

// published is an event as read from a message, before it is validated.
type published struct {
	envelope map[string]any  // the attributes and the decoded data, by name
	data     json.RawMessage // the data as it came
}

// event may be called once the envelope is known to be valid.
func (p published) event(stored time.Time) (Event, error) {
	e := Event{Time: stored.UTC(), Data: p.data}
	for _, a := range e.attributes() {
		*a.value, _ = p.envelope[a.name].(string)
	}
	moment, ok := p.envelope["time"].(string)
	if !ok {
		return e, nil
	}
	var err error
	e.Time, err = parseTime(moment)
	return e, err
}

// attribute binds a CloudEvents attribute to a field of an Event.
type attribute struct {
	name     string
	required bool
	value    *string
}

// attributes binds those that differ from event to event and are text as they
// are: all that we know but specversion, time and datacontenttype.
func (e *Event) attributes() [10]attribute {
	return [...]attribute{
		{"id", true, &e.ID},
		{"source", true, &e.Source},
		{"type", true, &e.Type},
		{"account", true, &e.Account},
		{"user", false, &e.User},
		{"subject", false, &e.Subject},
		{"resourcename", false, &e.ResourceName},
		{"stackname", false, &e.StackName},
		{"link", false, &e.Link},
		{"traceparent", false, &e.TraceParent},
	}
}

// written yields the attributes as an event carries them, without the optional
// ones that are empty.
func (e Event) written() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		fixed := yield("specversion", "1.0") &&
			yield("time", e.Time.UTC().Format(time.RFC3339Nano)) &&
			yield("datacontenttype", dataContentType)
		if !fixed {
			return
		}
		for _, a := range e.attributes() {
			if (a.required || *a.value != "") && !yield(a.name, *a.value) {
				return
			}
		}
	}
}

// parseTime reads a moment of RFC 3339, whose T and Z may be lower-case
// (section 5.6). Only what can be written in RFC 3339 again is accepted.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, strings.ToUpper(s))
	if err != nil {
		return time.Time{}, errors.New("time: must be a date and time of RFC 3339")
	}
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, errors.New("time: must lie in the years 0 to 9999 of UTC")
	}
	return t, nil
}

// Structured is the event in the JSON format of CloudEvents, with the bytes of
// Data in it untouched.
func (e Event) Structured() ([]byte, error) {
	if !json.Valid(e.Data) {
		return nil, fmt.Errorf("write event of type %q: data is not JSON", e.Type)
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for name, value := range e.written() {
		quoted, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("write %s of event of type %q: %w", name, e.Type, err)
		}
		fmt.Fprintf(&b, `"%s":%s,`, name, quoted)
	}
	b.WriteString(`"data":`)
	b.Write(e.Data)
	b.WriteByte('}')
	return b.Bytes(), nil
}
