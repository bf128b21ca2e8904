package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/channels/outbound"
	"tocsin/schema"
)

type channel struct {
	client    *outbound.Client
	timeout   time.Duration
	userAgent []string
}

func open(timeout time.Duration, policy outbound.Policy) *channel {
	return &channel{client: outbound.Open(policy), timeout: timeout, userAgent: []string{outbound.UserAgent()}}
}

// Send posts the delivery once.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	started := time.Now()
	req, err := c.request(ctx, d, to, started)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	answer, err := c.client.Post(ctx, req)
	if err != nil {
		return err
	}
	return outcome(answer, started)
}

func (c *channel) request(ctx context.Context, d schema.Delivery, to channels.Target, now time.Time) (outbound.Request, error) {
	end, err := endpointOf(to.Settings, now)
	if err != nil {
		return outbound.Request{}, err
	}
	m, err := newMessage(d, now)
	if err != nil {
		return outbound.Request{}, err
	}
	if exchange := channels.Observed(ctx); exchange != nil {
		exchange.Signed = channels.Excerpt(string(m.signed))
	}
	header := end.headers.all()
	header["Content-Type"] = contentType
	header["User-Agent"] = c.userAgent
	if d.Replays > 0 {
		header["Tocsin-Replay"] = []string{strconv.Itoa(d.Replays)}
	}
	if _, theirs := header["Traceparent"]; !theirs && d.Event.TraceParent != "" {
		header["Traceparent"] = []string{d.Event.TraceParent}
	}
	m.setSignature(header, end.signers)
	return outbound.Request{
		URL:      end.url,
		Header:   header,
		Body:     m.body,
		Timeout:  end.timeout(c.timeout),
		Identity: end.identity,
		Secrets:  end.secrets,
	}, nil
}

var contentType = []string{"application/json"}

// outcome is what the answer means. A target saved after the attempt began is
// not the one that answered.
func outcome(answer *outbound.Answer, started time.Time) error {
	if answer.Delivered() {
		return nil
	}
	f := answer.Failure("endpoint")
	switch {
	case answer.Status == http.StatusGone:
		f.Kind = channels.Gone
	case says(answer.Header, "disable"):
		f.Kind, f.Err = channels.Gone, fmt.Errorf("%w and asked for no more webhooks", f.Err)
	case says(answer.Header, "abort-message"):
		f.Kind, f.Err = channels.Permanent, fmt.Errorf("%w and asked not to be sent this again", f.Err)
	}
	if f.Kind == channels.Gone {
		f.Since = started
	}
	if f.Kind != channels.Temporary {
		f.Wait = 0
	}
	return f
}

// says reports whether the receiver gives this word in the webhook-delivery
// header of its answer (docs.svix.com, "Delivery Control"): "disable" ends all
// messages to the endpoint, "abort-message" the retries of this one. Both are
// heard on every answer but one of success, which needs no retry and proves
// that the endpoint works.
func says(h http.Header, word string) bool {
	for _, value := range h["Webhook-Delivery"] {
		for said := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(said), word) {
				return true
			}
		}
	}
	return false
}
