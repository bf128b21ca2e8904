package webhook

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Settings is what a target's settings hold.
type Settings struct {
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"` // as NewSecret makes it

	// After a rotation, requests are signed with both secrets until then, so
	// that the receiver can change over without a gap.
	PreviousSecret string    `json:"previous_secret,omitempty"`
	PreviousUntil  time.Time `json:"previous_until,omitzero"` // RFC 3339
}

// check is the Spec's. It lets a missing secret pass, because the secret is
// made after the user has given a URL.
func check(raw json.RawMessage) error {
	s, err := parseSettings(raw)
	if err != nil {
		return err
	}
	if err := CheckURL(s.URL); err != nil {
		return err
	}
	if s.Secret == "" {
		return nil
	}
	_, err = s.keys(time.Now())
	return err
}

func parseSettings(raw json.RawMessage) (Settings, error) {
	var s Settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return Settings{}, errors.New("the settings are not an object of texts") // the cause may quote a secret
	}
	return s, nil
}

// keys are what a request is signed with at this moment, newest first.
func (s Settings) keys(now time.Time) ([]key, error) {
	if s.Secret == "" {
		return nil, errors.New("no signing secret")
	}
	current, err := parseSecret(s.Secret)
	if err != nil {
		return nil, err
	}
	if s.PreviousSecret == "" || !now.Before(s.PreviousUntil) {
		return []key{current}, nil
	}
	previous, err := parseSecret(s.PreviousSecret)
	if err != nil {
		return nil, err
	}
	return []key{current, previous}, nil
}

// longestURL is what browsers, proxies and servers are known to take.
const longestURL = 2048

// CheckURL says what is wrong with a webhook's URL, in words for the user and
// without repeating it. It looks at the form only: whether the address may be
// reached is decided when it is dialled.
func CheckURL(raw string) error {
	if raw == "" {
		return errors.New("a URL is needed")
	}
	if len(raw) > longestURL {
		return errors.New("the URL is longer than 2048 characters")
	}
	if strings.Contains(raw, "#") {
		return errors.New("the URL must not hold a fragment (#)")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("the URL is not well-formed")
	}
	return checkParts(u)
}

func checkParts(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the URL must begin with https:// or http://")
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), " \t"):
		return errors.New("the URL must name a host")
	case u.User != nil:
		return errors.New("the URL must not hold a user name or password")
	case u.Port() != "" && !validPort(u.Port()):
		return errors.New("the URL's port must be between 1 and 65535")
	}
	return nil
}

func validPort(s string) bool {
	port, err := strconv.ParseUint(s, 10, 16)
	return err == nil && port > 0
}
