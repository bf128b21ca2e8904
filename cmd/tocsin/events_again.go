package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tocsin/prefs"
	"tocsin/replay"
)

type eventsAgainCmd struct {
	Replays   replaysFlags `embed:""`
	Output    outputFlags  `embed:""`
	Filter    eventFilter  `embed:"" group:"Which"`
	Sequences []uint64     `arg:"" optional:"" help:"Numbers of events, as 'events ls' gives them."`
	All       bool         `help:"Every event that is kept."`

	User   string   `placeholder:"ID" help:"Tell this member alone, for example who joined after the events."`
	By     []string `name:"channel" placeholder:"CHANNEL" complete:"channel" help:"By these channels alone. Default: all that are offered."`
	Resend bool     `help:"Also send what was delivered, once more and under the same delivery id."`
	Rate   float64  `default:"200" placeholder:"N" help:"At most this many deliveries a second (${default}); 0: as fast as it goes."`
	Plan   bool     `help:"Only show what it would do, and keep the plan: 'tocsin replays run' runs it."`
	Yes    bool     `short:"y" help:"Do not ask."`
	offer  `group:"Channels"`
}

// Help stands below the summary in --help.
func (c *eventsAgainCmd) Help() string {
	return `Asks again who wants each event by what, as it is now, and sends what they have not got: it shows first how many
deliveries that makes, split by channel and type. What was delivered is left out, unless --resend is given, and so is
what waits for an attempt. A delivery that died lives again, under the same delivery id. Events that no worker has routed
yet are not touched.

Interrupted (Ctrl-C), it is paused: 'tocsin replays run ID' goes on. Which channels are offered is told by
TOCSIN_CHANNELS, or by what is configured, as for a worker: the plan names them.

Examples:
  tocsin events again --account acme --user eve --since 3d
  tocsin events again --type server.stopped --since 2026-03-01T12:00:00Z --until 2026-03-01T13:00:00Z --rate 50
  tocsin events again 4711 --plan`
}

func (c *eventsAgainCmd) Run(ctx context.Context, std stdio) error {
	wanted, err := c.wanted()
	if err != nil {
		return err
	}
	replays, closing, err := c.Replays.open(ctx)
	if err != nil {
		return err
	}
	defer closing()
	job, err := replays.PlanEvents(ctx, wanted, c.Rate)
	switch {
	case errors.Is(err, replay.ErrNoEvents):
		fmt.Fprintln(std.out, "no event matches that was routed before; nothing is sent")
		return nil
	case prefs.Unavailable(err):
		return fmt.Errorf("%w (is TOCSIN_REDIS_URL right?)", err)
	case err != nil:
		return err
	}
	if job.Plan.Deliveries == 0 && !c.Plan {
		err := errors.Join(writePlan(std.out, job), replays.Remove(ctx, job.ID))
		fmt.Fprintln(std.out, "there is nothing to send")
		return err
	}
	return confirmReplay(ctx, replays, job, std, c.Output, planned{show: c.Plan, yes: c.Yes,
		question: fmt.Sprintf("Send %s?", deliveries(job.Plan.Deliveries))})
}

// wanted is what the flags ask for.
func (c *eventsAgainCmd) wanted() (replay.Events, error) {
	if len(c.Sequences) == 0 && !c.All && c.Filter == (eventFilter{}) {
		return replay.Events{}, misuse{errors.New("say which: numbers of events, filters, or --all")}
	}
	if c.Replays.Unchecked {
		return replay.Events{}, misuse{errors.New("--unchecked: events cannot be routed without the preferences")}
	}
	filter, err := c.Filter.events(c.Sequences...)
	if err != nil {
		return replay.Events{}, err
	}
	offered, err := c.names()
	if err != nil {
		return replay.Events{}, err
	}
	for _, channel := range c.By {
		if !slices.Contains(offered, channel) {
			return replay.Events{}, misuse{fmt.Errorf("--channel: %s is not offered; offered are %s (see TOCSIN_CHANNELS)", channel, strings.Join(offered, ", "))}
		}
	}
	if len(c.By) > 0 {
		offered = c.By
	}
	return replay.Events{Filter: filter, User: c.User, Channels: offered, Resend: c.Resend}, nil
}
