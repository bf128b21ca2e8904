package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"tocsin/queue"
)

// deadChoice says which letters a command changes.
type deadChoice struct {
	Filter    deadFilter `embed:"" group:"Which"`
	Sequences []uint64   `arg:"" optional:"" help:"Numbers of letters, as 'dead ls' gives them."`
	All       bool       `help:"Every letter that the filters leave, or every one there is."`
	Yes       bool       `short:"y" help:"Do not ask."`
}

func (c deadChoice) letters() (queue.LetterFilter, error) {
	if len(c.Sequences) == 0 && !c.All && c.Filter == (deadFilter{}) {
		return queue.LetterFilter{}, misuse{errors.New("say which: numbers of letters, filters, or --all")}
	}
	return c.Filter.letters(c.Sequences...)
}

type deadDiscardCmd struct {
	NATS   natsFlags  `embed:"" group:"Dependencies"`
	Choice deadChoice `embed:""`
}

func (c *deadDiscardCmd) Run(ctx context.Context, std stdio) error {
	filter, err := c.Choice.letters()
	if err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	chosen, err := choose(ctx, q, filter, std)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		fmt.Fprintln(std.out, "no dead letter matches; nothing was discarded")
		return nil
	}
	if !c.Choice.Yes && !confirmed(ctx, std, fmt.Sprintf("Discard %s?", plural(len(chosen), "dead letter"))) {
		return errors.New("nothing was discarded")
	}
	err = audited(ctx, q, "dead.discard", "dead letters", filter.String(), func() error { return discardAll(ctx, q, chosen) })
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "discarded %s\n", plural(len(chosen), "dead letter"))
	return nil
}

func discardAll(ctx context.Context, q *queue.Queue, chosen []uint64) error {
	done := 0
	for some := range slices.Chunk(chosen, discardedAtOnce) {
		if err := q.DiscardAll(ctx, some); err != nil {
			return fmt.Errorf("%d of %d discarded: %w", done, len(chosen), err)
		}
		done += len(some)
	}
	return nil
}

// discardedAtOnce is after how many letters it is noticed that somebody has
// stopped the command.
const discardedAtOnce = 1000

// previewed is how many letters are shown before the question.
const previewed = 20

// choose finds the letters and shows the first of them. It takes 8 bytes of
// memory a letter.
func choose(ctx context.Context, q *queue.Queue, filter queue.LetterFilter, std stdio) ([]uint64, error) {
	var chosen []uint64
	table := newLetterTable(std.out)
	err := eachLetter(ctx, q, filter, func(l queue.DeadLetter) error {
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
