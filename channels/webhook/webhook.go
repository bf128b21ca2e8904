// Package webhook brings a delivery to a URL of the user by HTTP POST.
//
// The body is the event's data, byte for byte, with timestamp and event_type
// added (see Body). Nothing in it is redacted: the data is the resource as the
// platform's API gives it, and that may hold capability URLs such as a stack's
// redeploy_hook. Whoever sets up a webhook trusts its endpoint with them.
//
// Requests are signed after Standard Webhooks 1.0.0: by HMAC with a secret
// that the receiver shares (v1), by an Ed25519 key of which the receiver knows
// the public half (v1a), or by both. The URL is the user's, so it is taken for
// hostile: see package outbound.
package webhook

import (
	"fmt"
	"time"

	"tocsin/channels"
	"tocsin/channels/outbound"
)

// allowVariable sets which private addresses may be reached.
const allowVariable = "TOCSIN_WEBHOOK_ALLOW"

// Spec describes the channel. Its Timeout is the upper bound; the channel
// itself gives up an attempt after what the target or the installation says.
func Spec() channels.Spec {
	return channels.Spec{
		Name:        "webhook",
		Label:       "Webhook",
		Fields:      fields(),
		Check:       check,
		Host:        outbound.HostOf,
		RateOf:      rateOf,
		Timeout:     outbound.LongestTimeout,
		Concurrency: 256,
		Config:      &Config{},
	}
}

func fields() []channels.Field {
	return []channels.Field{
		{Name: "url", Label: "URL", Kind: channels.URL, Required: true, Placeholder: "https://example.com/hooks/tocsin",
			Help: "Events are sent here by POST, as JSON. https:// or http://, without user name and fragment."},
		{Name: "secret", Label: "Signing secret", Kind: channels.Text, Required: true, Secret: true, Renew: Rotate, Placeholder: "whsec_…",
			Help: "Made for you. Verify the v1 signature in the webhook-signature header with it (Standard Webhooks). Once renewed, the previous one signs too for 24 hours."},
		{Name: "signing_key", Label: "Signing key", Kind: channels.Text, Secret: true, Advanced: true, Renew: RotateSigningKey, Placeholder: "whsk_…",
			Help: "For receivers that verify v1a signatures with a public key instead of sharing a secret: whsk_ and a private Ed25519 key in base64. If it is made for you, you are shown the public half."},
		{Name: "headers", Label: "Headers", Kind: channels.Lines, Secret: true, Advanced: true, Placeholder: "Authorization: Bearer …",
			Help: "Sent with each request, such as Authorization; one 'Name: value' a line, at most 20."},
		{Name: "timeout", Label: "Timeout", Kind: channels.Text, Advanced: true, Placeholder: "15s",
			Help: "How long to wait for an answer, from 1s to 30s."},
		{Name: "rate", Label: "Rate", Kind: channels.Text, Advanced: true, Placeholder: "100/min",
			Help: "At most so many requests, such as 10/s, 100/min or 600/h; the number is at most 600. What exceeds it waits."},
		{Name: "client_cert", Label: "Client certificate", Kind: channels.Lines, Advanced: true, Placeholder: "-----BEGIN CERTIFICATE-----",
			Help: "For mutual TLS: the certificate to show, and its chain, as PEM."},
		{Name: "client_key", Label: "Key of the client certificate", Kind: channels.Lines, Secret: true, Advanced: true, Placeholder: "-----BEGIN PRIVATE KEY-----",
			Help: "Its private key, as PEM without a passphrase."},
	}
}

// Config is what an installation sets for webhooks.
type Config struct {
	Timeout time.Duration `name:"webhook-timeout" env:"TOCSIN_WEBHOOK_TIMEOUT" default:"15s" help:"Most that one attempt may take, at most 30s."`
	Allow   []string      `name:"webhook-allow" env:"TOCSIN_WEBHOOK_ALLOW" sep:"," placeholder:"CIDR,..." help:"Address ranges that webhooks may reach although they are not public."`
}

// Present reports true: webhooks need no configuration.
func (c *Config) Present() bool { return true }

// Open makes the channel.
func (c *Config) Open() (channels.Channel, error) {
	if c.Timeout <= 0 || c.Timeout > outbound.LongestTimeout {
		return nil, fmt.Errorf("TOCSIN_WEBHOOK_TIMEOUT is %s: it must be above 0 and at most %s", c.Timeout, outbound.LongestTimeout)
	}
	allow, err := outbound.Prefixes(allowVariable, c.Allow)
	if err != nil {
		return nil, err
	}
	return open(c.Timeout, outbound.Policy{Allow: allow, Variable: allowVariable}), nil
}
