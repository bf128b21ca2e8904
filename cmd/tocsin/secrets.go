package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap"

	"tocsin/prefs"
)

type secretsCmd struct {
	Rotate secretsRotateCmd `cmd:"" help:"Encrypt all saved credentials with the first key, so that the others can be removed."`
}

type secretsRotateCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Prefs  prefsFlags  `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	DryRun bool        `help:"Only count what it would do."`
	Yes    bool        `short:"y" help:"Do not ask."`
}

// Help stands below the summary in --help.
func (c *secretsRotateCmd) Help() string {
	return `The fleet goes on meanwhile: what a user saves at the same moment stays. Only a page that was opened before and saved afterwards
is refused once, and shown anew. Interrupted, it goes on where it was when it is run again.

To change the key: append the new one to TOCSIN_SECRETS_KEY of every process, by a comma, and restart one after the other;
then put it first in the same way; run this with the same keys; remove the old one in the same way.
Exits 1 if some credentials cannot be opened by any key, and names whose they are; they are left as they are.`
}

func (c *secretsRotateCmd) Run(ctx context.Context, std stdio) error {
	store, client, err := c.Prefs.open()
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := store.Reseal(ctx, prefs.Resealing{Look: true, Unopened: func(err error) {
		fmt.Fprintln(std.err, printable(err.Error()))
	}})
	if err != nil {
		return fmt.Errorf("look for saved credentials: %w", err)
	}
	result := rotation{DryRun: c.DryRun, Keys: store.Keys(), Already: found.Already, Unopened: found.Unopened, Left: found.Anew}
	if found.Anew > 0 && !c.DryRun {
		if !c.Yes && !confirmed(ctx, std, fmt.Sprintf("Encrypt the credentials of %s anew?", plural(found.Anew, "target"))) {
			return errors.New("nothing was encrypted anew")
		}
		if result, err = c.rotate(ctx, store, std, found.Anew); err != nil {
			return fmt.Errorf("encrypt saved credentials anew: %w (run again, it goes on where it was)", err)
		}
	}
	if c.Output.json() {
		err = writeJSON(std.out, result)
	} else {
		result.write(std.out)
	}
	return errors.Join(err, result.fault())
}

// rotate encrypts anew, and looks afterwards what a process that has another key
// first has saved meanwhile.
func (c *secretsRotateCmd) rotate(ctx context.Context, store *prefs.Store, std stdio, total int) (rotation, error) {
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return rotation{}, err
	}
	defer q.Close()
	var done, after prefs.Resealed
	err = audited(ctx, q, "secrets.rotate", "saved credentials", plural(total, "target"), func() (err error) {
		done, err = store.Reseal(ctx, prefs.Resealing{Progress: showResealed(std.err, total)})
		return err
	})
	if err == nil {
		after, err = store.Reseal(ctx, prefs.Resealing{Look: true})
	}
	return rotation{Keys: store.Keys(), Anew: done.Anew, Already: done.Already, Unopened: after.Unopened, Left: after.Anew}, err
}

// showResealed rewrites one line of a terminal, and is silent elsewhere.
func showResealed(out io.Writer, total int) func(prefs.Resealed) {
	if !isTerminal(out) {
		return nil
	}
	return func(r prefs.Resealed) {
		fmt.Fprintf(out, "\r\x1b[K%d of %d", r.Anew, total)
		if r.Anew >= total {
			fmt.Fprintln(out)
		}
	}
}

// rotation is what became of the credentials of targets. A new address that
// waits for its owner counts as one.
type rotation struct {
	DryRun   bool `json:"dry_run,omitempty"`
	Keys     int  `json:"keys"`     // in TOCSIN_SECRETS_KEY
	Anew     int  `json:"anew"`     // encrypted now
	Already  int  `json:"already"`  // encrypted by the first key before
	Unopened int  `json:"unopened"` // no key opens them
	Left     int  `json:"left"`     // need another key than the first
}

func (r rotation) write(out io.Writer) {
	if r.DryRun {
		fmt.Fprintf(out, "would encrypt the credentials of %s with the first key; those of %d are already, %d cannot be opened\n",
			plural(r.Left, "target"), r.Already, r.Unopened)
	} else {
		fmt.Fprintf(out, "encrypted the credentials of %s with the first key; those of %d were already, %d cannot be opened\n",
			plural(r.Anew, "target"), r.Already, r.Unopened)
	}
	switch {
	case r.Left > 0:
		fmt.Fprintf(out, "older keys are still needed, by %s\n", plural(r.Left, "target"))
	case r.Keys == 1:
		fmt.Fprintln(out, "TOCSIN_SECRETS_KEY holds one key only, so there is nothing to change it for: append a new one, by a comma, as\n"+
			"'openssl rand -base64 32' makes it; see --help")
	default:
		fmt.Fprintln(out, "older keys are not needed any more: remove them from TOCSIN_SECRETS_KEY, and keep them with the backups of before")
	}
}

func (r rotation) fault() error {
	var faults []error
	if r.Left > 0 && !r.DryRun {
		faults = append(faults, fmt.Errorf("%s saved meanwhile with an older key: it is still first in some process; put the new one first there, and run this again",
			plural(r.Left, "target")))
	}
	if r.Unopened > 0 {
		faults = append(faults, fmt.Errorf("%s cannot be opened by any key and stay as they are: if you still have theirs, append it to TOCSIN_SECRETS_KEY, and run this again",
			plural(r.Unopened, "target")))
	}
	return errors.Join(faults...)
}
