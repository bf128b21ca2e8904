package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"tocsin/prefs"
)

type seedCmd struct {
	Prefs prefsFlags `embed:"" group:"Dependencies"`
	File  string     `arg:"" help:"JSON with users and accounts, as docs/seed.md shows; - reads standard input."`
}

func (c *seedCmd) Run(ctx context.Context, std stdio) error {
	document, err := readInput(c.File, std.in)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	store, client, err := c.Prefs.open()
	if err != nil {
		return err
	}
	defer client.Close()
	directory, err := prefs.ReadDirectory(bytes.NewReader(document), checkSettings)
	if err != nil {
		return err
	}
	if err := directory.Save(ctx, store); err != nil {
		return err
	}
	fmt.Fprintln(std.out, "saved")
	return nil
}

// checkSettings asks a channel whether a target's settings make sense.
func checkSettings(channel string, settings json.RawMessage) error {
	for _, spec := range specs() {
		if spec.Name == channel {
			return spec.Check(settings)
		}
	}
	return fmt.Errorf("there is no channel %q", channel)
}
