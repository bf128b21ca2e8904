package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin/fleet"
	"tocsin/queue"
)

// writeFleet writes the fleet as tables: channels, then processes.
func writeFleet(w io.Writer, view fleetView) error {
	fmt.Fprintf(w, "%s  %s, %d web%s\n\n", view.At.UTC().Format("2006-01-02 15:04:05Z"),
		plural(view.Alive(fleet.RoleWorker), "worker"), view.Alive(fleet.RoleWeb), unreached(view.Members))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "CHANNEL\tIN HAND\tDONE/S\tRETRIED/S\tDEAD/S\tP50\tP99\tWAITING\tOLDEST\tPARKED\tDEAD\tBREAKERS\t")
	for _, c := range view.Channels {
		backlog := c.Backlog
		if backlog == nil {
			backlog = &fleet.Backlog{}
		}
		fmt.Fprintf(table, "%s\t%d of %d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s\t\n", printable(c.Name), c.InFlight, c.Slots,
			perSecond(c.Rate.Delivered), perSecond(c.Rate.Retried), perSecond(c.Rate.Dead), seconds(c.Rate.P50), seconds(c.Rate.P99),
			backlog.Waiting, seconds(backlog.Oldest), backlog.Parked, backlog.DeadLetters, breakersOf(c.Breakers))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	writePauses(w, view.Pauses)
	writeFailures(w, view.Channels)
	return writeMembers(w, view)
}

func writePauses(w io.Writer, pauses []queue.Pause) {
	if len(pauses) > 0 {
		fmt.Fprintln(w)
	}
	for _, p := range pauses {
		fmt.Fprintf(w, "%s is paused %s, since %s by %s", printable(p.Channel), untilOf(p), p.At.UTC().Format(time.RFC3339), printable(p.By))
		if p.Why != "" {
			fmt.Fprintf(w, ": %s", clip(p.Why, 80))
		}
		fmt.Fprintln(w)
	}
}

// writeFailures says of what kind attempts fail, where they do.
func writeFailures(w io.Writer, channels []fleet.ChannelNow) {
	for i, c := range channels {
		var classes []string
		for _, class := range slices.Sorted(maps.Keys(c.Rate.Failures)) {
			classes = append(classes, fmt.Sprintf("%s %s/s", printable(class), perSecond(c.Rate.Failures[class])))
		}
		if len(classes) == 0 {
			continue
		}
		if i == 0 || len(channels[i-1].Rate.Failures) == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s fails: %s\n", printable(c.Name), strings.Join(classes, ", "))
	}
}

func writeMembers(w io.Writer, view fleetView) error {
	if len(view.Members) == 0 {
		fmt.Fprintln(w, "\nno process has reported in the last minutes")
		return nil
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROCESS\tHOST\tVERSION\tSTATE\tUP\tIN HAND\tDONE/S\tREPORTED")
	for _, m := range view.Members {
		inHand, done := 0, 0.0
		for name, c := range m.Channels {
			inHand += c.InFlight
			if name != fleet.Routing {
				done += m.Rates[name].Delivered
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s ago\n", printable(m.Process), clip(m.Host, 40), clip(m.Version, 24), m.State,
			roughly(m.At.Sub(m.Started)), inHand, perSecond(done), roughly(m.Silence))
	}
	return table.Flush()
}

// unreached names the servers that some process does not reach.
func unreached(members []fleet.Member) string {
	missing := map[string]int{}
	for _, m := range members {
		for server, up := range m.Servers {
			if m.Alive() && !up {
				missing[server]++
			}
		}
	}
	var text strings.Builder
	for _, server := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(&text, "; %s is not reached by %d of them", printable(server), missing[server])
	}
	return text.String()
}

func breakersOf(b fleet.Breakers) string {
	var states []string
	for _, state := range slices.Sorted(maps.Keys(b)) {
		if b[state] > 0 {
			states = append(states, fmt.Sprintf("%d %s", b[state], printable(state)))
		}
	}
	if len(states) == 0 {
		return "-"
	}
	return strings.Join(states, " ")
}

func perSecond(rate float64) string {
	switch {
	case rate == 0:
		return "-"
	case rate < 10:
		return fmt.Sprintf("%.2g", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}

// seconds writes a latency or an age as briefly as it can be read.
func seconds(s float64) string {
	switch {
	case s <= 0:
		return "-"
	case s < 0.1:
		return fmt.Sprintf("%.2g ms", s*1000)
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 100:
		return fmt.Sprintf("%.2g s", s)
	}
	return roughly(time.Duration(s * float64(time.Second)))
}

// roughly is a time in its one or two largest units.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
