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

// deadFilter is how a queue.LetterFilter is typed.
type deadFilter struct {
	Channel string `placeholder:"CHANNEL" complete:"channel" help:"Of this channel; 'event' for events that did not validate."`
	Type    string `placeholder:"TYPE" complete:"type" help:"Of this event type."`
	Account string `placeholder:"ID" help:"Of this account."`
	User    string `placeholder:"ID" help:"Of this user."`
	Host    string `placeholder:"HOST" help:"Whose far end had this host, with or without its port."`
	Cause   string `placeholder:"CAUSE" enum:",invalid,permanent,gone,exhausted,poison" default:"" help:"Of this cause: invalid, permanent, gone, exhausted or poison."`
	Reason  string `placeholder:"TEXT" help:"Whose reason or status contains this text, for example 404."`
	Since   moment `placeholder:"WHEN" help:"Dead since then: a moment in RFC 3339, a day as 2026-03-01, or how long ago as 90m, 36h or 7d."`
	Until   moment `placeholder:"WHEN" help:"Dead before then."`
}

func (f deadFilter) letters(sequences ...uint64) (queue.LetterFilter, error) {
	_, known := schema.TypeNamed(f.Type)
	if f.Type != "" && f.Type != schema.UnknownType && !known {
		return queue.LetterFilter{}, misuse{fmt.Errorf("--type: %w", unknownType(f.Type))}
	}
	filter := queue.LetterFilter{
		Channel: f.Channel, Type: f.Type, Account: f.Account, User: f.User, Host: f.Host, Cause: queue.Cause(f.Cause), Reason: f.Reason,
		Since: f.Since.Time, Until: f.Until.Time, Sequences: sequences,
	}
	if err := filter.Check(); err != nil {
		return queue.LetterFilter{}, misuse{fmt.Errorf("--%w", err)}
	}
	return filter, nil
}

// deadQuery is what the commands that look through the dead letters share.
type deadQuery struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	Filter deadFilter  `embed:"" group:"Which"`
}

// each connects and calls do with every dead letter that matches.
func (c deadQuery) each(ctx context.Context, do func(queue.DeadLetter) error) error {
	filter, err := c.Filter.letters()
	if err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	return eachLetter(ctx, q, filter, do)
}

func eachLetter(ctx context.Context, q *queue.Queue, filter queue.LetterFilter, do func(queue.DeadLetter) error) error {
	for letter, err := range q.DeadLetters(ctx, filter, 0) {
		if err != nil {
			return err
		}
		if filter.Matches(letter) {
			if err := do(letter); err != nil {
				return err
			}
		}
	}
	return nil
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
	Host     string        `json:"host,omitempty"`
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
	v.Channel, v.Type = l.Place()
	if d := l.Delivery; d != nil {
		v.Account, v.User, v.Host = d.Event.Account, d.User, d.Last.Host
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
