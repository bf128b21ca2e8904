package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"tocsin/queue"
	"tocsin/replay"
)

type deadStatsCmd struct {
	deadQuery `embed:""`
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
