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
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"tocsin/channels"
)

const (
	// timeout is ample for a server that only stores the message.
	timeout = 15 * time.Second
	// concurrency is also how many connections the one server is kept.
	concurrency = 16
)

// Spec describes the channel.
func Spec() channels.Spec {
	return channels.Spec{
		Name:  "hipchat",
		Label: "HipChat",
		Fields: []channels.Field{
			{Name: "token", Label: "API token", Kind: channels.Text, Required: true, Secret: true,
				Help: "API 1: a token of type Notification, from the group admin's API pages. API 2: the room's own token, or one with the scope Send Notification."},
			{Name: "room", Label: "Room", Kind: channels.Text, Required: true, Placeholder: "Deployments",
				Help: "The room's name as HipChat shows it, or its number."},
			{Name: "api_version", Label: "API version", Kind: channels.Select,
				Options: []channels.Option{{Value: "1", Label: "1"}, {Value: "2", Label: "2, which shows cards"}},
				Help:    "Whichever the token was made for."},
		},
		Check:       check,
		Host:        func(json.RawMessage) channels.Host { return channels.Host{Name: "hipchat", Ours: true} },
		Timeout:     timeout,
		Window:      24 * time.Hour, // a room's chat of yesterday is of no use
		Concurrency: concurrency,
		Rate:        channels.Rate{Messages: 30, Per: time.Minute}, // flood control of API v2
		Config:      &Config{},
	}
}

// Config is what an installation sets for HipChat.
type Config struct {
	URL string `name:"hipchat-url" env:"TOCSIN_HIPCHAT_URL" placeholder:"URL" help:"Base URL of the HipChat server; without it HipChat is not offered."`

	CAFile string `name:"hipchat-ca-file" env:"TOCSIN_HIPCHAT_CA_FILE" help:"PEM file of the authority of the server's certificate. Empty: the system's."`
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
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: newTransport(roots), CheckRedirect: doNotFollow}
	return &channel{base: base, client: client}, nil
}

// roots is whom to trust, nil for whom the system trusts.
func (c *Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_HIPCHAT_CA_FILE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("TOCSIN_HIPCHAT_CA_FILE: no certificate in %s", c.CAFile)
	}
	return roots, nil
}

func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func doNotFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
