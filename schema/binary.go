package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// attributePrefix begins the headers that carry the attributes of an event in
// binary mode.
const attributePrefix = "ce-"

// cloudEvents begins the content types of structured mode.
const cloudEvents = "application/cloudevents"

// read tells the content mode of a message, whose body checkText has passed,
// and reads it accordingly.
func read(m Message) (published, error) {
	h, err := readHeader(m.Header)
	if err != nil {
		return published{}, err
	}
	switch media := mediaType(h.contentType); {
	case strings.HasPrefix(media, cloudEvents+"-batch"):
		return published{}, errors.New("Content-Type: batches are not read; publish each event as a message of its own")
	case media == cloudEvents, media == cloudEvents+"+json":
		return readStructured(m.Body)
	case strings.HasPrefix(media, cloudEvents):
		return published{}, errors.New("Content-Type: only the JSON format of CloudEvents is read")
	case len(h.attributes) == 0:
		return readStructured(m.Body)
	}
	return readBinary(h.attributes, m.Body), nil
}

func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}

func readBinary(attributes map[string]string, body []byte) published {
	p := published{envelope: make(map[string]any, len(attributes)+1), data: trimSpace(body)}
	for name, value := range attributes {
		p.envelope[name] = value
	}
	p.envelope["data"] = decode(p.data)
	return p
}

// header is what the headers of a message say about an event.
type header struct {
	contentType string
	attributes  map[string]string // by name without prefix, decoded
}

// readHeader finds the headers that speak of an event. NATS keeps names as they
// were written (ADR-4), so one may be there in several spellings; if these differ,
// nothing tells which of them is meant.
func readHeader(h Header) (header, error) {
	read := header{attributes: make(map[string]string, 12)}
	for name, values := range h {
		if len(name) <= len(attributePrefix) { // others' are many
			continue
		}
		prefix, attribute := name[:len(attributePrefix)], name[len(attributePrefix):]
		for _, value := range values {
			var err error
			switch {
			case strings.EqualFold(prefix, attributePrefix):
				err = read.take(strings.ToLower(attribute), value)
			case strings.EqualFold(name, contentTypeHeader):
				err = read.takeContentType(value)
			}
			if err != nil {
				return header{}, err
			}
		}
	}
	return read, nil
}

const contentTypeHeader = "Content-Type"

func (h *header) take(attribute, value string) error {
	text, err := url.PathUnescape(value)
	if err != nil || !utf8.ValidString(text) {
		return fmt.Errorf("%s: is not percent-encoded UTF-8", attributeLabel(attribute))
	}
	if before, twice := h.attributes[attribute]; twice && before != text {
		return fmt.Errorf("%s: appears more than once, with different values", attributeLabel(attribute))
	}
	h.attributes[attribute] = text
	return nil
}

func (h *header) takeContentType(value string) error {
	if h.contentType != "" && h.contentType != value {
		return fmt.Errorf("%s: appears more than once, with different values", contentTypeHeader)
	}
	h.contentType = value
	return nil
}

// Header is the event's attributes as the headers of a message in binary mode,
// whose body is Data.
func (e Event) Header() Header {
	h := make(Header, 24) // a delivery adds as many headers of its own
	for name, value := range e.written() {
		h[attributePrefix+name] = []string{percentEncode(value)}
	}
	return h
}

// percentEncode encodes what the CloudEvents binding for NATS does not allow
// in a header: space, double quote, percent, and all but printable ASCII.
func percentEncode(s string) string {
	if strings.IndexFunc(s, encoded) < 0 {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if encoded(rune(c)) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func encoded(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '%' }

// ReadEvent reads an event that [Event.Header] wrote, for messages of ours
// that carry an event which was validated before. It checks that the
// attributes are there, but neither their form nor the data, which it shares.
func ReadEvent(h Header, data []byte) (Event, error) {
	read, err := readHeader(h)
	if err != nil {
		return Event{}, fmt.Errorf("read event from headers: %w", err)
	}
	e := Event{Data: data}
	for _, a := range e.attributes() {
		*a.value = read.attributes[a.name]
		if a.required && *a.value == "" {
			return Event{}, fmt.Errorf("read event from headers: %s: is missing", a.name)
		}
	}
	e.TraceParent = traceParentOf(e.TraceParent, nil)
	if e.Time, err = parseTime(read.attributes["time"]); err != nil {
		return Event{}, fmt.Errorf("read event from headers: %w", err)
	}
	return e, nil
}

// AccountOf is the account that an event names, without a look at anything else
// of it: it may be that of no valid event. It is empty where none is named.
func AccountOf(m Message) string {
	var structured struct {
		Account string `json:"account"`
	}
	for name, values := range m.Header {
		if strings.EqualFold(name, attributePrefix+"account") && len(values) > 0 {
			return values[0] // an id has nothing to decode
		}
	}
	_ = json.Unmarshal(m.Body, &structured)
	return structured.Account
}
