package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"tocsin/prefs"
)

type restoreCmd struct {
	Prefs     prefsFlags  `embed:"" group:"Dependencies"`
	Output    outputFlags `embed:""`
	File      string      `arg:"" help:"What 'tocsin backup' has written; - reads standard input."`
	Overwrite bool        `help:"Replace users who are there and otherwise than in the backup. Without it they are kept, and named."`
	Check     bool        `help:"Read the backup to its end and compare it with Redis, and write nothing."`
}

// Help stands below the summary in --help.
func (c *restoreCmd) Help() string {
	return `Users who are not in the backup stay as they are. Restoring goes on where it was when it is run again. TOCSIN_SECRETS_KEY
must hold the key that credentials were encrypted by when the backup was made.`
}

func (c *restoreCmd) Run(ctx context.Context, std stdio) error {
	store, client, err := c.Prefs.open()
	if err != nil {
		return err
	}
	defer client.Close()
	in := io.NopCloser(std.in)
	if c.File != "-" {
		if in, err = os.Open(c.File); err != nil {
			return fmt.Errorf("read the backup: %w", err)
		}
	}
	defer in.Close()
	done, err := prefs.Restore(ctx, store, in, prefs.PutBack{Replace: c.Overwrite, Look: c.Check})
	if c.Output.json() {
		err = errors.Join(writeJSON(std.out, done), err)
	} else {
		c.report(std.out, done)
	}
	if err == nil && done.Kept > 0 {
		return fmt.Errorf("%s differ from the backup and were kept: --overwrite replaces them", plural(done.Kept, "user"))
	}
	return err
}

func (c *restoreCmd) report(out io.Writer, done prefs.Restored) {
	did := "restored"
	if c.Check {
		did = "would restore"
	}
	fmt.Fprintf(out, "%s %s; %d were there already as in the backup, %d otherwise\n", did, plural(done.Written, "user"), done.Same, done.Kept)
	if len(done.Differ) > 0 {
		fmt.Fprintf(out, "otherwise: %s\n", strings.Join(done.Differ, ", "))
	}
	if done.Foreign > 0 {
		fmt.Fprintf(out, "%s encrypted by a key that is not in TOCSIN_SECRETS_KEY: deliveries to them wait until it is\n", plural(done.Foreign, "target"))
	}
}
