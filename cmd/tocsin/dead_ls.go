package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"tocsin/queue"
)

type deadLsCmd struct {
	deadQuery `embed:""`
}

func (c *deadLsCmd) Run(ctx context.Context, std stdio) error {
	if c.Output.json() {
		return c.listJSON(ctx, std.out)
	}
	table := newLetterTable(std.out)
	err := c.each(ctx, func(l queue.DeadLetter) error { return table.add(viewOf(l)) })
	return errors.Join(err, table.rows.Flush())
}

// listJSON writes one array, each letter as it is read: there can be many.
func (c *deadLsCmd) listJSON(ctx context.Context, out io.Writer) error {
	list := jsonList{w: out}
	if err := c.each(ctx, func(l queue.DeadLetter) error { return list.add(viewOf(l)) }); err != nil {
		return err
	}
	return list.end()
}

const (
	// aligned is how many rows are laid out together. A longer list comes in
	// blocks, so that it neither waits for its end nor is held in memory.
	aligned = 1000
	// Widths that keep a row of common lengths within 120 columns.
	widestID     = 16
	widestReason = 60
)

// letterTable lists dead letters for people.
type letterTable struct {
	rows  *tabwriter.Writer
	count int
}

func newLetterTable(out io.Writer) *letterTable {
	t := &letterTable{rows: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.rows, "SEQ\tDIED\tCHANNEL\tTYPE\tACCOUNT\tUSER\tCAUSE\tSTATUS\tREASON")
	return t
}

func (t *letterTable) add(v letterView) error {
	_, err := fmt.Fprintf(t.rows, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Sequence, v.Died.Format(time.RFC3339),
		printable(v.Channel), printable(v.Type), clip(v.Account, widestID), clip(v.User, widestID),
		printable(string(v.Cause)), clip(v.Status, widestID), clip(v.Reason, widestReason))
	t.count++
	if err == nil && t.count%aligned == 0 {
		err = t.rows.Flush()
	}
	return err
}
