package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/fleet"
	"tocsin/queue"
)

func (c *doctorCmd) checkNATS(ctx context.Context) []finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	q, err := c.NATS.connect(false, zap.NewNop())
	if err == nil {
		defer q.Close()
		err = q.Setup(ctx, 0)
	}
	if err != nil {
		return []finding{{"NATS", stateWrong, advised(err)}}
	}
	findings := []finding{{"NATS", stateOK, "JetStream answers, and the streams are ready"}}
	inspected, err := q.Inspect(ctx)
	if err != nil {
		return append(findings, finding{"NATS limits", stateWarning, "cannot be read: " + err.Error()})
	}
	for _, complaint := range inspected.Complaints {
		state := stateWarning
		if complaint.Loses {
			state = stateWrong
		}
		findings = append(findings, finding{"NATS limits", state, complaint.Text})
	}
	if len(inspected.Complaints) == 0 {
		findings = append(findings, finding{"NATS limits", stateOK, "nothing is too small or nearly full"})
	}
	findings = append(findings, checkClock("NATS", inspected.Ahead))
	return append(findings, c.checkFleet(ctx, q)...)
}

// advised is an error, and what to do about it.
func advised(err error) string {
	if advice := queue.Advice(err); advice != "" {
		return fmt.Sprintf("%v (%s)", err, advice)
	}
	return err.Error()
}

// tolerable is by how much clocks may differ: retries come so much too early or
// late, and a link to the settings page lives so much shorter.
const tolerable = 5 * time.Second

// checkClock compares this machine's clock with a server's.
func checkClock(server string, ahead time.Duration) finding {
	check := server + " clock"
	if ahead.Abs() <= tolerable {
		return finding{check, stateOK, "agrees with this machine's"}
	}
	than := "ahead of"
	if ahead < 0 {
		than = "behind"
	}
	return finding{check, stateWrong, fmt.Sprintf("is %s %s this machine's: retries and links go by it; let NTP set both", ahead.Abs().Round(time.Second), than)}
}

// checkFleet looks at who works, and what nobody does.
func (c *doctorCmd) checkFleet(ctx context.Context, q *queue.Queue) []finding {
	view, err := viewFleet(ctx, q)
	if err != nil {
		return []finding{{"fleet", stateWarning, "cannot be read: " + err.Error()}}
	}
	findings := fleetFindings(view.Snapshot, c.routedAndOffered())
	for _, p := range view.Pauses {
		findings = append(findings, finding{"channel " + p.Channel, stateWarning,
			fmt.Sprintf("is paused %s by %s; it goes on with: tocsin resume %s", untilOf(p), p.By, p.Channel)})
	}
	return findings
}

// routedAndOffered is what some worker has to do.
func (c *doctorCmd) routedAndOffered() []string {
	offered, err := c.names()
	if err != nil {
		return []string{fleet.Routing} // the check of channels says it
	}
	return append([]string{fleet.Routing}, offered...)
}

func fleetFindings(now fleet.Snapshot, parts []string) []finding {
	alive := now.Alive(fleet.RoleWorker)
	if alive == 0 {
		return []finding{{"fleet", stateWarning, "no worker has reported of late: start tocsin worker"}}
	}
	var findings []finding
	say := func(format string, args ...any) {
		findings = append(findings, finding{"fleet", stateWarning, fmt.Sprintf(format, args...)})
	}
	versions, done := map[string]bool{}, map[string]bool{}
	for _, m := range now.Members {
		if m.State == fleet.Silent {
			say("%s has been silent for %s: killed, or cut off from NATS", m.Process, roughly(m.Silence))
		}
		if !m.Alive() {
			continue
		}
		versions[m.Version] = true
		if m.Skew.Abs() > tolerable {
			say("the clock of %s is %s off the NATS server's: let NTP set it", m.Process, m.Skew.Abs().Round(time.Second))
		}
		for name, c := range m.Channels {
			done[name] = done[name] || c.Slots > 0
		}
	}
	for _, part := range parts {
		if !done[part] {
			say("no worker does %q: its queue only grows; see TOCSIN_WORKER_CHANNELS and the channel's configuration", part)
		}
	}
	if len(versions) > 1 {
		say("versions %s work beside each other: finish the upgrade", strings.Join(slices.Sorted(maps.Keys(versions)), ", "))
	}
	if len(findings) == 0 {
		findings = append(findings, finding{"fleet", stateOK, plural(alive, "worker") + ", and every part of the work is done by one"})
	}
	return findings
}
