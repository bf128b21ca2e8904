package email

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"os"

	"tocsin/channels"
)

// Config says through which server mails go, who sends them, and where their
// links to stop them lead.
type Config struct {
	URL    string `name:"smtp-url" env:"TOCSIN_SMTP_URL" help:"Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465. On the machine itself TLS is used if offered; ?tls=none, opportunistic or required says otherwise."`
	CAFile string `name:"smtp-ca-file" env:"TOCSIN_SMTP_CA_FILE" help:"PEM file of the authority of the mail server's certificate, if the system does not know it."`
	From   string `name:"smtp-from" env:"TOCSIN_SMTP_FROM" help:"Sender of mails: an address, or Name <address>."`

	PublicURL string `name:"public-url" env:"TOCSIN_PUBLIC_URL" help:"Where users reach the web. With it and a link key, each mail has a link that stops mails about its event type."`
	LinkKey   string `name:"link-key" env:"TOCSIN_LINK_KEY" help:"Signs links in mails: base64 of 32 bytes; several by comma: the first signs, all verify."`

	DKIMDomain   string `name:"dkim-domain" env:"TOCSIN_DKIM_DOMAIN" help:"Domain to sign mails for with DKIM, if the mail server does not sign."`
	DKIMSelector string `name:"dkim-selector" env:"TOCSIN_DKIM_SELECTOR" help:"DKIM selector: <selector>._domainkey.<domain> holds the public key."`
	DKIMKeyFile  string `name:"dkim-key-file" env:"TOCSIN_DKIM_KEY_FILE" help:"PEM file of the DKIM key: RSA, or Ed25519 (RFC 8463), which costs a tenth but few receivers verify."`
}

// Present reports whether a mail server is named.
func (c *Config) Present() bool { return c.URL != "" }

// Open makes the channel; it does not connect yet.
func (c *Config) Open() (channels.Channel, error) {
	server, err := c.server()
	if err != nil {
		return nil, err
	}
	from, err := c.sender()
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_SMTP_FROM: %w", err)
	}
	signer, err := c.signer()
	if err != nil {
		return nil, err
	}
	links, err := c.links()
	if err != nil {
		return nil, err
	}
	return &channel{
		server: server,
		writer: writer{from: from, signer: signer, links: links},
		pool:   newPool(server.dial, sessions),
	}, nil
}

func (c *Config) server() (server, error) {
	s, err := parseServer(c.URL)
	if err != nil {
		return s, fmt.Errorf("TOCSIN_SMTP_URL: %w", err)
	}
	if c.CAFile == "" {
		return s, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return s, fmt.Errorf("TOCSIN_SMTP_CA_FILE: %w", err)
	}
	s.tls.RootCAs = x509.NewCertPool()
	if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		return s, fmt.Errorf("TOCSIN_SMTP_CA_FILE: no certificate in %s", c.CAFile)
	}
	return s, nil
}

func (c *Config) sender() (*mail.Address, error) {
	if c.From == "" {
		return nil, errors.New("missing; it is the sender of all mails")
	}
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, errors.New("not an address; write notify@example.com or Name <notify@example.com>")
	}
	return from, checkAddress(from.Address)
}
