package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/replay"
)

type deadStatsCmd struct {
	deadQuery `embed:""`
	Quick     bool `help:"By channel and type alone: at once, however many there are. Takes --channel and --type, and no other filter."`
}

// deadKind is what dead letters of one kind have in common.
type deadKind struct {
	Channel string      `json:"channel"`
	Type    string      `json:"type"`
	Cause   queue.Cause `json:"cause"`
	Answer  string      `json:"answer"` // the far end's status; without one the reason, its numbers as #
}

// deadCount says how many letters are of a kind.
type deadCount struct {
	deadKind
	Count  int       `json:"count"`
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
}

func (c *deadStatsCmd) Run(ctx context.Context, std stdio) error {
	if c.Quick {
		return c.quick(ctx, std)
	}
	counts := map[deadKind]*deadCount{}
	err := c.each(ctx, func(l queue.DeadLetter) error {
		count(counts, l)
		return nil
	})
	if err != nil {
		return err
	}
	sorted := mostFirst(counts)
	if c.Output.json() {
		return writeJSON(std.out, sorted)
	}
	return writeCounts(std.out, sorted)
}

// quick asks the server for what it counts by itself.
func (c *deadStatsCmd) quick(ctx context.Context, std stdio) error {
	if c.Filter != (deadFilter{Channel: c.Filter.Channel, Type: c.Filter.Type}) {
		return misuse{errors.New("--quick counts by --channel and --type alone: leave out the other filters, or --quick")}
	}
	filter, err := c.Filter.letters()
	if err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	counts, err := q.CountLetters(ctx, filter)
	if err != nil {
		return err
	}
	if c.Output.json() {
		return writeJSON(std.out, counts)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COUNT\tCHANNEL\tTYPE")
	total := 0
	for _, n := range counts {
		total += n.Count
		fmt.Fprintf(table, "%d\t%s\t%s\n", n.Count, printable(n.Channel), printable(n.Type))
	}
	fmt.Fprintf(table, "%d\tin all\n", total)
	return table.Flush()
}

func count(counts map[deadKind]*deadCount, l queue.DeadLetter) {
	channel, typeName := l.Place()
	kind, died := deadKind{channel, typeName, l.Cause, replay.Answer(l)}, l.Died.UTC().Truncate(time.Second)
	c := counts[kind]
	if c == nil {
		c = &deadCount{deadKind: kind, Oldest: died}
		counts[kind] = c
	}
	c.Count++
	c.Newest = died // letters come oldest first
}

// mostFirst orders by count, and equal counts so that two runs read alike.
func mostFirst(counts map[deadKind]*deadCount) []deadCount {
	sorted := make([]deadCount, 0, len(counts))
	for _, c := range counts {
		sorted = append(sorted, *c)
	}
	slices.SortFunc(sorted, func(a, b deadCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Type, b.Type),
			cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Answer, b.Answer))
	})
	return sorted
}

func writeCounts(out io.Writer, counts []deadCount) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COUNT\tCHANNEL\tTYPE\tCAUSE\tOLDEST\tNEWEST\tANSWER")
	total := 0
	for _, c := range counts {
		total += c.Count
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Count, printable(c.Channel), printable(c.Type), printable(string(c.Cause)),
			c.Oldest.Format(time.RFC3339), c.Newest.Format(time.RFC3339), clip(c.Answer, widestReason))
	}
	fmt.Fprintf(table, "%d\tin all\n", total)
	return table.Flush()
}
