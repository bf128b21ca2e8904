package main

import (
	"context"
	"errors"
	"fmt"

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
user does not want them any more, or has got them since. A delivery is attempted again, with a new retry window and under the same delivery
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
	return confirmReplay(ctx, replays, job, std, c.Output, planned{show: c.Plan, yes: c.Choice.Yes,
		question: fmt.Sprintf("Replay %s?", plural(job.Plan.Letters, "dead letter"))})
}

// planned says what is done with a plan.
type planned struct {
	show     bool // and no more
	yes      bool // do not ask
	question string
}

// confirmReplay shows a plan, asks, and runs it.
func confirmReplay(ctx context.Context, replays replay.Audited, job replay.Job, std stdio, output outputFlags, p planned) error {
	switch {
	case p.show && output.json():
		return writeJSON(std.out, job)
	case p.show:
		defer fmt.Fprintf(std.out, "\nplanned: tocsin replays run %s\n", job.ID)
		return writePlan(std.out, job)
	}
	if err := writePlan(std.out, job); err != nil {
		return err
	}
	if !p.yes && !confirmed(ctx, std, p.question) {
		return errors.Join(errors.New("nothing was replayed"), replays.Remove(context.WithoutCancel(ctx), job.ID))
	}
	return runReplay(ctx, replays, job.ID, std, output)
}

// replaysFlags are what every command needs that plans or runs a replay.
type replaysFlags struct {
	NATS      natsFlags  `embed:"" group:"Dependencies"`
	Redis     redisFlags `embed:"" group:"Dependencies"`
	Unchecked bool       `help:"Do not ask the preferences which deliveries are still wanted. One that is not is suppressed when it is attempted."`
}

func (f replaysFlags) open(ctx context.Context) (replays replay.Audited, closing func(), err error) {
	q, err := f.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return replays, nil, err
	}
	replays = replay.Audited{Replays: &replay.Replays{Letters: q}, Trail: trail(q), By: byCommand()}
	if f.Unchecked {
		return replays, q.Close, nil
	}
	client, err := f.Redis.client()
	if err != nil {
		q.Close()
		return replays, nil, err
	}
	store := prefs.NewStore(client, prefs.Keyring{}) // asks, and opens no credentials
	replays.Wishes = store
	if replays.Routes, err = newRouter(store, q, nil, zap.NewNop()); err != nil {
		q.Close()
		return replays, nil, err
	}
	return replays, func() {
		_ = client.Close()
		q.Close()
	}, nil
}

// runReplay runs a job in this process. Told to stop, it pauses the job.
func runReplay(ctx context.Context, replays replay.Audited, id string, std stdio, output outputFlags) error {
	job, err := replays.Run(ctx, id, showProgress(std.err))
	if err != nil && ctx.Err() != nil {
		if paused, err := replays.Pause(context.WithoutCancel(ctx), id); err == nil {
			return fmt.Errorf("paused after %d of %d: 'tocsin replays run %s' goes on", paused.Handled(), paused.Total(), id)
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
