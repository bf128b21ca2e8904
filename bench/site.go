package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tocsin/bench/sink"
	"tocsin/prefs"
	"tocsin/queue"
)

// Site is an installation that is measured: servers with nothing in them, far
// ends, and a worker.
type Site struct {
	options  Options
	patience time.Duration // of the scenario
	dir      string
	key      string // of the credentials in Redis
	at       sink.Addresses
	natsURL  string
	redis    string

	processes map[string]*process // by the names that figures have
	queue     *queue.Queue        // of the producer
	store     *prefs.Store
	sink      sink.Client
	published atomic.Int64 // events, ever; the last one's id
	closers   []func()
}

// Options say what is measured, and how.
type Options struct {
	Binary  string // path of tocsin
	Runs    int    // of each scenario
	Long    bool   // the full numbers of each scenario, and not those of a few seconds
	Tiny    bool   // a hundredth of the short form, to see that everything works
	Profile string // folder for CPU profiles of worker and nats-server; empty: none
	Log     *zap.Logger
}

// Open starts everything but the worker.
func Open(ctx context.Context, o Options) (_ *Site, err error) {
	s := &Site{options: o, processes: map[string]*process{}}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "tocsin-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder for the servers: %w", err)
	}
	s.onClose(func() { _ = os.RemoveAll(s.dir) })
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	s.key = base64.StdEncoding.EncodeToString(key)
	if err := errors.Join(s.startSink(ctx), s.startNATS(ctx), s.startRedis(ctx)); err != nil {
		return nil, err
	}
	s.queue, err = queue.Connect(queue.Options{URL: s.natsURL, Name: "tocsin bench", Log: o.Log})
	if err != nil {
		return nil, err
	}
	s.onClose(s.queue.Close)
	return s, s.queue.Setup(ctx, 0)
}

func (s *Site) onClose(f func()) { s.closers = append(s.closers, f) }

// Close stops everything and removes its files.
func (s *Site) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}

func (s *Site) run(ctx context.Context, name string, argv ...string) (*process, error) {
	p, err := start(ctx, s.dir, name, argv...)
	if err != nil {
		return nil, err
	}
	s.processes[name] = p
	s.onClose(p.stop)
	return p, nil
}

func (s *Site) startSink(ctx context.Context) error {
	p, err := s.run(ctx, "sink", s.options.Binary, "bench", "sink", s.dir)
	if err == nil {
		err = p.introduce(&s.at)
	}
	s.sink = sink.Client{URL: s.at.Control}
	return err
}

func (s *Site) startNATS(ctx context.Context) error {
	p, err := s.run(ctx, "nats", s.profiled("nats", s.options.Binary, "bench", "nats", s.dir+"/nats")...)
	if err != nil {
		return err
	}
	return p.introduce(&s.natsURL)
}

// startRedis keeps an append-only file, as a fleet does.
func (s *Site) startRedis(ctx context.Context) error {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.New("a benchmark needs a real Redis: redis-server is not on the PATH; install the package redis-server")
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	p, err := s.run(ctx, "redis", program, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
	if err != nil {
		return err
	}
	go p.discard(p.said)
	s.redis = "redis://127.0.0.1:" + port + "/0"
	client, err := prefs.Open(s.redis)
	if err != nil {
		return err
	}
	s.onClose(func() { _ = client.Close() })
	if err := p.comesUp("redis-server", port, func() bool { return client.Ping(ctx).Err() == nil }); err != nil {
		return err
	}
	keys, err := prefs.ParseKeys(s.key)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	s.store = prefs.NewStore(client, keys)
	return nil
}

// startWorker runs the real worker with what it needs, and more if given.
func (s *Site) startWorker(ctx context.Context, more ...string) error {
	return s.startWorkerAs(ctx, "worker", more...)
}

// startWorkerAs is startWorker for one of several; their names are worker,
// worker-2 and so on.
func (s *Site) startWorkerAs(ctx context.Context, name string, more ...string) error {
	args := s.profiled(name,
		s.options.Binary, "worker", "--nats-url", s.natsURL, "--redis-url", s.redis, "--secrets-key", s.key,
		"--webhook-allow", "127.0.0.0/8", "--metrics-addr", "off", "--drain-timeout", "1s")
	p, err := s.run(ctx, name, append(args, more...)...)
	if err != nil {
		return err
	}
	go p.discard(p.said)
	return nil
}

// profiled adds to a command line of ours what makes it write a profile.
func (s *Site) profiled(name string, argv ...string) []string {
	if s.options.Profile == "" {
		return argv
	}
	return append(argv, "--cpu-profile", filepath.Join(s.options.Profile, name+".prof"))
}

// stopWorker ends the worker as SIGTERM does.
func (s *Site) stopWorker() {
	if p := s.processes["worker"]; p != nil {
		p.stop()
		delete(s.processes, "worker")
	}
}

func freePort(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}
