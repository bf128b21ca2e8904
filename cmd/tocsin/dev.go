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
	"strconv"
	"sync"
	"syscall"
	"time"

	"tocsin/farend"
	"tocsin/queue"
	"tocsin/schema"
)

type devCmd struct {
	Data     string       `type:"path" placeholder:"DIR" help:"Where the streams are kept. Default: a folder under the user's cache."`
	HTTPAddr string       `name:"http-addr" env:"TOCSIN_HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where the page is (${default})."`
	NATSAddr string       `name:"nats-addr" default:"127.0.0.1:4222" placeholder:"ADDR" help:"Where the embedded NATS listens (${default})."`
	RedisURL string       `name:"redis-url" placeholder:"URL" help:"Use this Redis for the preferences, instead of the embedded store."`
	Log      logFlags     `embed:"" set:"log_format=console" group:"Logs"`
	Watch    metricsFlags `embed:"" set:"metrics_addr=127.0.0.1:0" group:"Watching"`
}

// The one account and user of a dev installation.
const (
	devAccount = "acme"
	devUser    = "ada"
)

// longestMemory bounds what the far ends remember, in bytes: about 5,000
// arrivals.
const longestMemory = 64 << 20

// Help stands below the summary in --help.
func (c *devCmd) Help() string {
	return `Nothing else has to run: NATS and the preferences are embedded, and an inbox, an iPhone, a HipChat room and a webhook
receiver stand in for the world. Other programs can publish to this NATS and use every command with it.`
}

// Run takes being told to stop, at whatever moment, for a good end.
func (c *devCmd) Run(ctx context.Context, std stdio) error {
	err := c.run(ctx, std)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // told to stop: whatever ended it is no failure
	}
	return err
}

func (c *devCmd) run(ctx context.Context, std stdio) error {
	d, err := c.start(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("TOCSIN_HTTP_ADDR: %w (another address with --http-addr)", err)
	}
	defer listener.Close()
	d.publicURL = "http://" + reachable(listener.Addr())
	log := c.Log.logger(std.err)
	publisher, err := queue.Connect(queue.Options{URL: d.natsURL, Name: "tocsin dev", Log: log})
	if err != nil {
		return err
	}
	defer publisher.Close()
	if err := publisher.Setup(ctx, 0); err != nil {
		return err
	}
	if err := d.saveSample(ctx); err != nil {
		return err
	}
	front, err := d.front(c.Log, log, publishSample(publisher))
	if err != nil {
		return err
	}
	defer front.close()
	stopFront := serve(listener, front.mux, log)
	defer stopFront()
	var replays sync.WaitGroup
	replays.Go(func() { front.runReplays(ctx, log) })
	defer replays.Wait()
	fmt.Fprintf(std.out, "\nTocsin is running. Stop it with Ctrl-C.\n\n  See what arrives   %s\n  Change settings    %s\n  Operate            %s\n  Call the API       %s\n  Publish an event   %s\n\n",
		d.publicURL, front.links.Settings(devUser, time.Now().Add(24*time.Hour)), d.opsLine(), d.callLine(), d.publishLine())
	if code := run(ctx, append(d.workerArgs(c.Log), "--metrics-addr", c.Watch.MetricsAddr), std); code != exitDone {
		return errors.New("the worker stopped")
	}
	return nil
}

// reachable is an address that a browser can open: one that listens everywhere
// is reached at localhost.
func reachable(listening net.Addr) string {
	tcp, ok := listening.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return listening.String()
	}
	return net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
}

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
	d := &devParts{redisURL: c.RedisURL, received: farend.Log{MaxBytes: longestMemory}}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	data, err := c.dataDir()
	if err != nil {
		return nil, err
	}
	unlock, err := lock(data)
	if err != nil {
		return nil, err
	}
	d.onClose(unlock)
	if d.secretsKey, err = keptKey(filepath.Join(data, "secrets-key")); err != nil {
		return nil, err
	}
	if d.linkKey, err = keptKey(filepath.Join(data, "link-key")); err != nil {
		return nil, err
	}
	if d.apiKey, err = keptKey(filepath.Join(data, "api-key")); err != nil {
		return nil, err
	}
	if d.opsKey, err = keptKey(filepath.Join(data, "ops-key")); err != nil {
		return nil, err
	}
	if err := d.startNATS(ctx, c.NATSAddr, filepath.Join(data, "nats")); err != nil {
		return nil, err
	}
	if d.redisURL == "" {
		if err := d.startStore(); err != nil {
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

// lock keeps a second process out of the folder: two embedded servers on the
// same streams would spoil them. The system lets go of it when a process dies.
func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("use the folder for the streams (another one with --data): %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("another tocsin dev uses %s; give this one a folder of its own with --data", dir)
	}
	return func() { file.Close() }, nil
}

// keptKey reads a key, or makes one, so that what this process has encrypted or
// signed can be read by the next.
func keptKey(path string) (string, error) {
	if key, err := os.ReadFile(path); err == nil {
		return string(key), nil
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	key := base64.StdEncoding.EncodeToString(raw)
	return key, os.WriteFile(path, []byte(key), 0o600)
}
