package email

import (
	"errors"
	"fmt"
	"net/url"

	"tocsin/channels/unsubscribe"
)

// links make the addresses at which a person stops mails about one event type.
type links struct {
	base   *url.URL
	signer *unsubscribe.Signer
}

// links is nil if neither variable is set.
func (c *Config) links() (*links, error) {
	switch {
	case c.PublicURL == "" && c.LinkKey == "":
		return nil, nil
	case c.PublicURL == "":
		return nil, errors.New("TOCSIN_PUBLIC_URL: missing; with TOCSIN_LINK_KEY it makes the links in mails")
	case c.LinkKey == "":
		return nil, errors.New("TOCSIN_LINK_KEY: missing; with TOCSIN_PUBLIC_URL it makes the links in mails")
	}
	base, err := ParsePublicURL(c.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_PUBLIC_URL: %w", err)
	}
	signer, err := unsubscribe.NewSigner(c.LinkKey)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_LINK_KEY: %w", err)
	}
	return &links{base: base, signer: signer}, nil
}

// ParsePublicURL reads TOCSIN_PUBLIC_URL. It takes https alone, as RFC 8058 section 3.1 asks of links in mails,
// and http for a machine that talks to itself.
func ParsePublicURL(raw string) (*url.URL, error) {
	base, err := url.Parse(raw)
	switch {
	case err != nil || base.Hostname() == "" || base.Opaque != "":
		return nil, errors.New("not a URL; write https://tocsin.example.com")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("must have neither login, query nor fragment; everybody who gets a mail reads it")
	case base.Scheme != "https" && (base.Scheme != "http" || !isLocal(base.Hostname())):
		return nil, errors.New("must begin with https://; mail programs use no other links")
	case !isASCII(raw):
		return nil, errors.New("must be ASCII; write a name with other letters in its xn-- form")
	}
	return base, nil
}

// to is empty if no links are made.
func (l *links) to(user, typeName string) string {
	if l == nil {
		return ""
	}
	return l.signer.Link(l.base, user, typeName)
}
