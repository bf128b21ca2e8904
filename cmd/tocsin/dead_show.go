package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"tocsin/schema"
)

type deadShowCmd struct {
	NATS     natsFlags   `embed:"" group:"Dependencies"`
	Output   outputFlags `embed:""`
	Body     bool        `help:"Write the body alone, byte for byte, for a file or another program. Without, values that may be credentials are shown as \"…\"."`
	Sequence uint64      `arg:"" help:"Number of the letter, as 'dead ls' gives it."`
}

func (c *deadShowCmd) Run(ctx context.Context, std stdio) error {
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	letter, err := q.DeadLetter(ctx, c.Sequence)
	if err != nil {
		return err
	}
	switch {
	case c.Body && !isTerminal(std.out):
		_, err = std.out.Write(letter.Body)
		return err
	case c.Body:
		fmt.Fprintln(std.out, printableLines(string(letter.Body)))
		return nil
	case c.Output.json():
		v := viewOf(letter)
		v.Header, v.Body = redactedHeader(letter.Header), schema.Redacted(letter.Body)
		return writeJSON(std.out, v)
	}
	fmt.Fprintln(std.out, printable(letter.Subject))
	for _, name := range slices.Sorted(maps.Keys(letter.Header)) {
		value := schema.RedactedText(strings.Join(letter.Header[name], ", "))
		fmt.Fprintf(std.out, "%s: %s\n", printable(name), printable(value))
	}
	fmt.Fprintf(std.out, "\n%s\n", printableLines(string(schema.Redacted(letter.Body))))
	return nil
}

func redactedHeader(header map[string][]string) map[string][]string {
	redacted := make(map[string][]string, len(header))
	for name, values := range header {
		for _, value := range values {
			redacted[name] = append(redacted[name], schema.RedactedText(value))
		}
	}
	return redacted
}
