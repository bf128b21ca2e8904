package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tocsin/channels"
	"tocsin/channels/outbound"
	"tocsin/schema"
)

// longestReply is what is read of an answer: a word of Slack's, a short object
// of Mattermost's or Discord's.
const longestReply = 4 << 10

type channel struct {
	client    *outbound.Client
	userAgent string
}

func open(policy outbound.Policy) *channel {
	return &channel{client: outbound.Open(policy), userAgent: outbound.UserAgent()}
}

// Send shows the event in the chat channel once.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	return c.SendDigest(ctx, d, nil, to)
}

// SendDigest shows the event, and a line for each of also, in one message.
func (c *channel) SendDigest(ctx context.Context, d schema.Delivery, also []channels.Brief, to channels.Target) error {
	started := time.Now()
	where, err := parseSettings(to.Settings)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: err}
	}
	body, err := json.Marshal(render(channels.DescribeDelivery(d), also))
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("encode chat message: %w", err)}
	}
	answer, err := c.client.Post(ctx, outbound.Request{
		URL:     where,
		Header:  http.Header{"Content-Type": {"application/json"}, "User-Agent": {c.userAgent}},
		Body:    body,
		Timeout: timeout,
		Keep:    longestReply,
	})
	if err != nil {
		return err
	}
	return outcome(answer, started)
}
