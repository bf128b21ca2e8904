package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/schema"
)

type deadCmd struct {
	Ls      deadLsCmd      `cmd:"" help:"List dead letters, oldest first."`
	Show    deadShowCmd    `cmd:"" help:"Show one dead letter whole."`
	Stats   deadStatsCmd   `cmd:"" help:"Count dead letters by channel, type, cause and answer."`
	Replay  deadReplayCmd  `cmd:"" help:"Send dead letters on their way again."`
	Discard deadDiscardCmd `cmd:"" help:"Remove dead letters for good."`
}

// deadFilter chooses dead letters.
type deadFilter struct {
	Channel string `placeholder:"CHANNEL" complete:"channel" help:"Of this channel; 'event' for events that did not validate."`
	Type    string `placeholder:"TYPE" complete:"type" help:"Of this event type."`
	Account string `placeholder:"ID" help:"Of this account."`
	User    string `placeholder:"ID" help:"Of this user."`
	Cause   string `placeholder:"CAUSE" enum:",invalid,permanent,gone,exhausted,poison" default:"" help:"Of this cause: invalid, permanent, gone, exhausted or poison."`
	Reason  string `placeholder:"TEXT" help:"Whose reason or status contains this text, for example a host or 404."`
	Since   moment `placeholder:"WHEN" help:"Dead since then: a moment in RFC 3339, a day as 2026-03-01, or how long ago as 90m, 36h or 7d."`
	Until   moment `placeholder:"WHEN" help:"Dead before then."`
}

// subject narrows what the server sends.
func (f deadFilter) subject() (string, error) {
	if f.Channel != "" && !schema.ValidID(f.Channel) {
		return "", misuse{fmt.Errorf("--channel: %q is not the name of a channel", f.Channel)}
	}
	_, known := schema.TypeNamed(f.Type)
	if f.Type != "" && f.Type != schema.UnknownType && !known {
		return "", misuse{fmt.Errorf("--type: %w", unknownType(f.Type))}
	}
	channel, typeName := f.Channel, f.Type
	if channel == "" {
		channel = "*"
	}
	if typeName == "" {
		typeName = ">"
	}
	return schema.DeadSubject(channel, typeName), nil
}

func (f deadFilter) matches(l queue.DeadLetter) bool {
	var d schema.Delivery
	if l.Delivery != nil {
		d = *l.Delivery
	}
	return (f.Account == "" || f.Account == d.Event.Account) &&
		(f.User == "" || f.User == d.User) &&
		(f.Cause == "" || f.Cause == string(l.Cause)) &&
		(f.Reason == "" || strings.Contains(l.Reason, f.Reason) || strings.Contains(d.Last.Status, f.Reason)) &&
		(f.Since.IsZero() || !l.Died.Before(f.Since.Time)) &&
		(f.Until.IsZero() || l.Died.Before(f.Until.Time))
}

// each calls do with every dead letter that matches.
func (f deadFilter) each(ctx context.Context, q *queue.Queue, do func(queue.DeadLetter) error) error {
	subject, err := f.subject()
	if err != nil {
		return err
	}
	for letter, err := range q.DeadLetters(ctx, subject) {
		if err != nil {
			return err
		}
		if f.matches(letter) {
			if err := do(letter); err != nil {
				return err
			}
		}
	}
	return nil
}

// deadQuery is what the commands that look through the dead letters share.
type deadQuery struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	Filter deadFilter  `embed:"" group:"Which"`
}

// each connects and calls do with every dead letter that matches.
func (c deadQuery) each(ctx context.Context, do func(queue.DeadLetter) error) error {
	if _, err := c.Filter.subject(); err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	return c.Filter.each(ctx, q, do)
}

// letterView is a dead letter as commands write it.
type letterView struct {
	Sequence uint64        `json:"seq"`
	Died     time.Time     `json:"died"`
	Channel  string        `json:"channel"` // "event" for an event that did not validate
	Type     string        `json:"type"`
	Account  string        `json:"account,omitempty"`
	User     string        `json:"user,omitempty"`
	Target   string        `json:"target,omitempty"`
	Delivery string        `json:"delivery,omitempty"`
	Cause    queue.Cause   `json:"cause"`
	Attempts int           `json:"attempts"`
	Status   string        `json:"status,omitempty"`
	Reason   string        `json:"reason"`
	Header   schema.Header `json:"headers,omitempty"`
	Body     []byte        `json:"body,omitempty"`
}

func viewOf(l queue.DeadLetter) letterView {
	v := letterView{Sequence: l.Sequence, Died: l.Died.UTC().Truncate(time.Second), Cause: l.Cause, Reason: l.Reason}
	// Where it lies says so much even of a letter that nobody can read.
	place := strings.TrimPrefix(l.Subject, strings.TrimSuffix(schema.DeadSubjects, ">"))
	v.Channel, v.Type, _ = strings.Cut(place, ".")
	if d := l.Delivery; d != nil {
		v.Channel, v.Type, v.Account, v.User = d.Channel, d.Event.Type, d.Event.Account, d.User
		v.Target, v.Delivery, v.Attempts, v.Status = d.Target, d.ID(), d.Attempts, d.Last.Status
	}
	return v
}

// moment is a point in time as people type it.
type moment struct{ time.Time }

// UnmarshalText reads a moment in RFC 3339, a day in UTC, or how long ago it was.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			m.Time = t
			return nil
		}
	}
	ago, err := time.ParseDuration(string(text))
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		ago = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || ago < 0 {
		return errors.New("give a moment as 2026-03-01T12:00:00Z, a day as 2026-03-01, or how long ago as 90m, 36h or 7d")
	}
	m.Time = time.Now().Add(-ago)
	return nil
}
