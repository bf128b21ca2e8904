package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin/ledger"
	"tocsin/schema"
)

// widestEvent holds a UUID: --event takes the whole id.
const widestEvent = 36

// writeStories tells, for people, what became of events: oldest first, so that
// the newest is where they look.
func writeStories(out io.Writer, stories []ledger.Story, more int, records bool) error {
	if len(stories) == 0 {
		fmt.Fprintln(out, "the ledger has nothing of that; --since reaches further back")
		return nil
	}
	if more > 0 {
		fmt.Fprintf(out, "… and %d older; --limit shows more\n", more)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AT\tTYPE\tEVENT\tACCOUNT\tUSER\tCHANNEL\tOUTCOME\tTRIES\tWHAT WAS SAID")
	for _, s := range slices.Backward(stories) {
		writeStory(table, s, records)
	}
	return table.Flush()
}

func writeStory(table io.Writer, s ledger.Story, records bool) {
	head := strings.Join([]string{
		s.At.Format(time.RFC3339), printable(s.Type), clip(s.Event, widestEvent), clip(s.Account, widestID), clip(s.User, widestID),
	}, "\t")
	for _, d := range s.Deliveries {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", head, printable(d.Channel), d.State, d.Attempts(), clip(saidOf(d), widestReason))
		if records {
			writeRecords(table, d.Records)
		}
	}
	for _, k := range s.Skipped {
		fmt.Fprintf(table, "%s\t%s\t%s\t\t%s\n", head, printable(k.Channel), outcomeSkipped, k.Rule)
	}
	if len(s.Deliveries)+len(s.Skipped) == 0 {
		fmt.Fprintf(table, "%s\t\t%s\t\tno channel is offered\n", head, outcomeSkipped)
	}
}

// saidOf is the newest that is known of a delivery.
func saidOf(d ledger.Delivery) string {
	last := d.Last()
	said := cmp.Or(last.Reason, last.Status)
	switch {
	case d.State == ledger.Waiting && !d.Next.IsZero():
		return "again at " + d.Next.UTC().Format(time.RFC3339) + "; " + said
	case d.State == ledger.Delivered:
		return "took " + last.Took.Round(time.Millisecond).String()
	}
	return said
}

func writeRecords(table io.Writer, records []schema.Record) {
	for _, r := range records {
		fmt.Fprintf(table, "  %s\t\t\t\t\t\t%s\t%d\t%s\n", r.At.Format("2006-01-02T15:04:05.000Z"), r.Kind, r.Attempt,
			clip(cmp.Or(r.Reason, r.Status), widestReason))
	}
}
