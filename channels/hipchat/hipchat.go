// Package hipchat brings a delivery to a HipChat room, by rooms/message of API
// v1 or, if the user chooses so, by the room notification of API v2.
//
// HipChat knows no idempotency key, so the delivery id is not sent, and a
// message whose answer was lost is seen twice.
//
// The server is the operator's, often on a private network: its address comes
// from the configuration alone and is not checked to be public.
package hipchat

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tocsin/channels"
)

// timeout is ample for a server that only stores the message.
const timeout = 15 * time.Second

// Spec describes the channel.
func Spec() channels.Spec {
	return channels.Spec{
		Name:  "hipchat",
		Label: "HipChat",
		Fields: []channels.Field{
			{Name: "token", Label: "API token", Secret: true,
				Help: "A token of type Notification, from HipChat's group admin pages."},
			{Name: "room", Label: "Room", Help: "The room's name, or its number."},
			{Name: "api_version", Label: "API version", Help: "1 or 2; empty means 1."},
		},
		Check:       check,
		Timeout:     timeout,
		Window:      24 * time.Hour, // a room's chat of yesterday is of no use
		Concurrency: 16,
		Config:      &Config{},
	}
}

// Config is what an installation sets for HipChat.
type Config struct {
	URL string `name:"hipchat-url" env:"TOCSIN_HIPCHAT_URL" placeholder:"URL" help:"Base URL of the HipChat server; without it HipChat is not offered."`
}

// Present reports whether there is a server. The public one closed on 15
// February 2019, so there is no default.
func (c *Config) Present() bool { return c.URL != "" }

// Open makes the channel.
func (c *Config) Open() (channels.Channel, error) {
	base, err := url.Parse(strings.TrimRight(c.URL, "/"))
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" ||
		base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("TOCSIN_HIPCHAT_URL must be a base URL such as https://chat.example.com, without user name or query")
	}
	client := &http.Client{Transport: newTransport(), CheckRedirect: doNotFollow}
	return &channel{base: base, client: client}, nil
}

// newTransport lets the one server keep as many connections as the channel
// makes attempts at a time.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func doNotFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
