// Package slack brings a delivery to a chat channel by a Slack-compatible
// incoming webhook: Slack's own, Mattermost's, or Discord's with /slack at its
// end.
//
// Such webhooks know no idempotency key, so the delivery id is not sent, and a
// message whose answer was lost is seen twice. The URL is a credential, and the
// user's: see package outbound.
package slack

import (
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"tocsin/channels"
	"tocsin/channels/outbound"
)

const (
	// timeout is ample for a server that only stores the message.
	timeout = 15 * time.Second
	// allowVariable sets which private addresses may be reached.
	allowVariable = "TOCSIN_SLACK_ALLOW"
)

// Spec describes the channel.
func Spec() channels.Spec {
	return channels.Spec{
		Name:  "slack",
		Label: "Slack",
		Fields: []channels.Field{
			{Name: "url", Label: "Webhook URL", Kind: channels.URL, Required: true, Secret: true, Placeholder: "https://hooks.slack.com/services/…",
				Help: "Of an incoming webhook in Slack or Mattermost, or of a Discord webhook with /slack added at its end."},
		},
		Check:       check,
		Host:        outbound.HostOf,
		Timeout:     timeout,
		Window:      24 * time.Hour, // a chat of yesterday is of no use
		Concurrency: 64,
		Rate:        channels.Rate{Messages: 1, Per: time.Second}, // docs.slack.dev, "Rate limits": incoming webhooks
		Config:      &Config{},
	}
}

// Config is what an installation sets for Slack-compatible webhooks.
type Config struct {
	Offered bool     `name:"slack" env:"TOCSIN_SLACK" help:"Offer Slack-compatible webhooks (Slack, Mattermost, Discord)."`
	Allow   []string `name:"slack-allow" env:"TOCSIN_SLACK_ALLOW" sep:"," placeholder:"CIDR,..." help:"Address ranges that Slack-compatible webhooks may reach although they are not public."`
}

// Present reports whether the channel is offered: it needs no configuration,
// so it has to be wanted.
func (c *Config) Present() bool { return c.Offered }

// Open makes the channel.
func (c *Config) Open() (channels.Channel, error) {
	allow, err := outbound.Prefixes(allowVariable, c.Allow)
	if err != nil {
		return nil, err
	}
	return open(outbound.Policy{Allow: allow, Variable: allowVariable}), nil
}

// Settings is what a target's settings hold.
type Settings struct {
	URL string `json:"url"`
}

func check(raw json.RawMessage) error {
	_, err := parseSettings(raw)
	return err
}

func parseSettings(raw json.RawMessage) (*url.URL, error) {
	var s Settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, errors.New("the settings are not an object of texts") // the cause may quote the URL
	}
	return outbound.CheckURL(s.URL)
}
