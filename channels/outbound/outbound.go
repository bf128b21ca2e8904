// Package outbound posts to addresses that users gave: the one way in which
// webhook and chat channels reach the world.
//
// Such an address is taken for hostile. It is checked for its form before it
// is used (CheckURL) and for where it leads when it is dialled, after its name
// is resolved; redirects are not followed, proxies are not used, and what is
// read of an answer is bounded in bytes and in time. No error holds the URL.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"tocsin/channels"
	"tocsin/channels/httpfail"
)

// LongestTimeout bounds Request.Timeout. Standard Webhooks 1.0.0 asks senders
// to wait 15 to 30 s.
const LongestTimeout = 30 * time.Second

// Policy is what an operator decides about destinations.
type Policy struct {
	Allow    []netip.Prefix // may be reached although they are not public
	Variable string         // that Allow is set by: refusals name it
	Resolver *net.Resolver  // nil: the machine's
	Roots    *x509.CertPool // who is trusted to sign certificates of endpoints; nil: whom the machine trusts
}

// Client posts. It keeps connections between attempts.
type Client struct {
	anonymous  *http.Transport // for endpoints that want no client certificate
	identities identities
}

// Open makes a Client.
func Open(p Policy) *Client {
	guard := newGuard(p)
	transport := func(certificates []tls.Certificate) *http.Transport {
		return newTransport(guard.dial, &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            p.Roots,
			Certificates:       certificates,
			ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
		})
	}
	return &Client{anonymous: transport(nil), identities: identities{transport: transport}}
}

// Request is one POST.
type Request struct {
	URL      *url.URL // as CheckURL returned it
	Header   http.Header
	Body     []byte
	Timeout  time.Duration // of the whole exchange, at most LongestTimeout
	Identity Identity      // shown to the endpoint; zero: none
	Keep     int           // how many bytes of the answer's body are wanted
	Secrets  []string      // not shown to who watches, should the endpoint repeat them; the URL's never are
}

// Post makes one attempt and returns whatever answer came. Errors are
// Failures: permanent if the destination is refused or the identity is no
// certificate, else temporary. An attempt that is watched (channels.Observed)
// has its answer noted.
func (c *Client) Post(ctx context.Context, r Request) (*Answer, error) {
	transport, release, err := c.transportFor(r.Identity)
	if err != nil {
		return nil, &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	defer release()
	attempt, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	// Not by an http.Client: it would only add the following of redirects, and
	// the URL to every error.
	resp, err := transport.RoundTrip(r.within(attempt))
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return nil, &channels.Failure{Kind: channels.Permanent, Err: refused}
	}
	if err != nil {
		return nil, httpfail.NoAnswer(ctx, err, r.Timeout)
	}
	return answerOf(ctx, resp, r, cancel), nil
}

func (c *Client) transportFor(id Identity) (transport *http.Transport, release func(), err error) {
	if id == (Identity{}) {
		return c.anonymous, func() {}, nil
	}
	return c.identities.acquire(id)
}

// within is the request as net/http wants it. GetBody lets the transport take
// another connection if a kept one turns out to be dead before anything of
// the request was written.
func (r Request) within(ctx context.Context) *http.Request {
	body := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
	first, _ := body()
	req := &http.Request{
		Method:        http.MethodPost,
		URL:           r.URL,
		Host:          r.URL.Host,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        r.Header,
		ContentLength: int64(len(r.Body)),
		Body:          first,
		GetBody:       body,
	}
	return req.WithContext(ctx)
}

// CloseIdleConnections closes what is kept and not in use.
func (c *Client) CloseIdleConnections() {
	c.anonymous.CloseIdleConnections()
	c.identities.closeIdle()
}
