package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/fleet"
	"tocsin/queue"
)

type topCmd struct {
	NATS   natsFlags     `embed:"" group:"Dependencies"`
	Output outputFlags   `embed:""`
	Once   bool          `help:"Show it once and end, as where the output is no terminal."`
	Every  time.Duration `default:"2s" placeholder:"DURATION" help:"How often it is read (${default}); processes report every ten seconds."`
}

// Help stands below the summary in --help.
func (c *topCmd) Help() string {
	return `Rates are those of the last minute, and latencies are from an event's publication to its delivery. What waits, is parked
and dead is that of the whole fleet. A process that has not reported for 35 seconds is silent: killed, or cut off from NATS.`
}

// fleetView is what is shown: the fleet, and the channels that are paused.
type fleetView struct {
	fleet.Snapshot
	Pauses []queue.Pause `json:"pauses"`
}

func (c *topCmd) Run(ctx context.Context, std stdio) error {
	if c.Every < 100*time.Millisecond {
		return misuse{fmt.Errorf("--every: %s is below 100ms", c.Every)}
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	view, err := viewFleet(ctx, q)
	switch {
	case err != nil:
		return err
	case c.Output.json():
		return writeJSON(std.out, view)
	case c.Once || !isTerminal(std.out):
		return writeFleet(std.out, view)
	}
	return c.follow(ctx, q, view, std.out)
}

func viewFleet(ctx context.Context, q *queue.Queue) (fleetView, error) {
	now, err := fleet.Now(ctx, q)
	if err != nil {
		return fleetView{}, err
	}
	pauses, err := q.Pauses(ctx)
	return fleetView{now, append([]queue.Pause{}, pauses...)}, err
}

// What a terminal understands (ECMA-48, and xterm's alternate screen).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // a screen of our own, without cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// follow shows the fleet until ctx is done. While NATS is away it shows what it
// last knew, and says so.
func (c *topCmd) follow(ctx context.Context, q *queue.Queue, view fleetView, out io.Writer) error {
	fmt.Fprint(out, enterScreen)
	defer fmt.Fprint(out, leaveScreen)
	trouble := ""
	for {
		var screen strings.Builder
		if err := writeFleet(&screen, view); err != nil {
			return err
		}
		fmt.Fprint(out, goHome+strings.ReplaceAll(trouble+screen.String(), "\n", clearLine+"\n")+clearBelow)
		select {
		case <-time.After(c.Every):
		case <-ctx.Done():
			return nil
		}
		trouble = ""
		if next, err := viewFleet(ctx, q); err != nil {
			trouble = "as it was; " + printable(err.Error()) + "\n"
		} else {
			view = next
		}
	}
}
