package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Headers are sent with every request to an endpoint. In settings they are an
// object of texts or, as a form gives them, one text with a "Name: value" on
// each line.
type Headers map[string]string

const (
	mostHeaders    = 20
	longestHeaders = 4 << 10 // bytes, names and values together
)

// reservedHeaders are set by us, or steer the connection (RFC 9110 section
// 7.6.1, RFC 9113 section 8.2.2). An idempotency key would make net/http try
// again by itself.
var reservedHeaders = []string{
	"Accept-Encoding", "Connection", "Expect", "Host", "Http2-Settings", "Idempotency-Key", "Keep-Alive",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Via", "X-Idempotency-Key",
}

var reservedPrefixes = []string{"Content-", "Proxy-", "Tocsin-", "Webhook-"}

// UnmarshalJSON reads either form.
func (h *Headers) UnmarshalJSON(raw []byte) error {
	var lines string
	if json.Unmarshal(raw, &lines) != nil {
		return json.Unmarshal(raw, (*map[string]string)(h))
	}
	all := Headers{}
	for line := range strings.Lines(lines) {
		name, value, ok := strings.Cut(line, ":")
		if _, again := all[name]; again || !ok && strings.TrimSpace(line) != "" {
			return errors.New("not lines of headers")
		}
		if ok {
			all[name] = strings.TrimSpace(value)
		}
	}
	*h = all
	return nil
}

// check names a header that must not be sent, but never quotes a value.
func (h Headers) check() error {
	if len(h) > mostHeaders {
		return fmt.Errorf("there are more than %d headers", mostHeaders)
	}
	size := 0
	seen := make(map[string]bool, len(h))
	for name, value := range h {
		if err := checkHeader(name, value); err != nil {
			return err
		}
		size += len(name) + len(value)
		seen[http.CanonicalHeaderKey(name)] = true
	}
	switch {
	case size > longestHeaders:
		return errors.New("the headers are longer than 4 KiB")
	case len(seen) < len(h):
		return errors.New("a header is given twice")
	}
	return nil
}

func checkHeader(name, value string) error {
	if !httpguts.ValidHeaderFieldName(name) { // the token of RFC 9110 section 5.6.2
		return errors.New("a header's name must be letters, digits and -")
	}
	canonical := http.CanonicalHeaderKey(name)
	reserved := func(prefix string) bool { return strings.HasPrefix(canonical, prefix) }
	if slices.Contains(reservedHeaders, canonical) || slices.ContainsFunc(reservedPrefixes, reserved) {
		return fmt.Errorf("the header %s cannot be set", canonical)
	}
	if strings.ContainsFunc(value, notVisible) {
		return fmt.Errorf("the header %s must have a value of printable ASCII characters", canonical)
	}
	return nil
}

func notVisible(r rune) bool { return r < ' ' || r > '~' }

// ownHeaders is how many headers a request has besides these.
const ownHeaders = 6

// all makes the header of a request, with room for the others.
func (h Headers) all() http.Header {
	header := make(http.Header, len(h)+ownHeaders)
	for name, value := range h {
		header.Set(name, value)
	}
	return header
}
