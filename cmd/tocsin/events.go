package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/schema"
)

type eventsCmd struct {
	Ls    eventsLsCmd    `cmd:"" help:"List events as they were published, oldest first."`
	Show  eventsShowCmd  `cmd:"" help:"Show one event whole."`
	Again eventsAgainCmd `cmd:"" help:"Route events again: for who joined late, or after an outage upstream."`
}

// eventFilter is how a queue.EventFilter is typed.
type eventFilter struct {
	Type    string `placeholder:"TYPE" complete:"type" help:"Of this event type."`
	Account string `placeholder:"ID" help:"Of this account."`
	Source  string `placeholder:"SOURCE" help:"From this source."`
	ID      string `placeholder:"ID" help:"With this id."`
	Since   moment `placeholder:"WHEN" help:"Stored since then: a moment in RFC 3339, a day as 2026-03-01, or how long ago as 90m, 36h or 7d."`
	Until   moment `placeholder:"WHEN" help:"Stored before then."`
}

func (f eventFilter) events(sequences ...uint64) (queue.EventFilter, error) {
	if _, known := schema.TypeNamed(f.Type); f.Type != "" && !known {
		return queue.EventFilter{}, misuse{fmt.Errorf("--type: %w", unknownType(f.Type))}
	}
	filter := queue.EventFilter{
		Type: f.Type, Account: f.Account, Source: f.Source, ID: f.ID,
		Since: f.Since.Time, Until: f.Until.Time, Sequences: sequences,
	}
	if err := filter.Check(); err != nil {
		return queue.EventFilter{}, misuse{fmt.Errorf("--%w", err)}
	}
	return filter, nil
}

type eventsLsCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	Filter eventFilter `embed:"" group:"Which"`
	After  uint64      `placeholder:"SEQ" help:"Only events behind this one."`
	Limit  int         `placeholder:"N" help:"At most this many. Default: all."`
}

// eventView is an event as commands write it.
type eventView struct {
	Sequence uint64        `json:"seq"`
	Stored   time.Time     `json:"stored"`
	Type     string        `json:"type"`
	Account  string        `json:"account,omitempty"`
	User     string        `json:"user,omitempty"`
	Source   string        `json:"source,omitempty"`
	ID       string        `json:"id,omitempty"`
	Subject  string        `json:"subject,omitempty"`
	Invalid  string        `json:"invalid,omitempty"` // why it does not validate
	Header   schema.Header `json:"headers,omitempty"`
	Body     []byte        `json:"body,omitempty"`
}

func viewOfEvent(e queue.PublishedEvent, read schema.Event, invalid error) eventView {
	v := eventView{Sequence: e.Sequence, Stored: e.Stored.UTC().Truncate(time.Second), Type: schema.TypeOf(e.Subject)}
	if invalid != nil {
		v.Invalid = invalid.Error()
		return v
	}
	v.Account, v.User, v.Source, v.ID, v.Subject = read.Account, read.User, read.Source, read.ID, read.Subject
	return v
}

func (c *eventsLsCmd) Run(ctx context.Context, std stdio) error {
	filter, err := c.Filter.events()
	if err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	if c.Output.json() {
		list := jsonList{w: std.out}
		if err := c.each(ctx, q, filter, func(v eventView) error { return list.add(v) }); err != nil {
			return err
		}
		return list.end()
	}
	table := newEventTable(std.out)
	err = c.each(ctx, q, filter, table.add)
	return errors.Join(err, table.rows.Flush())
}

// each calls do with every event that matches. One that does not validate has no
// account, source or id: it is there if none of these is asked for.
func (c *eventsLsCmd) each(ctx context.Context, q *queue.Queue, filter queue.EventFilter, do func(eventView) error) error {
	validator, err := schema.NewValidator()
	if err != nil {
		return fmt.Errorf("compile the event schemas: %w", err)
	}
	found := 0
	for e, err := range q.Events(ctx, filter, c.After) {
		if err != nil {
			return err
		}
		read, invalid := validator.Parse(e.Message)
		if invalid != nil {
			read = schema.Event{Type: schema.TypeOf(e.Subject)}
		}
		if !filter.Matches(e, read) {
			continue
		}
		if err := do(viewOfEvent(e, read, invalid)); err != nil {
			return err
		}
		if found++; found == c.Limit {
			return nil
		}
	}
	return nil
}

// eventTable lists events for people, in blocks: see letterTable.
type eventTable struct {
	rows  *tabwriter.Writer
	count int
}

func newEventTable(out io.Writer) *eventTable {
	t := &eventTable{rows: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.rows, "SEQ\tSTORED\tTYPE\tACCOUNT\tUSER\tSOURCE\tID\tSUBJECT")
	return t
}

func (t *eventTable) add(v eventView) error {
	about := v.Subject
	if v.Invalid != "" {
		about = "not valid: " + v.Invalid
	}
	_, err := fmt.Fprintf(t.rows, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Sequence, v.Stored.Format(time.RFC3339), printable(v.Type),
		clip(v.Account, widestID), clip(v.User, widestID), clip(v.Source, widestReason), clip(v.ID, widestReason), clip(about, widestReason))
	if t.count++; err == nil && t.count%aligned == 0 {
		err = t.rows.Flush()
	}
	return err
}

type eventsShowCmd struct {
	NATS     natsFlags   `embed:"" group:"Dependencies"`
	Output   outputFlags `embed:""`
	Body     bool        `help:"Write the body alone, byte for byte, for a file or another program. Without, values that may be credentials are shown as \"…\"."`
	Sequence uint64      `arg:"" help:"Number of the event, as 'events ls' gives it."`
}

func (c *eventsShowCmd) Run(ctx context.Context, std stdio) error {
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	e, err := q.Event(ctx, c.Sequence)
	if err != nil {
		return err
	}
	if c.Output.json() && !c.Body {
		validator, err := schema.NewValidator()
		if err != nil {
			return fmt.Errorf("compile the event schemas: %w", err)
		}
		read, invalid := validator.Parse(e.Message)
		v := viewOfEvent(e, read, invalid)
		v.Header, v.Body = redactedHeader(e.Header), schema.Redacted(e.Body)
		return writeJSON(std.out, v)
	}
	return showMessage(std, e.Subject, e.Header, e.Body, c.Body)
}
