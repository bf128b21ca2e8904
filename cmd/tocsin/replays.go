package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"tocsin/replay"
)

type replaysCmd struct {
	Ls     replaysLsCmd     `cmd:"" help:"List replays, oldest first."`
	Show   replaysShowCmd   `cmd:"" help:"Show the plan of a replay, and how far it is."`
	Run    replaysRunCmd    `cmd:"" help:"Run a replay that was planned or paused, in this process."`
	Pause  replaysPauseCmd  `cmd:"" help:"Pause a replay, whichever process runs it."`
	Cancel replaysCancelCmd `cmd:"" help:"End a replay where it is."`
}

type replaysLsCmd struct {
	Replays replaysFlags `embed:""`
	Output  outputFlags  `embed:""`
}

func (c *replaysLsCmd) Run(ctx context.Context, std stdio) error {
	replays, closing, err := c.Replays.open(ctx)
	if err != nil {
		return err
	}
	defer closing()
	jobs, err := replays.List(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(jobs, func(a, b replay.Job) int { return a.Made.Compare(b.Made) })
	if c.Output.json() {
		return writeJSON(std.out, jobs)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tMADE\tSTATE\tOF\tCOUNT\tREPLAYED\tSKIPPED\tGONE\tRATE")
	for _, j := range jobs {
		of := "letters"
		if j.Events != nil {
			of = "events"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", printable(j.ID), j.Made.Format(time.RFC3339), printable(string(j.State)),
			of, j.Total(), j.Replayed, j.Skipped, j.Gone, rateOf(j))
	}
	return table.Flush()
}

func rateOf(j replay.Job) string {
	if j.Rate == 0 {
		return "unbounded"
	}
	return fmt.Sprintf("%g/s", j.Rate)
}

// replayChoice names one replay.
type replayChoice struct {
	Replays replaysFlags `embed:""`
	Output  outputFlags  `embed:""`
	ID      string       `arg:"" help:"Id of the replay, as 'replays ls' gives it."`
}

// with opens the replays, does something with the one that is named, and writes
// what has become of it.
func (c replayChoice) with(ctx context.Context, std stdio, do func(replay.Audited) (replay.Job, error)) error {
	replays, closing, err := c.Replays.open(ctx)
	if err != nil {
		return err
	}
	defer closing()
	job, err := do(replays)
	switch {
	case err != nil:
		return err
	case c.Output.json():
		return writeJSON(std.out, job)
	}
	fmt.Fprintf(std.out, "%s: %s\n", printable(job.ID), progressOf(job))
	return nil
}

type replaysShowCmd struct {
	replayChoice `embed:""`
}

func (c *replaysShowCmd) Run(ctx context.Context, std stdio) error {
	return c.with(ctx, std, func(r replay.Audited) (replay.Job, error) {
		job, err := r.Get(ctx, c.ID)
		if err == nil && !c.Output.json() && job.Total() > 0 {
			err = writePlan(std.out, job)
			fmt.Fprintln(std.out)
		}
		return job, err
	})
}

type replaysPauseCmd struct {
	replayChoice `embed:""`
}

func (c *replaysPauseCmd) Run(ctx context.Context, std stdio) error {
	return c.with(ctx, std, func(r replay.Audited) (replay.Job, error) { return r.Pause(ctx, c.ID) })
}

type replaysCancelCmd struct {
	replayChoice `embed:""`
}

func (c *replaysCancelCmd) Run(ctx context.Context, std stdio) error {
	return c.with(ctx, std, func(r replay.Audited) (replay.Job, error) { return r.Cancel(ctx, c.ID) })
}

type replaysRunCmd struct {
	replayChoice `embed:""`
}

func (c *replaysRunCmd) Run(ctx context.Context, std stdio) error {
	replays, closing, err := c.Replays.open(ctx)
	if err != nil {
		return err
	}
	defer closing()
	return runReplay(ctx, replays, c.ID, std, c.Output)
}
