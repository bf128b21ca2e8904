package hipchat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
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
	settings, err := parseSettings(to.Settings)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(attempt, settings, channels.Describe(d.Event))
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	req.Header.Set("User-Agent", sender)
	resp, err := c.client.Do(req)
	if err != nil {
		return httpfail.NoAnswer(ctx, err, timeout)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	if err != nil {
		return httpfail.NoAnswer(ctx, err, timeout)
	}
	return outcome(settings, resp, reply)
}

// outcome is what the answer means. API v1 says a rate limit with 403, as it
// does a token that may not send (see hipchat.com/docs/api/rate_limiting), so
// that headers and text must tell the two apart.
func outcome(s Settings, resp *http.Response, reply []byte) error {
	if sent(s, resp.StatusCode, reply) {
		return nil
	}
	f := httpfail.Answered("HipChat", resp)
	if resp.StatusCode/100 == 2 {
		f.Kind, f.Err = channels.Temporary, errors.New("the answer is not one of a HipChat server")
	}
	if resp.StatusCode == http.StatusForbidden && rateLimited(resp.Header, reply) {
		f.Kind, f.Err = channels.Temporary, errors.New("HipChat's rate limit is reached")
	}
	if f.Kind == channels.Temporary {
		f.Wait = max(f.Wait, untilReset(resp.Header, time.Now()))
	}
	return f
}

func sent(s Settings, status int, reply []byte) bool {
	if s.APIVersion == "2" {
		return status == http.StatusNoContent
	}
	var answer struct {
		Status string `json:"status"`
	}
	return status == http.StatusOK && json.Unmarshal(reply, &answer) == nil && answer.Status == "sent"
}

func rateLimited(h http.Header, reply []byte) bool {
	return h.Get("X-RateLimit-Remaining") == "0" || strings.Contains(strings.ToLower(string(reply)), "rate limit")
}
