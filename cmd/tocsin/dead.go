package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/schema"
)

type deadCmd struct {
	Ls     deadLsCmd     `cmd:"" help:"List dead letters, oldest first."`
	Show   deadShowCmd   `cmd:"" help:"Show one dead letter whole."`
	Replay deadReplayCmd `cmd:"" help:"Send dead letters on their way again."`
}

// deadFilter chooses dead letters.
type deadFilter struct {
	Channel string    `help:"Of this channel; 'event' for events that did not validate."`
	Type    string    `help:"Of this event type."`
	Account string    `help:"Of this account."`
	User    string    `help:"Of this user."`
	Cause   string    `enum:",invalid,permanent,gone,exhausted,poison" default:"" help:"Of this cause: invalid, permanent, gone, exhausted or poison."`
	Reason  string    `placeholder:"TEXT" help:"Whose reason or status contains this text."`
	Since   time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Dead since this moment (RFC 3339)."`
	Until   time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Dead before this moment (RFC 3339)."`
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
		(f.Since.IsZero() || !l.Died.Before(f.Since)) &&
		(f.Until.IsZero() || l.Died.Before(f.Until))
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

type deadLsCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	Filter deadFilter  `embed:"" group:"Which"`
}

func (c *deadLsCmd) Run(ctx context.Context, std stdio) error {
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	if c.Output.json() {
		return c.listJSON(ctx, q, std.out)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SEQ\tDIED\tCHANNEL\tTYPE\tACCOUNT\tUSER\tCAUSE\tATTEMPTS\tSTATUS\tREASON")
	err = c.Filter.each(ctx, q, func(l queue.DeadLetter) error {
		v := viewOf(l)
		_, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", v.Sequence, v.Died.Format(time.RFC3339),
			v.Channel, v.Type, v.Account, v.User, v.Cause, v.Attempts, v.Status, v.Reason)
		return err
	})
	return errors.Join(err, table.Flush())
}

func (c *deadLsCmd) listJSON(ctx context.Context, q *queue.Queue, out io.Writer) error {
	letters := []letterView{}
	err := c.Filter.each(ctx, q, func(l queue.DeadLetter) error {
		letters = append(letters, viewOf(l))
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(out, letters)
}

type deadShowCmd struct {
	NATS     natsFlags   `embed:"" group:"Dependencies"`
	Output   outputFlags `embed:""`
	Sequence uint64      `arg:"" help:"Number of the letter, as 'dead ls' gives it."`
}

func (c *deadShowCmd) Run(ctx context.Context, std stdio) error {
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	letter, err := q.DeadLetter(ctx, c.Sequence)
	if err != nil {
		return err
	}
	if c.Output.json() {
		v := viewOf(letter)
		v.Header, v.Body = letter.Header, letter.Body
		return writeJSON(std.out, v)
	}
	fmt.Fprintf(std.out, "%s\n", letter.Subject)
	for _, name := range sortedNames(letter.Header) {
		fmt.Fprintf(std.out, "%s: %s\n", name, strings.Join(letter.Header[name], ", "))
	}
	fmt.Fprintf(std.out, "\n%s\n", letter.Body)
	return nil
}

func sortedNames(header schema.Header) []string {
	var names []string
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

type deadReplayCmd struct {
	NATS      natsFlags  `embed:"" group:"Dependencies"`
	Filter    deadFilter `embed:"" group:"Which"`
	Sequences []uint64   `arg:"" optional:"" help:"Numbers of letters, as 'dead ls' gives them."`
	All       bool       `help:"Replay every letter that the filters leave, or every one there is."`
	Yes       bool       `short:"y" help:"Do not ask."`
}

func (c *deadReplayCmd) Run(ctx context.Context, std stdio) error {
	if len(c.Sequences) == 0 && !c.All && c.Filter == (deadFilter{}) {
		return misuse{errors.New("say which: numbers of letters, filters, or --all")}
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	chosen, err := c.choose(ctx, q, std.out)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		fmt.Fprintln(std.out, "no dead letter matches; nothing to replay")
		return nil
	}
	if !c.Yes && !confirmed(std, fmt.Sprintf("Replay %s?", plural(len(chosen), "dead letter"))) {
		return errors.New("nothing was replayed")
	}
	for i, sequence := range chosen {
		if err := q.Replay(ctx, sequence); err != nil && !errors.Is(err, queue.ErrNoLetter) {
			return fmt.Errorf("%d of %d replayed: %w", i, len(chosen), err)
		}
	}
	fmt.Fprintf(std.out, "replayed %s\n", plural(len(chosen), "dead letter"))
	return nil
}

// choose finds what is to be replayed and shows it.
func (c *deadReplayCmd) choose(ctx context.Context, q *queue.Queue, out io.Writer) ([]uint64, error) {
	var chosen []uint64
	show := func(l queue.DeadLetter) error {
		v := viewOf(l)
		fmt.Fprintf(out, "%d  %s %s  %s/%s  %s\n", v.Sequence, v.Channel, v.Type, v.Account, v.User, v.Reason)
		chosen = append(chosen, l.Sequence)
		return nil
	}
	if len(c.Sequences) == 0 {
		return chosen, c.Filter.each(ctx, q, func(l queue.DeadLetter) error { return show(l) })
	}
	for _, sequence := range c.Sequences {
		letter, err := q.DeadLetter(ctx, sequence)
		if err != nil {
			return nil, err
		}
		if c.Filter.matches(letter) {
			_ = show(letter)
		}
	}
	return chosen, nil
}

func confirmed(std stdio, question string) bool {
	fmt.Fprintf(std.out, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(std.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y") || strings.EqualFold(strings.TrimSpace(answer), "yes")
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
	v := letterView{
		Sequence: l.Sequence, Died: l.Died.UTC().Truncate(time.Second), Cause: l.Cause, Reason: l.Reason,
		Channel: "event", Type: strings.TrimPrefix(l.Subject, schema.DeadEventSubject("")),
	}
	if d := l.Delivery; d != nil {
		v.Channel, v.Type, v.Account, v.User = d.Channel, d.Event.Type, d.Event.Account, d.User
		v.Target, v.Delivery, v.Attempts, v.Status = d.Target, d.ID(), d.Attempts, d.Last.Status
	}
	return v
}
