package hipchat

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/channels/httpfail"
	"tocsin/schema"
)

// longestReply is what is read of an answer: HipChat's own are below 1 KiB.
const longestReply = 16 << 10

type channel struct {
	base   *url.URL
	client *http.Client
}

// Send shows the event in the room once.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	return c.SendDigest(ctx, d, nil, to)
}

// SendDigest shows the event, and a line for each of also, in one message. A
// server that refuses a card, because it was made before there were any, is
// asked again without: it has shown nothing.
func (c *channel) SendDigest(ctx context.Context, d schema.Delivery, also []channels.Brief, to channels.Target) error {
	settings, err := parseSettings(to.Settings)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	p := newPosting(d, also)
	err = c.post(ctx, settings, p)
	if settings.APIVersion == "2" && p.Card != nil && err != nil && channels.FailureOf(err).Status == "400" {
		p.Card = nil
		err = c.post(ctx, settings, p)
	}
	return err
}

func (c *channel) post(ctx context.Context, s Settings, p posting) error {
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(attempt, s, p)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	req.Header.Set("User-Agent", sender)
	began := time.Now()
	resp, err := c.client.Do(req)
	if _, refused := errors.AsType[*tls.CertificateVerificationError](err); refused {
		return &channels.Failure{Kind: channels.Misconfigured, Err: errCertificate}
	}
	if err != nil {
		return httpfail.NoAnswer(ctx, err, timeout)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	if err != nil {
		return httpfail.NoAnswer(ctx, err, timeout)
	}
	observe(ctx, s, resp, reply)
	return outcome(s, answer{resp.StatusCode, resp.Header, reply}, began)
}

var errCertificate = errors.New("the certificate of the HipChat server is not accepted; TOCSIN_HIPCHAT_CA_FILE names whom to trust")

// observe tells who watches what was answered, without the token, should the
// server have repeated it.
func observe(ctx context.Context, s Settings, resp *http.Response, reply []byte) {
	exchange := channels.Observed(ctx)
	if exchange == nil {
		return
	}
	exchange.Status = strconv.Itoa(resp.StatusCode)
	exchange.Header = resp.Header
	exchange.Excerpt = strings.ToValidUTF8(string(reply), "")
	exchange.Hide(s.Token)
	exchange.Excerpt = channels.Excerpt(exchange.Excerpt)
}
