// Package email brings notifications by SMTP: one mail for one person about
// one event, with a thread for each resource and each of its deployments.
//
// A mail is delivered when the server has answered the end of its text with
// 2xx. Connections are kept for the next mail, and at most 16 are open. If a
// server names PIPELINING (RFC 2920), a mail costs two round trips, else four.
//
// A connection that breaks after the end of the text and before the answer
// leaves open whether the server has the mail (RFC 5321 section 4.5.3.2.6).
// Such an attempt counts as a temporary failure, so the mail may arrive twice,
// never not at all; it has the same Message-ID then, by which mail programs
// fold duplicates. All that breaks earlier is safe to repeat.
//
// What a refusal means is decided in failure.go. Bounces that arrive later, as
// mails to the sender's address, are not read.
package email

import (
	"context"
	"fmt"
	"time"

	"tocsin/channels"
	"tocsin/schema"
)

const (
	// sessions is what mail servers take from one client without throttling:
	// Postfix allows 50 connections of one client, hosted relays often 20.
	sessions = 16
	// concurrency keeps them busy while other mails wait for answers of Redis and
	// NATS, before and after they are sent: as many as sessions made a quarter
	// fewer mails a second.
	concurrency = 4 * sessions
)

// Spec describes the channel.
func Spec() channels.Spec {
	return channels.Spec{
		Name:  "email",
		Label: "Email",
		Fields: []channels.Field{{
			Name:        "address",
			Label:       "Address",
			Kind:        channels.Email,
			Placeholder: "the address of your account",
			Help:        "Where mails go. Empty: the address of your account.",
		}},
		Check:       check,
		Timeout:     time.Minute,
		Concurrency: concurrency,
		Config:      &Config{},
	}
}

// channel sends mails through one server.
type channel struct {
	server server
	writer writer
	pool   *pool
}

// Send makes one attempt to hand the mail to the server.
func (c *channel) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	started := time.Now()
	address, err := recipient(to)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("address the mail: %w", err)}
	}
	text, err := c.writer.write(d, to.Person, address)
	if err != nil {
		return &channels.Failure{Kind: channels.Permanent, Err: fmt.Errorf("write the mail: %w", redacted(err.Error(), address))}
	}
	said, err := c.hand(ctx, letter{from: c.writer.from.Address, to: address, text: text})
	c.note(ctx, said, err, address)
	if err != nil {
		return c.server.failure(ctx, err, address, started)
	}
	return nil
}

// hand takes another session if one that was kept turns out to be closed: the
// server has answered nothing about the mail then.
func (c *channel) hand(ctx context.Context, l letter) (reply, error) {
	for {
		s, err := c.pool.take(ctx)
		if err != nil {
			return reply{}, &unopened{err}
		}
		kept := s.sent > 0
		said, err := s.send(ctx, l)
		c.pool.give(s)
		if err == nil || !kept || !isStale(err) || ctx.Err() != nil {
			return said, err
		}
	}
}

// note tells who watches the attempt what the server said to the mail.
func (c *channel) note(ctx context.Context, said reply, err error, address string) {
	watched := channels.Observed(ctx)
	if watched == nil {
		return
	}
	if refused, ok := refusalIn(err); ok {
		said = refused.reply
	}
	if said.code != 0 {
		watched.Status = said.status()
		watched.Excerpt = redacted(said.String(), address, c.server.secrets()...).Error()
	}
}
