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
	if c.Output.json() && !c.Body {
		v := viewOf(letter)
		v.Header, v.Body = redactedHeader(letter.Header), schema.Redacted(letter.Body)
		return writeJSON(std.out, v)
	}
	return showMessage(std, letter.Subject, letter.Header, letter.Body, c.Body)
}

// showMessage writes a message for people, or its body alone.
func showMessage(std stdio, subject string, header schema.Header, body []byte, alone bool) error {
	switch {
	case alone && !isTerminal(std.out):
		_, err := std.out.Write(body)
		return err
	case alone:
		fmt.Fprintln(std.out, printableLines(string(body)))
		return nil
	}
	fmt.Fprintln(std.out, printable(subject))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		value := schema.RedactedText(strings.Join(header[name], ", "))
		fmt.Fprintf(std.out, "%s: %s\n", printable(name), printable(value))
	}
	fmt.Fprintf(std.out, "\n%s\n", printableLines(string(schema.Redacted(body))))
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
