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
)

type auditCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	Who    string      `placeholder:"NAME" help:"Of this name alone: of an ops key, user@host of a command, or 'key' and the mark of an API key."`
	Since  moment      `placeholder:"WHEN" help:"Since then: a moment in RFC 3339, a day as 2026-03-01, or how long ago as 90m, 36h or 7d."`
	Limit  int         `default:"100" placeholder:"N" help:"At most this many entries, the newest (${default}); 0: all."`
}

// Help stands below the summary in --help.
func (c *auditCmd) Help() string {
	return `An act has two entries: begun, stored before anything is done, and one that says how it ended: done, failed or refused.
Where the second is missing, the process died in between. They are kept for a year, and nobody can remove one.
('tocsin ledger audit' is another thing: it proves that no delivery was lost.)`
}

func (c *auditCmd) Run(ctx context.Context, std stdio) error {
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	if c.Output.json() {
		list := jsonList{w: std.out}
		if err := c.each(ctx, q, func(a queue.RecordedAct) error { return list.add(a) }); err != nil {
			return err
		}
		return list.end()
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AT\tWHO\tBY\tWHAT\tON\tOUTCOME\tDETAIL")
	err = c.each(ctx, q, func(a queue.RecordedAct) error { return writeAct(table, a) })
	return errors.Join(err, table.Flush())
}

// each calls do with the newest acts first.
func (c *auditCmd) each(ctx context.Context, q *queue.Queue, do func(queue.RecordedAct) error) error {
	n := 0
	for a, err := range q.Acts(ctx, 0) {
		if err != nil {
			return err
		}
		if a.At.Before(c.Since.Time) || c.Limit > 0 && n == c.Limit {
			return nil
		}
		if c.Who != "" && c.Who != a.Who {
			continue
		}
		if err := do(a); err != nil {
			return err
		}
		n++
	}
	return nil
}

func writeAct(out io.Writer, a queue.RecordedAct) error {
	detail := a.Detail
	if a.Reason != "" {
		detail += " (" + a.Reason + ")"
	}
	_, err := fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.At.Format(time.RFC3339), clip(a.Who, 2*widestID), printable(string(a.Via)),
		printable(a.What), clip(a.On, 2*widestID), printable(string(a.Outcome)), clip(detail, widestReason))
	return err
}
