package outbound

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/channels/httpfail"
)

const (
	// This much of a body, and for this long, is read so that the connection
	// can be used again.
	drainBytes = 64 << 10
	drainTime  = time.Second
)

// Answer is what an endpoint said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // its beginning, as much as was wanted
}

// Delivered reports whether the status is one of success.
func (a *Answer) Delivered() bool { return a.Status/100 == 2 }

// Failure is what a status other than success means by itself. who is named
// in the reason: "endpoint".
func (a *Answer) Failure(who string) *channels.Failure {
	return httpfail.Answer(who, a.Status, a.Header)
}

// answerOf ends the exchange. cancel is that of the request: it cuts off a
// body that does not end.
func answerOf(ctx context.Context, resp *http.Response, r Request, cancel context.CancelFunc) *Answer {
	keep := r.Keep
	defer resp.Body.Close()
	exchange := channels.Observed(ctx)
	if exchange != nil {
		keep = max(keep, channels.ExcerptBytes)
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header}
	// After 101 the body is the connection itself, which no context ends.
	if resp.Body != http.NoBody && resp.StatusCode != http.StatusSwitchingProtocols {
		a.Body = readSome(resp.Body, keep, cancel)
	}
	if exchange != nil {
		exchange.Status = strconv.Itoa(a.Status)
		exchange.Header = shown(a.Header)
		exchange.Excerpt = channels.Excerpt(string(a.Body))
		exchange.Hide(append(secretParts(r.URL), r.Secrets...)...)
	}
	return a
}

// readSome returns the first bytes of a body. Errors do not count: the status
// has been said, whatever becomes of the body.
func readSome(body io.Reader, keep int, cancel context.CancelFunc) []byte {
	tooLong := time.AfterFunc(drainTime, cancel)
	defer tooLong.Stop()
	var beginning []byte
	if keep > 0 {
		beginning, _ = io.ReadAll(io.LimitReader(body, int64(keep)))
	}
	_, _ = io.CopyN(io.Discard, body, drainBytes)
	return beginning
}

// mostShown bounds the fields of an answer that are shown: secrets are looked for
// in each of them.
const mostShown = 64

// shown leaves out cookies, which are the endpoint's own business, and what is
// beyond mostShown.
func shown(h http.Header) http.Header {
	few, left := http.Header{}, mostShown
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if name == "Set-Cookie" || name == "Set-Cookie2" || left == 0 {
			continue
		}
		few[name] = slices.Clone(h[name][:min(len(h[name]), left)])
		left -= len(few[name])
	}
	return few
}

// secretParts are what makes a URL a credential: its path and query, and the
// longer parts of them by themselves.
func secretParts(u *url.URL) []string {
	parts := []string{u.RequestURI()}
	for _, part := range strings.FieldsFunc(u.RequestURI(), func(r rune) bool { return strings.ContainsRune("/?&=", r) }) {
		if len(part) >= secretPart {
			parts = append(parts, part)
		}
	}
	return parts
}

// secretPart is longer than the words of ordinary paths.
const secretPart = 16
