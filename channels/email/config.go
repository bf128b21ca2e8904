package email

import (
	"errors"
	"fmt"
	"net/mail"

	"tocsin/channels"
)

// Config says through which server mails go and who sends them.
type Config struct {
	URL  string `name:"smtp-url" env:"TOCSIN_SMTP_URL" help:"Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465. On the machine itself TLS is used if offered; ?tls=none, opportunistic or required says otherwise."`
	From string `name:"smtp-from" env:"TOCSIN_SMTP_FROM" help:"Sender of mails: an address, or Name <address>."`

	DKIMDomain   string `name:"dkim-domain" env:"TOCSIN_DKIM_DOMAIN" help:"Domain to sign mails for with DKIM, if the mail server does not sign."`
	DKIMSelector string `name:"dkim-selector" env:"TOCSIN_DKIM_SELECTOR" help:"DKIM selector: <selector>._domainkey.<domain> holds the public key."`
	DKIMKeyFile  string `name:"dkim-key-file" env:"TOCSIN_DKIM_KEY_FILE" help:"PEM file of the DKIM key: RSA, or Ed25519, which few receivers verify."`
}

// Present reports whether a mail server is named.
func (c *Config) Present() bool { return c.URL != "" }

// Open makes the channel; it does not connect yet.
func (c *Config) Open() (channels.Channel, error) {
	server, err := parseServer(c.URL)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_SMTP_URL: %w", err)
	}
	return c.open(server)
}

func (c *Config) open(server server) (*channel, error) {
	from, err := c.sender()
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_SMTP_FROM: %w", err)
	}
	signer, err := c.signer()
	if err != nil {
		return nil, err
	}
	return &channel{
		server: server,
		writer: writer{from: from, signer: signer},
		pool:   newPool(server.dial, concurrency),
	}, nil
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
