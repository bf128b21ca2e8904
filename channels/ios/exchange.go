package ios

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"tocsin/channels"
)

// RoundTrip sends one push over a connection that has room for it, and reads
// the whole answer.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	c, err := p.enterAlive(r.Context())
	if err != nil {
		return nil, fmt.Errorf("wait for a connection: %w", err)
	}
	r = unescaped(r)
	answer, body, err := p.exchange(c, r)
	if err == nil && says(answer, body, http.StatusTooManyRequests, reasonNewToken) {
		answer, body, err = p.again(c, r, answer, body)
	}
	p.leave(c, err == nil && answer.StatusCode == http.StatusOK)
	if err != nil {
		return nil, p.explain(r.Context(), c, err)
	}
	if says(answer, body, http.StatusServiceUnavailable, reasonShutdown) {
		p.mu.Lock()
		p.retire(c)
		p.mu.Unlock()
	}
	if exchange := channels.Observed(r.Context()); exchange != nil {
		note(exchange, answer, body, path.Base(r.URL.Path), r.Header.Get("authorization"))
	}
	return answer, nil
}

func says(answer *http.Response, body []byte, status int, reason string) bool {
	return answer.StatusCode == status && bytes.Contains(body, []byte(`"`+reason+`"`))
}

// again pushes once more if there is another token than the one that came too
// early; else the answer stays.
func (p *pool) again(c *conn, r *http.Request, answer *http.Response, body []byte) (*http.Response, []byte, error) {
	if p.provider == nil || r.GetBody == nil {
		return answer, body, nil
	}
	changed, err := p.provider.stepBack(strings.TrimPrefix(r.Header.Get("authorization"), scheme))
	if err != nil || !changed {
		return answer, body, err
	}
	if r.Body, err = r.GetBody(); err != nil {
		return nil, nil, fmt.Errorf("read the payload of a push again: %w", err)
	}
	return p.exchange(c, r)
}

// scheme comes before a token (RFC 6750, 2.1), in lower case as Apple writes it.
const scheme = "bearer "

// asWritten is the key of a push's payload in the context of its request.
type asWritten struct{}

// unescaped is the request with the payload as it was written. The push library
// escapes <, > and & for HTML on the way, which makes it longer than Apple takes.
func unescaped(r *http.Request) *http.Request {
	payload, ok := r.Context().Value(asWritten{}).([]byte)
	if !ok {
		return r
	}
	r = r.Clone(r.Context())
	r.ContentLength = int64(len(payload))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
	r.Body, _ = r.GetBody()
	return r
}

// enterAlive passes over connections that have died since they were last looked
// at: nothing has been sent on them yet.
func (p *pool) enterAlive(ctx context.Context) (*conn, error) {
	for {
		c, err := p.enter(ctx)
		if err != nil || c.client.Err() == nil {
			return c, err
		}
		p.mu.Lock()
		p.retire(c)
		p.mu.Unlock()
		p.leave(c, false)
	}
}

func (p *pool) exchange(c *conn, r *http.Request) (*http.Response, []byte, error) {
	if p.provider != nil {
		token, err := p.provider.current()
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("authorization", scheme+token)
	}
	answer, err := c.client.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	body, err := readWhole(answer)
	return answer, body, err
}

func (p *pool) explain(ctx context.Context, c *conn, cause error) error {
	p.mu.Lock()
	goneAway, reason := c.goneAway, c.reason
	p.mu.Unlock()
	if reason != "" && ctx.Err() == nil {
		return failureOfGoAway(reason)
	}
	return failureOfStream(ctx, goneAway, cause)
}

// note keeps Apple's answer for who tests the channel, without what must not be
// shown, should something that is not Apple have repeated it.
func note(exchange *channels.Exchange, answer *http.Response, body []byte, secrets ...string) {
	exchange.Status = fmt.Sprint(answer.StatusCode)
	exchange.Header = map[string][]string{}
	for _, name := range []string{"apns-id", "apns-unique-id"} {
		if value := answer.Header.Get(name); value != "" {
			exchange.Header[name] = []string{value}
		}
	}
	exchange.Excerpt = strings.ToValidUTF8(string(body), "")
	exchange.Hide(secrets...)
	exchange.Excerpt = channels.Excerpt(exchange.Excerpt)
}
