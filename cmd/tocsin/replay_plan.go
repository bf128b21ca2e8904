package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin/replay"
)

// writePlan shows people what a replay has found, and would do.
func writePlan(out io.Writer, job replay.Job) error {
	p := job.Plan
	if err := writeExamples(out, job); err != nil {
		return err
	}
	found, all := plural(p.Letters, "dead letter")+", dead", p.Letters
	if job.Events != nil {
		found, all = plural(p.Events, "event")+", published", p.Deliveries
	}
	if more := all - len(p.Examples); more > 0 {
		fmt.Fprintf(out, "… and %d more\n", more)
	}
	fmt.Fprintf(out, "\n%s from %s to %s", found, p.Oldest.UTC().Format(time.RFC3339), p.Newest.UTC().Format(time.RFC3339))
	if job.Events != nil {
		fmt.Fprintf(out, "; %s by %s", deliveries(p.Deliveries), strings.Join(job.Events.Channels, ", "))
	}
	fmt.Fprintln(out, ":")
	groups := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if job.Events != nil {
		fmt.Fprintln(groups, "COUNT\tCHANNEL\tTYPE")
	} else {
		fmt.Fprintln(groups, "COUNT\tCHANNEL\tHOST\tANSWER")
	}
	for _, g := range p.Groups {
		if job.Events != nil {
			fmt.Fprintf(groups, "%d\t%s\t%s\n", g.Letters, printable(g.Channel), printable(g.Type))
			continue
		}
		fmt.Fprintf(groups, "%d\t%s\t%s\t%s\n", g.Letters, printable(g.Channel), clip(g.Host, widestReason), clip(g.Answer, widestReason))
	}
	if err := groups.Flush(); err != nil {
		return err
	}
	if skipped := p.Skips.Sum(); skipped > 0 {
		of := "of these "
		if job.Events != nil {
			of = ""
		}
		fmt.Fprintf(out, "%d %swill be skipped: %s\n", skipped, of, printable(p.Skips.String()))
	}
	return nil
}

// writeExamples lists the first letters, or deliveries, of a plan.
func writeExamples(out io.Writer, job replay.Job) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if job.Events != nil {
		fmt.Fprintln(table, "SEQ\tEVENT OF\tTYPE\tACCOUNT\tUSER\tCHANNEL")
	} else {
		fmt.Fprintln(table, "SEQ\tDIED\tCHANNEL\tTYPE\tACCOUNT\tUSER\tHOST\tREASON")
	}
	for _, s := range job.Plan.Examples {
		if job.Events != nil {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", s.Sequence, s.Stored.Format(time.RFC3339), printable(s.Type),
				clip(s.Account, widestID), clip(s.User, widestID), printable(s.Channel))
			continue
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Sequence, s.Died.Format(time.RFC3339), printable(s.Channel), printable(s.Type),
			clip(s.Account, widestID), clip(s.User, widestID), clip(s.Host, widestReason), clip(s.Reason, widestReason))
	}
	return table.Flush()
}

// showProgress rewrites one line of a terminal, and is silent elsewhere.
func showProgress(out io.Writer) func(replay.Job) {
	if !isTerminal(out) {
		return nil
	}
	const width = 40
	began, before := time.Now(), -1
	return func(job replay.Job) {
		if before < 0 { // what was handled before this process
			before = job.Handled()
		}
		done := width * job.Handled() / max(job.Total(), 1)
		fmt.Fprintf(out, "\r\x1b[K[%-*.*s] %d of %d%s", width, min(done, width), "========================================",
			job.Handled(), job.Total(), remaining(job, before, time.Since(began)))
		if job.State != replay.Running {
			fmt.Fprintln(out)
		}
	}
}

// remaining guesses how long it goes on, once there is something to guess by.
func remaining(job replay.Job, before int, took time.Duration) string {
	done, left := job.Handled()-before, job.Total()-job.Handled()
	if done <= 0 || left <= 0 || took < time.Second {
		return ""
	}
	return fmt.Sprintf(", %s left", (took / time.Duration(done) * time.Duration(left)).Round(time.Second))
}

// progressOf says in words how far a job is.
func progressOf(job replay.Job) string {
	switch job.State {
	case replay.InPlanning:
		return planningOf(job)
	case replay.Failed:
		return "failed: " + printable(job.Why)
	}
	text := "replayed " + plural(job.Replayed, "dead letter")
	if job.Events != nil {
		text = "sent " + deliveries(job.Replayed)
	}
	if job.Skipped > 0 {
		text += fmt.Sprintf("; skipped %d: %s", job.Skipped, printable(job.Skips.String()))
	}
	if job.Gone > 0 {
		text += fmt.Sprintf("; %d were gone, or replayed just before a process died", job.Gone)
	}
	if job.State != replay.Done {
		text += fmt.Sprintf("; %s after %d of %d", job.State, job.Handled(), job.Total())
	}
	return text
}

// planningOf says in words how far the plan of a job is.
func planningOf(job replay.Job) string {
	if job.Planning == nil {
		return "is planned"
	}
	return fmt.Sprintf("is planned: looked at %d, of which %d match, about %d %%", job.Planning.Read, job.Planning.Found, job.Planning.Percent())
}

func deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}
