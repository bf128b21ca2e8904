// Package email brings notifications by SMTP: one mail for one person about
// one event, with a thread for each resource.
package email

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"tocsin/channels"
	"tocsin/schema"
)

// concurrency is what mail servers take from one client without throttling:
// Postfix allows 50 connections of one client, hosted relays often 20.
const concurrency = 16

// Spec describes the channel.
func Spec() channels.Spec {
	return channels.Spec{
		Name:  "email",
		Label: "Email",
		Fields: []channels.Field{{
			Name:  "address",
			Label: "Address",
			Help:  "Where mails go. Empty: the address of your account.",
		}},
		Check:       check,
		Timeout:     time.Minute,
		Concurrency: concurrency,
		Config:      &Config{},
	}
}

// settings are a target's, as saved; without an address the person's counts.
type settings struct {
	Address string `json:"address"`
}

func check(saved json.RawMessage) error {
	address, err := addressIn(saved)
	if err != nil || address == "" {
		return err
	}
	return checkAddress(address)
}

func addressIn(saved json.RawMessage) (string, error) {
	if len(saved) == 0 {
		return "", nil
	}
	var s settings
	if json.Unmarshal(saved, &s) != nil {
		return "", errors.New("the email settings are not an object with an address")
	}
	return strings.TrimSpace(s.Address), nil
}

// checkAddress takes what needs no quoting anywhere, so that an address is
// written in headers and commands as it stands. Lengths: RFC 5321 section 4.5.3.1.
func checkAddress(address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address {
		return errors.New("this is not an email address")
	}
	if local := address[:strings.LastIndexByte(address, '@')]; len(local) > 64 || len(address) > 254 {
		return errors.New("this email address is too long")
	}
	return nil
}

// recipient is where mails to a target go.
func recipient(to channels.Target) (string, error) {
	address, err := addressIn(to.Settings)
	if err != nil {
		return "", err
	}
	if address == "" {
		address = to.Person.Email
	}
	if address == "" {
		return "", errors.New("the user has no email address")
	}
	return address, checkAddress(address)
}

// channel sends mails through one server.
type channel struct {
	server server
	writer writer
	pool   *pool
}

// Send makes one attempt to hand the mail to the server. Once the server has
// taken it, it is delivered, whatever becomes of the connection.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	address, err := recipient(to)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("address the mail: %w", err)}
	}
	message, err := c.writer.write(d, to.Person, address)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("write the mail: %w", redacted(err, address))}
	}
	s, err := c.pool.take(ctx)
	if err != nil {
		return c.server.failedToConnect(ctx, err)
	}
	err = s.send(ctx, message)
	c.pool.give(s)
	if err == nil || message.IsDelivered() {
		return nil
	}
	return c.server.failedToSend(ctx, err, address)
}
