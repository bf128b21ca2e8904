package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"time"

	"tocsin/channels"
	"tocsin/channels/httpfail"
	"tocsin/schema"
)

const (
	// idlePerHost lets one endpoint's steady traffic reuse connections without
	// holding one for each of the 256 attempts at a time.
	idlePerHost = 16
	// idleConns bounds the file descriptors kept for many endpoints.
	idleConns = 1024
	// idleTimeout also bounds how long a connection outlives a change of the
	// host's address.
	idleTimeout = 90 * time.Second
	// tlsSessions lets returning endpoints skip the costly half of a handshake.
	tlsSessions = 1024
	// http2Silence is when a connection that has gone quiet is probed, so that
	// a dead one does not swallow every request to its host.
	http2Silence = 15 * time.Second

	longestHeader = 64 << 10
	// An answer's body means nothing to us. This much, and for this long, is
	// read so that the connection can be used again.
	drainBytes = 64 << 10
	drainTime  = time.Second
)

type channel struct {
	client    *http.Client
	timeout   time.Duration
	userAgent string
}

func open(timeout time.Duration, g *guard) *channel {
	transport := &http.Transport{
		Proxy:       nil, // behind a proxy the guard would see only the proxy's address
		DialContext: g.dial,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
		},
		TLSHandshakeTimeout:    timeout,
		ForceAttemptHTTP2:      true, // a DialContext of one's own switches HTTP/2 off
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: http2Silence},
		DisableCompression:     true,
		MaxResponseHeaderBytes: longestHeader,
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
	}
	client := &http.Client{Transport: transport, CheckRedirect: doNotFollow}
	return &channel{client: client, timeout: timeout, userAgent: userAgent()}
}

func doNotFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Send posts the delivery once.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	started := time.Now()
	req, err := c.request(attempt, d, to)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	resp, err := c.client.Do(req)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return &channels.Failure{Kind: channels.Permanent, Err: refused}
	}
	if err != nil {
		return httpfail.NoAnswer(ctx, err, c.timeout)
	}
	drain(resp.Body, cancel)
	return outcome(resp, started)
}

func (c *channel) request(ctx context.Context, d schema.Delivery, to channels.Target) (*http.Request, error) {
	settings, err := parseSettings(to.Settings)
	if err != nil {
		return nil, err
	}
	if err := CheckURL(settings.URL); err != nil {
		return nil, err
	}
	now := time.Now()
	keys, err := settings.keys(now)
	if err != nil {
		return nil, err
	}
	body, err := Body(d.Event)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, settings.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL is not well-formed") // the cause quotes the URL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	setSignature(req.Header, keys, message{id: d.ID(), sentAt: now, body: body})
	return req, nil
}

// outcome is what the status means. A target saved after the attempt began is
// not the one that answered 410.
func outcome(resp *http.Response, started time.Time) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	f := httpfail.Answered("endpoint", resp)
	if resp.StatusCode == http.StatusGone {
		f.Kind, f.Since = channels.Gone, started
	}
	return f
}

// drain ends the exchange. cancel is that of the request: it cuts off a body
// that does not end.
func drain(body io.ReadCloser, cancel context.CancelFunc) {
	defer body.Close()
	tooLong := time.AfterFunc(drainTime, cancel)
	defer tooLong.Stop()
	_, _ = io.CopyN(io.Discard, body, drainBytes) // the status has been said, whatever becomes of the body
}
