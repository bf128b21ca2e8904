package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// letters is what very many dead letters cost those who look at them, and who
// send them on their way again.
func letters() Scenario {
	people := accounts(1000, 1, "healthy")
	return Scenario{
		Name:    "letters",
		About:   "very many dead letters: seconds and memory of the commands that count, plan and replay them, and p99 of a page of 100",
		Targets: map[string]float64{"memory stats": 100, "memory plan": 100, "memory replay": 100, "p99 page": 100},
		Slow:    true, Fresh: true,
		Prepare: func(ctx context.Context, s *Site) error { return s.settle(ctx, people) },
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f, n := Figures{}, s.size(20_000, 1_000_000)
			began := time.Now()
			if err := s.bury(ctx, n, people); err != nil {
				return nil, err
			}
			f["seconds to bury"] = time.Since(began).Seconds()
			if err := errors.Join(
				s.leaf(ctx, f, "page", queue.LetterFilter{}),
				s.leaf(ctx, f, "page by channel", queue.LetterFilter{Channel: "webhook", Type: sampleType}),
				s.command(ctx, f, "quick", "dead", "stats", "--quick", "-o", "json"),
				s.command(ctx, f, "stats", "dead", "stats", "-o", "json"),
				s.command(ctx, f, "plan", "dead", "replay", "--all", "--plan", "-o", "json", "--redis-url", s.redis),
			); err != nil {
				return nil, err
			}
			err := s.measure(f, n, func() error {
				return s.command(ctx, f, "replay", "dead", "replay", "--all", "--yes", "--rate", "0", "--redis-url", s.redis)
			})
			f["throughput replay"] = float64(n) / f["seconds replay"]
			return f, err
		},
	}
}

// bury makes n dead letters of healthy people: half of them of one host, the
// others of a hundred.
func (s *Site) bury(ctx context.Context, n int, people []account) error {
	const atOnce = 1000
	for from := 0; from < n; from += atOnce {
		deliveries := make([]schema.Delivery, 0, atOnce)
		for i := from; i < min(from+atOnce, n); i++ {
			who := people[i%len(people)]
			d := schema.Delivery{
				Event: s.event(i, who.name, time.Now()), User: who.name + "-0", Channel: "webhook", Target: "main",
				Planned: time.Now(), Attempts: 1,
				Last: schema.Attempt{At: time.Now(), Status: "404", Reason: "endpoint answered 404", Host: "hooks.example.com:443"},
			}
			if i%2 == 0 {
				d.Last.Host, d.Last.Status = fmt.Sprintf("host%d.example.com:443", i%200), "403"
			}
			deliveries = append(deliveries, d)
		}
		if err := s.queue.BuryAll(ctx, deliveries, queue.Death{Cause: queue.Permanent, Reason: "endpoint answered 404"}); err != nil {
			return err
		}
	}
	return nil
}

// leaf reads pages of 100 letters at places by chance.
func (s *Site) leaf(ctx context.Context, f Figures, name string, filter queue.LetterFilter) error {
	const pages, page = 100, 100
	last, err := s.queue.LastLetter(ctx)
	if err != nil {
		return err
	}
	var took []time.Duration
	for range pages {
		began, read := time.Now(), 0
		for letter, err := range s.queue.DeadLetters(ctx, filter, rand.Uint64N(last)) {
			if err != nil {
				return err
			}
			if filter.Matches(letter) {
				read++
			}
			if read == page {
				break
			}
		}
		took = append(took, time.Since(began))
	}
	f["p50 "+name], f["p99 "+name] = quantile(0.5, took), quantile(0.99, took)
	return nil
}

// command runs a command of Tocsin to its end, and notes how long it took and
// how much memory it held.
func (s *Site) command(ctx context.Context, f Figures, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, s.options.Binary, append(args, "--nats-url", s.natsURL)...) //nolint:gosec // our own command lines
	var said bytes.Buffer
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("tocsin %v: %w: %s", args, err, said.Bytes())
	}
	f["seconds "+name] = time.Since(began).Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f["memory "+name] = float64(usage.Maxrss) * 1024 / 1e6 // KiB on Linux (getrusage(2))
		f["seconds cpu "+name] = cmd.ProcessState.UserTime().Seconds() + cmd.ProcessState.SystemTime().Seconds()
	}
	return nil
}
