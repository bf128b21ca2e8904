package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"tocsin/queue"
)

type pauseCmd struct {
	NATS    natsFlags     `embed:"" group:"Dependencies"`
	Channel string        `arg:"" complete:"channel" help:"Channel that is to deliver nothing."`
	Why     string        `short:"m" placeholder:"TEXT" help:"Why, for whoever finds it paused."`
	By      string        `placeholder:"NAME" help:"Who pauses it. Default: you, at this machine."`
	For     time.Duration `placeholder:"DURATION" help:"Resume by itself after so long, such as 30m. Default: only when it is resumed."`
}

// Help stands below the summary in --help.
func (c *pauseCmd) Help() string {
	return `Nothing more is begun by any worker; what is in hand is finished. First attempts and retries wait where they are, spend no
attempt, and are delivered once the channel is resumed. The retry window goes on: what is older than it by then is
attempted once more, and is a dead letter if that fails. Events are routed meanwhile. Pausing a paused channel changes
why and for how long.`
}

func (c *pauseCmd) Run(ctx context.Context, std stdio) error {
	if err := knownChannel(c.Channel); err != nil {
		return err
	}
	if c.For < 0 {
		return misuse{errors.New("--for: it is below 0")}
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	pause := queue.Pause{Channel: c.Channel, By: c.By, Why: c.Why, At: time.Now().UTC()}
	if c.By == "" {
		pause.By = whoever()
	}
	if c.For > 0 {
		pause.Until = pause.At.Add(c.For)
	}
	err = audited(ctx, q, "channel.pause", "channel "+c.Channel, c.Why, func() error { return q.PauseChannel(ctx, pause) })
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s is paused %s; it goes on with: tocsin resume %[1]s\n", c.Channel, untilOf(pause))
	return nil
}

func untilOf(p queue.Pause) string {
	if p.Until.IsZero() {
		return "until it is resumed"
	}
	return "until " + p.Until.Format(time.RFC3339)
}

// whoever is the person at this machine, as far as it knows.
func whoever() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// knownChannel keeps a slip of the keyboard from pausing nothing.
func knownChannel(name string) error {
	var all []string
	for _, spec := range specs() {
		all = append(all, spec.Name)
	}
	if !slices.Contains(all, name) {
		return misuse{fmt.Errorf("there is no channel %q; the channels are %v", name, all)}
	}
	return nil
}

type resumeCmd struct {
	NATS    natsFlags `embed:"" group:"Dependencies"`
	Channel string    `arg:"" complete:"channel" help:"Channel that is to deliver again."`
}

func (c *resumeCmd) Run(ctx context.Context, std stdio) error {
	if err := knownChannel(c.Channel); err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	err = audited(ctx, q, "channel.resume", "channel "+c.Channel, "", func() error { return q.ResumeChannel(ctx, c.Channel) })
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s delivers again\n", c.Channel)
	return nil
}

type pausesCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
}

func (c *pausesCmd) Run(ctx context.Context, std stdio) error {
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	pauses, err := q.Pauses(ctx)
	switch {
	case err != nil:
		return err
	case c.Output.json():
		return writeJSON(std.out, append([]queue.Pause{}, pauses...))
	case len(pauses) == 0:
		fmt.Fprintln(std.out, "no channel is paused")
		return nil
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHANNEL\tSINCE\tUNTIL\tBY\tWHY")
	for _, p := range pauses {
		until := "resumed"
		if !p.Until.IsZero() {
			until = p.Until.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", printable(p.Channel), p.At.Format(time.RFC3339), until, printable(p.By), printable(p.Why))
	}
	return table.Flush()
}
