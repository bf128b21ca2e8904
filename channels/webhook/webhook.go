// Package webhook brings a delivery to a URL of the user by HTTP POST.
//
// The body is the event's data, byte for byte, with timestamp and event_type
// added (see Body). Nothing in it is redacted: the data is the resource as the
// platform's API gives it, and that may hold capability URLs such as a stack's
// redeploy_hook. Whoever sets up a webhook trusts its endpoint with them.
//
// Requests are signed after Standard Webhooks 1.0.0. The URL is the user's, so
// it is taken for hostile: addresses are checked when they are dialled,
// redirects are not followed, proxies are not used, and what is read of an
// answer is bounded.
package webhook

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"tocsin/channels"
)

// longestTimeout bounds TOCSIN_WEBHOOK_TIMEOUT. Standard Webhooks asks senders
// to wait 15 to 30 s.
const longestTimeout = 30 * time.Second

// Spec describes the channel. Its Timeout is the upper bound; the channel
// itself gives up an attempt after what is configured.
func Spec() channels.Spec {
	return channels.Spec{
		Name:  "webhook",
		Label: "Webhook",
		Fields: []channels.Field{
			{Name: "url", Label: "URL", Help: "Events are sent here by POST, as JSON."},
			{Name: "secret", Label: "Signing secret", Secret: true,
				Help: "Made for you. Verify the webhook-signature header with it (Standard Webhooks)."},
		},
		Check:       check,
		Timeout:     longestTimeout,
		Concurrency: 256,
		Config:      &Config{},
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
	if c.Timeout <= 0 || c.Timeout > longestTimeout {
		return nil, fmt.Errorf("TOCSIN_WEBHOOK_TIMEOUT is %s: it must be above 0 and at most %s", c.Timeout, longestTimeout)
	}
	allow, err := prefixes(c.Allow)
	if err != nil {
		return nil, err
	}
	return open(c.Timeout, newGuard(allow, net.Dialer{Timeout: c.Timeout})), nil
}

func prefixes(cidrs []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(strings.TrimSpace(cidr))
		if err != nil {
			return nil, fmt.Errorf("TOCSIN_WEBHOOK_ALLOW holds %q: it must be address ranges such as 10.0.0.0/8, separated by commas", cidr)
		}
		all = append(all, p)
	}
	return all, nil
}

func userAgent() string {
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		version = strings.TrimPrefix(info.Main.Version, "v")
	}
	return "Tocsin/" + cmp.Or(version, "dev")
}
