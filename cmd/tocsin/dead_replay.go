package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/replay"
)

type deadReplayCmd struct {
	Replays replaysFlags `embed:""`
	Output  outputFlags  `embed:""`
	Choice  deadChoice   `embed:""`
	Rate    float64      `default:"200" placeholder:"N" help:"At most this many letters a second (${default}); 0: as fast as it goes."`
	Plan    bool         `help:"Only show what it would do, and keep the plan: 'tocsin replays run' runs it."`
}

// Help stands below the summary in --help.
func (c *deadReplayCmd) Help() string {
	return `Shows first what it will do: how many letters, split by host and answer, and how many will be skipped because their
user does not want them any more. A delivery is attempted again, with a new retry window and under the same delivery
id. An event that did not validate is published again where it was published first: once the publisher is mended,
publish the mended event instead, and discard the letter. Letters that die after the plan was made stay.

Interrupted (Ctrl-C), it is paused: 'tocsin replays run ID' goes on.

Examples:
  tocsin dead replay 42
  tocsin dead replay --host hooks.example.com --since 2d --rate 50
  tocsin dead replay --channel webhook --reason 404 --plan`
}

func (c *deadReplayCmd) Run(ctx context.Context, std stdio) error {
	filter, err := c.Choice.letters()
	if err != nil {
		return err
	}
	replays, closing, err := c.Replays.open(ctx)
	if err != nil {
		return err
	}
	defer closing()
	job, err := replays.Plan(ctx, filter, c.Rate)
	switch {
	case errors.Is(err, replay.ErrNothing):
		fmt.Fprintln(std.out, "no dead letter matches; nothing was replayed")
		return nil
	case prefs.Unavailable(err):
		return fmt.Errorf("%w (is TOCSIN_REDIS_URL right? --unchecked plans without asking what is still wanted)", err)
	case err != nil:
		return err
	}
	switch {
	case c.Plan && c.Output.json():
		return writeJSON(std.out, job)
	case c.Plan:
		defer fmt.Fprintf(std.out, "\nplanned: tocsin replays run %s\n", job.ID)
		return writePlan(std.out, job.Plan)
	}
	if err := writePlan(std.out, job.Plan); err != nil {
		return err
	}
	if !c.Choice.Yes && !confirmed(ctx, std, fmt.Sprintf("Replay %s?", plural(job.Plan.Letters, "dead letter"))) {
		return errors.Join(errors.New("nothing was replayed"), replays.Remove(context.WithoutCancel(ctx), job.ID))
	}
	return runReplay(ctx, replays, job.ID, std, c.Output)
}

// replaysFlags are what every command needs that plans or runs a replay.
type replaysFlags struct {
	NATS      natsFlags  `embed:"" group:"Dependencies"`
	Redis     redisFlags `embed:"" group:"Dependencies"`
	Unchecked bool       `help:"Do not ask the preferences which deliveries are still wanted. One that is not is suppressed when it is attempted."`
}

func (f replaysFlags) open(ctx context.Context) (replays *replay.Replays, closing func(), err error) {
	q, err := f.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return nil, nil, err
	}
	replays = &replay.Replays{Letters: q}
	if f.Unchecked {
		return replays, q.Close, nil
	}
	client, err := f.Redis.client()
	if err != nil {
		q.Close()
		return nil, nil, err
	}
	replays.Wishes = prefs.NewStore(client, prefs.Keyring{}) // asks, and opens no credentials
	return replays, func() {
		_ = client.Close()
		q.Close()
	}, nil
}

func writePlan(out io.Writer, p replay.Plan) error {
	letters := newExampleTable(out)
	for _, s := range p.Examples {
		letters.add(s)
	}
	if err := letters.rows.Flush(); err != nil {
		return err
	}
	if more := p.Letters - len(p.Examples); more > 0 {
		fmt.Fprintf(out, "… and %d more\n", more)
	}
	fmt.Fprintf(out, "\n%s, dead from %s to %s:\n", plural(p.Letters, "dead letter"), p.Oldest.UTC().Format(time.RFC3339), p.Newest.UTC().Format(time.RFC3339))
	groups := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(groups, "COUNT\tCHANNEL\tHOST\tANSWER")
	for _, g := range p.Groups {
		fmt.Fprintf(groups, "%d\t%s\t%s\t%s\n", g.Letters, printable(g.Channel), clip(g.Host, widestReason), clip(g.Answer, widestReason))
	}
	if p.Unwanted > 0 {
		fmt.Fprintf(groups, "%d\tof these are not wanted any more, and will be skipped\n", p.Unwanted)
	}
	return groups.Flush()
}

// exampleTable lists letters of a plan.
type exampleTable struct{ rows *tabwriter.Writer }

func newExampleTable(out io.Writer) exampleTable {
	t := exampleTable{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.rows, "SEQ\tDIED\tCHANNEL\tTYPE\tACCOUNT\tUSER\tHOST\tREASON")
	return t
}

func (t exampleTable) add(s replay.Example) {
	fmt.Fprintf(t.rows, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Sequence, s.Died.Format(time.RFC3339), printable(s.Channel), printable(s.Type),
		clip(s.Account, widestID), clip(s.User, widestID), clip(s.Host, widestReason), clip(s.Reason, widestReason))
}

// runReplay runs a job in this process. Told to stop, it pauses the job.
func runReplay(ctx context.Context, replays *replay.Replays, id string, std stdio, output outputFlags) error {
	job, err := replays.Run(ctx, id, showProgress(std.err))
	if err != nil && ctx.Err() != nil {
		if paused, err := replays.Pause(context.WithoutCancel(ctx), id); err == nil {
			return fmt.Errorf("paused after %d of %d: 'tocsin replays run %s' goes on", paused.Handled(), paused.Plan.Letters, id)
		}
	}
	switch {
	case errors.Is(err, replay.ErrHeld):
		return fmt.Errorf("%w; 'tocsin replays show %s' says how far it is", err, id)
	case errors.Is(err, queue.ErrNoJob), errors.Is(err, replay.ErrEnded):
		return err
	case err != nil:
		return fmt.Errorf("%w ('tocsin replays run %s' goes on)", err, id)
	case output.json():
		return writeJSON(std.out, job)
	}
	fmt.Fprintln(std.out, progressOf(job))
	return nil
}

// showProgress rewrites one line of a terminal, and is silent elsewhere.
func showProgress(out io.Writer) func(replay.Job) {
	if !isTerminal(out) {
		return nil
	}
	const width = 40
	return func(job replay.Job) {
		done := width * job.Handled() / max(job.Plan.Letters, 1)
		fmt.Fprintf(out, "\r[%-*.*s] %d of %d", width, min(done, width), "========================================", job.Handled(), job.Plan.Letters)
		if job.State != replay.Running {
			fmt.Fprintln(out)
		}
	}
}

// progressOf says in words how far a job is.
func progressOf(job replay.Job) string {
	text := fmt.Sprintf("replayed %s", plural(job.Replayed, "dead letter"))
	if job.Skipped > 0 {
		text += fmt.Sprintf("; skipped %d that are not wanted any more", job.Skipped)
	}
	if job.Gone > 0 {
		text += fmt.Sprintf("; %d were gone, or replayed just before a process died", job.Gone)
	}
	if job.State != replay.Done {
		text += fmt.Sprintf("; %s after %d of %d", job.State, job.Handled(), job.Plan.Letters)
	}
	return text
}
