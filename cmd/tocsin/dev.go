package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"tocsin/dev"
	"tocsin/queue"
	"tocsin/schema"
)

type devCmd struct {
	Data     string   `type:"path" placeholder:"DIR" help:"Where the streams are kept. Default: a folder under the user's cache."`
	HTTPAddr string   `name:"http-addr" env:"TOCSIN_HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where the page is (${default})."`
	NATSAddr string   `name:"nats-addr" default:"127.0.0.1:4222" placeholder:"ADDR" help:"Where the embedded NATS listens (${default})."`
	RedisURL string   `name:"redis-url" placeholder:"URL" help:"Use this Redis for the preferences, instead of the embedded store."`
	Log      logFlags `embed:"" set:"log_format=console" group:"Logs"`
}

// The one account and user of a dev installation.
const (
	devAccount = "acme"
	devUser    = "ada"
)

func (c *devCmd) Run(ctx context.Context, std stdio) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d, err := c.start(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	page, err := net.Listen("tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("TOCSIN_HTTP_ADDR: %w", err)
	}
	log := c.Log.logger(std.err)
	publisher, err := queue.Connect(queue.Options{URL: d.natsURL, Name: "tocsin dev", Log: log})
	if err != nil {
		return err
	}
	defer publisher.Close()
	if err := publisher.Setup(ctx, 0); err != nil {
		return err
	}
	if code := run(ctx, []string{"seed", "-", "--redis-url", d.redisURL, "--secrets-key", d.secretsKey},
		stdio{in: d.seed(), out: discard{}, err: std.err}); code != exitDone {
		return errors.New("the sample account could not be saved")
	}
	about := dev.About{
		Account: devAccount, User: devUser, NATSURL: d.natsURL, RedisURL: d.redisURL,
		PublishLine: d.publishLine(), Version: version(),
	}
	stopPage := serve(page, dev.NewPage(&d.received, publishSample(publisher), about), log)
	defer stopPage()
	fmt.Fprintf(std.out, "\nTocsin is running. Stop it with Ctrl-C.\n\n  See what arrives   http://%s\n  Publish an event   %s\n\n",
		page.Addr(), about.PublishLine)
	if code := run(ctx, d.workerArgs(c.Log), std); code != exitDone {
		return errors.New("the worker stopped")
	}
	return nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func publishSample(q *queue.Queue) func(ctx context.Context, typeName string) error {
	return func(ctx context.Context, typeName string) error {
		event, err := schema.Sample(typeName)
		if err != nil {
			return err
		}
		event.ID, event.Source, event.Account, event.Time = newEventID(), "tocsin/dev", devAccount, time.Now()
		_, _, err = q.PublishEvent(ctx, event)
		return err
	}
}

func newEventID() string { return rand.Text() }

func (c *devCmd) start(ctx context.Context) (_ *devParts, err error) {
	d := &devParts{redisURL: c.RedisURL}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	data, err := c.dataDir()
	if err != nil {
		return nil, err
	}
	if d.secretsKey, err = keptKey(filepath.Join(data, "secrets-key")); err != nil {
		return nil, err
	}
	if err := d.startNATS(c.NATSAddr, filepath.Join(data, "nats")); err != nil {
		return nil, err
	}
	if d.redisURL == "" {
		if err := d.startStore(ctx); err != nil {
			return nil, err
		}
	}
	return d, d.startFarEnds(data)
}

func (c *devCmd) dataDir() (string, error) {
	dir := c.Data
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the streams (give one with --data): %w", err)
		}
		dir = filepath.Join(cache, "tocsin-dev")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder for the streams (another one with --data): %w", err)
	}
	return dir, nil
}

// keptKey reads the key that encrypts credentials, or makes one, so that a
// Redis that outlives this process can be read by the next.
func keptKey(path string) (string, error) {
	if key, err := os.ReadFile(path); err == nil {
		return string(key), nil
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	key := base64.StdEncoding.EncodeToString(raw)
	return key, os.WriteFile(path, []byte(key), 0o600)
}
