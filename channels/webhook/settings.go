package webhook

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"time"

	"tocsin/channels/outbound"
)

// Settings is what a target's settings hold. URL is needed, and Secret or
// SigningKey by the time that something is sent.
type Settings struct {
	URL        string  `json:"url"`
	Secret     string  `json:"secret,omitempty"`      // as NewSecret makes it
	SigningKey string  `json:"signing_key,omitempty"` // as NewSigningKey makes it
	Headers    Headers `json:"headers,omitempty"`
	Timeout    string  `json:"timeout,omitempty"` // "1s" to "30s"; empty: the installation's
	Rate       string  `json:"rate,omitempty"`    // "10/s", "100/min", "600/h"; empty: as fast as it answers
	ClientCert string  `json:"client_cert,omitempty"`
	ClientKey  string  `json:"client_key,omitempty"`

	// After a rotation, requests are signed with both until then, so that the
	// receiver can change over without a gap.
	PreviousSecret          string    `json:"previous_secret,omitempty"`
	PreviousUntil           time.Time `json:"previous_until,omitzero"` // RFC 3339
	PreviousSigningKey      string    `json:"previous_signing_key,omitempty"`
	PreviousSigningKeyUntil time.Time `json:"previous_signing_key_until,omitzero"`
}

// endpoint is what settings mean at a moment.
type endpoint struct {
	url      *url.URL
	headers  Headers
	limit    time.Duration // 0: none of its own
	identity outbound.Identity
	signers  []signer
	secrets  []string // values of headers
}

func (e endpoint) timeout(installations time.Duration) time.Duration {
	if e.limit > 0 {
		return e.limit
	}
	return installations
}

// check is the Spec's. It lets a missing secret pass, because the secret is
// made after the user has given a URL. What it says an attempt would say too.
func check(raw json.RawMessage) error {
	end, err := endpointOf(raw, time.Now())
	if err != nil && !errors.Is(err, errUnsigned) {
		return err
	}
	if end.identity != (outbound.Identity{}) {
		return end.identity.Check()
	}
	return nil
}

// errUnsigned comes with an endpoint that lacks nothing else.
var errUnsigned = errors.New("no signing secret")

func endpointOf(raw json.RawMessage, now time.Time) (endpoint, error) {
	var s Settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return endpoint{}, errMalformed // the cause may quote a secret
	}
	return s.endpoint(now)
}

var errMalformed = errors.New("the settings are not an object of texts")

func (s Settings) endpoint(now time.Time) (endpoint, error) {
	e := endpoint{headers: s.Headers, identity: outbound.Identity{Certificate: s.ClientCert, Key: s.ClientKey}}
	var err error
	if e.url, err = outbound.CheckURL(s.URL); err != nil {
		return endpoint{}, err
	}
	if err := s.Headers.check(); err != nil {
		return endpoint{}, err
	}
	if e.limit, err = parseTimeout(s.Timeout); err != nil {
		return endpoint{}, err
	}
	if _, err = parseRate(s.Rate); err != nil {
		return endpoint{}, err
	}
	if e.identity != (outbound.Identity{}) && e.url.Scheme != "https" {
		return endpoint{}, errors.New("a client certificate needs a URL that begins with https://")
	}
	e.secrets = slices.Collect(maps.Values(s.Headers))
	e.signers, err = s.signers(now)
	return e, err
}

// shortestTimeout is below which a receiver across the world would seem down.
const shortestTimeout = time.Second

func parseTimeout(given string) (time.Duration, error) {
	if given == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(given)
	if err != nil || d < shortestTimeout || d > outbound.LongestTimeout {
		return 0, errors.New("the timeout must be a time from 1s to 30s")
	}
	return d, nil
}

// signers are what a request is signed with at this moment, newest first.
func (s Settings) signers(now time.Time) ([]signer, error) {
	var all []signer
	for _, k := range [...]struct {
		text  string
		parse func(string) (signer, error)
		valid bool
	}{
		{s.Secret, parseSecret, true},
		{s.PreviousSecret, parseSecret, now.Before(s.PreviousUntil)},
		{s.SigningKey, parseSigningKey, true},
		{s.PreviousSigningKey, parseSigningKey, now.Before(s.PreviousSigningKeyUntil)},
	} {
		if k.text == "" || !k.valid {
			continue
		}
		parsed, err := k.parse(k.text)
		if err != nil {
			return nil, err
		}
		all = append(all, parsed)
	}
	if s.Secret == "" && s.SigningKey == "" {
		return nil, errUnsigned
	}
	return all, nil
}
