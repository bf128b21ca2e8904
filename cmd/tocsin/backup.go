package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tocsin/prefs"
)

type backupCmd struct {
	Redis redisFlags `embed:"" group:"Dependencies"`
	File  string     `arg:"" type:"path" help:"Where to write; - writes standard output."`
}

// Help stands below the summary in --help.
func (c *backupCmd) Help() string {
	return `The file holds who users are, what they chose, and how they are reached, their credentials encrypted as they are in Redis:
keep it with TOCSIN_SECRETS_KEY, and not beside it. It is gzip of JSON lines, and an older one is replaced once the new one is
whole.`
}

func (c *backupCmd) Run(ctx context.Context, std stdio) error {
	client, err := c.Redis.client()
	if err != nil {
		return err
	}
	defer client.Close()
	store := prefs.NewStore(client, prefs.Keyring{}) // opens no credentials
	users := 0
	write := func(w io.Writer) (err error) {
		users, err = prefs.Backup(ctx, store, w)
		return err
	}
	if c.File == "-" {
		err = write(std.out)
	} else {
		err = writeWhole(c.File, write)
	}
	if err != nil {
		return fmt.Errorf("back up the preferences: %w", err)
	}
	fmt.Fprintf(std.err, "saved %s\n", plural(users, "user"))
	return nil
}

// writeWhole writes a file that only its owner may read, and puts it in its
// place once all of it is on the disk.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	return err
}
