package main

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"tocsin/queue"
)

type deadReplayCmd struct {
	deadChange `embed:""`
}

// Help stands below the summary in --help.
func (c *deadReplayCmd) Help() string {
	return `A delivery is attempted again, with a new retry window and under the same delivery id. An event that did not
validate is published again where it was published first: once the publisher is mended, publish the mended event
instead, and discard the letter.

Examples:
  tocsin dead replay 42
  tocsin dead replay --channel webhook --reason hooks.example.com --since 2d`
}

func (c *deadReplayCmd) Run(ctx context.Context, std stdio) error {
	return c.change(ctx, std, deed{"Replay", "replayed", (*queue.Queue).Replay})
}

type deadDiscardCmd struct {
	deadChange `embed:""`
}

func (c *deadDiscardCmd) Run(ctx context.Context, std stdio) error {
	return c.change(ctx, std, deed{"Discard", "discarded", (*queue.Queue).Discard})
}

// deed is what is done to each letter, and how it is spoken of.
type deed struct {
	verb, done string
	do         func(*queue.Queue, context.Context, uint64) error
}

// deadChange is what the commands share that change dead letters: they show
// what they will do, and ask.
type deadChange struct {
	NATS      natsFlags  `embed:"" group:"Dependencies"`
	Filter    deadFilter `embed:"" group:"Which"`
	Sequences []uint64   `arg:"" optional:"" help:"Numbers of letters, as 'dead ls' gives them."`
	All       bool       `help:"Every letter that the filters leave, or every one there is."`
	Yes       bool       `short:"y" help:"Do not ask."`
}

func (c *deadChange) change(ctx context.Context, std stdio, deed deed) error {
	if len(c.Sequences) == 0 && !c.All && c.Filter == (deadFilter{}) {
		return misuse{errors.New("say which: numbers of letters, filters, or --all")}
	}
	if _, err := c.Filter.subject(); err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	chosen, err := c.choose(ctx, q, std)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		fmt.Fprintf(std.out, "no dead letter matches; nothing was %s\n", deed.done)
		return nil
	}
	if !c.Yes && !confirmed(ctx, std, fmt.Sprintf("%s %s?", deed.verb, plural(len(chosen), "dead letter"))) {
		return fmt.Errorf("nothing was %s", deed.done)
	}
	for i, sequence := range chosen {
		if err := deed.do(q, ctx, sequence); err != nil && !errors.Is(err, queue.ErrNoLetter) {
			return fmt.Errorf("%d of %d %s: %w", i, len(chosen), deed.done, err)
		}
	}
	fmt.Fprintf(std.out, "%s %s\n", deed.done, plural(len(chosen), "dead letter"))
	return nil
}

// previewed is how many letters are shown before the question.
const previewed = 20

// choose finds the letters and shows the first of them.
func (c *deadChange) choose(ctx context.Context, q *queue.Queue, std stdio) ([]uint64, error) {
	var chosen []uint64
	table := newLetterTable(std.out)
	err := c.each(ctx, q, func(l queue.DeadLetter) error {
		chosen = append(chosen, l.Sequence)
		if len(chosen) > previewed {
			return nil
		}
		return table.add(viewOf(l))
	})
	if err != nil || len(chosen) == 0 {
		return nil, err
	}
	if err := table.rows.Flush(); err != nil {
		return nil, err
	}
	if more := len(chosen) - previewed; more > 0 {
		fmt.Fprintf(std.out, "… and %d more\n", more)
	}
	return chosen, nil
}

// each calls do with the letters that were named, or else with all, as far as
// they match.
func (c *deadChange) each(ctx context.Context, q *queue.Queue, do func(queue.DeadLetter) error) error {
	if len(c.Sequences) == 0 {
		return c.Filter.each(ctx, q, do)
	}
	for _, sequence := range c.Sequences {
		letter, err := q.DeadLetter(ctx, sequence)
		if err != nil {
			return err
		}
		if !c.Filter.matches(letter) {
			continue
		}
		if err := do(letter); err != nil {
			return err
		}
	}
	return nil
}
