package dev

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"tocsin/farend"
	"tocsin/schema"
)

// arrival is what the templates of cards.html read. Nothing is certain of
// what a far end recorded: what cannot be read is left out.
type arrival struct{ farend.Received }

// Taken reports whether the far end said yes; both SMTP and HTTP do so with 2xx.
func (a arrival) Taken() bool { return strings.HasPrefix(a.Status, "2") }

// HasBody reports whether there is a mail to open.
func (a arrival) HasBody() bool { return hasBody(a.Received) }

// Preview is what an inbox shows behind the subject: the text without its
// first line, which says the same.
func (a arrival) Preview() string {
	var lines []string
	for line := range strings.Lines(a.Text) {
		line = strings.TrimSpace(line)
		if line == "--" {
			break // signature
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[min(1, len(lines)):], " · ")
}

// alert is what a phone shows of a push notification, by Apple's "Generating a
// remote notification".
type alert struct{ Title, Subtitle, Body string }

func (a arrival) Alert() alert {
	var payload struct {
		APS struct {
			Alert alert `json:"alert"`
		} `json:"aps"`
	}
	_ = json.Unmarshal([]byte(a.Text), &payload) // leaves the alert empty
	shown := payload.APS.Alert
	shown.Title = cmp.Or(shown.Title, a.Title)
	return shown
}

// Outcome is that of the event type which a webhook names.
func (a arrival) Outcome() schema.Outcome {
	kind, _ := schema.TypeNamed(a.Title)
	return kind.Outcome
}

// request reads the head of the raw request again; an empty one if that fails.
func (a arrival) request() *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(a.Raw)))
	if err != nil {
		return &http.Request{Header: http.Header{}}
	}
	return r
}

// sent is the body as it came. The raw request says nothing of its length.
func (a arrival) sent() string {
	_, body, _ := strings.Cut(a.Raw, "\r\n\r\n")
	return body
}

// Method is that of a webhook's request.
func (a arrival) Method() string { return a.request().Method }

type headerField struct{ Name, Value string }

// Header is a webhook's, by name.
func (a arrival) Header() []headerField {
	var fields []headerField
	header := a.request().Header
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fields = append(fields, headerField{name, strings.Join(header[name], ", ")})
	}
	return fields
}

// Body is a webhook's, indented if it is JSON.
func (a arrival) Body() string {
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(a.Text), "", "  ") != nil {
		return a.Text
	}
	return indented.String()
}
