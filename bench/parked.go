package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tocsin/bench/sink"
	"tocsin/queue"
)

// parked is what deliveries that wait for their retry do to all others. What plain
// POSTs cost is measured both times, because a machine can become slower within the
// quarter of an hour that it takes to park a million.
func parked() Scenario {
	const rate = 500
	healthy := accounts(1000, 1, "healthy")
	return Scenario{
		Name:    "parked",
		About:   "throughput and p99 with very many deliveries parked for an hour, beside the same with none, in the same run",
		Targets: map[string]float64{"share throughput": 0.9, "times p99": 1.1},
		Slow:    true, Fresh: true,
		Prepare: func(ctx context.Context, s *Site) error {
			return s.beginBeside(ctx, healthy, s.down(), sink.Behaviour{Status: http.StatusServiceUnavailable, RetryAfter: 3600})
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			without, f := Figures{}, Figures{}
			measure := func(f Figures) error {
				if err := s.burstOf(ctx, f, s.size(10_000, 50_000), healthy); err != nil {
					return err
				}
				latencies, err := s.pace(ctx, s.seconds(5, 20), rate, healthy)
				f.note("", latencies)
				return errors.Join(err, s.bare(ctx, f))
			}
			if err := measure(without); err != nil {
				return nil, fmt.Errorf("with none parked: %w", err)
			}
			parked, err := s.park(ctx, s.down())
			if err != nil {
				return nil, err
			}
			time.Sleep(s.seconds(1, int(aftermath.Seconds())))
			if err := measure(f); err != nil {
				return nil, fmt.Errorf("with many parked: %w", err)
			}
			f["parked"] = float64(parked)
			for _, name := range []string{"throughput", "p99", "cpu", "bare", "ratio"} {
				f[name+" without"] = without[name]
			}
			f["share throughput"] = f["throughput"] / without["throughput"]
			f["times p99"] = f["p99"] / without["p99"]
			f["times ratio"] = f["ratio"] / without["ratio"]
			return f, nil
		},
	}
}

// aftermath is until nothing is left of the attempts that were made before a
// million were parked: the server remembers their ids for two minutes, connections
// are kept for one and a half, and files are written to the disk.
const aftermath = queue.DuplicateWindow + 30*time.Second

// beginBeside seeds healthy people and others whose endpoints behave otherwise,
// starts the worker and warms up the healthy.
func (s *Site) beginBeside(ctx context.Context, healthy, others []account, b sink.Behaviour, worker ...string) error {
	if err := s.sink.Behave(ctx, others[0].class, b); err != nil {
		return err
	}
	if err := s.settle(ctx, slices.Concat(healthy, others)); err != nil {
		return err
	}
	if err := s.startWorker(ctx, worker...); err != nil {
		return err
	}
	return s.warmUp(ctx, healthy)
}

// eventsEach is how many events each of the accounts that are down gets: fewer
// than make five failures, with which a breaker opens. What an open one holds
// back is asked for again within minutes, whatever its endpoint wishes; the
// others wait as long as they are told.
const eventsEach = 4

// down are the accounts whose deliveries are parked: 20,000, or a million.
func (s *Site) down() []account { return accounts(s.size(50, 2_500), 100, "down") }

// park publishes events to accounts whose endpoints are down, and waits until
// all their deliveries, of which it returns the number, wait for their retry.
func (s *Site) park(ctx context.Context, down []account) (wanted int, err error) {
	events := len(down) * eventsEach
	wanted = events * down[0].members
	if err := s.burst(ctx, events, namesOf(down)); err != nil {
		return wanted, err
	}
	for parked, since := 0, time.Now(); parked < wanted; time.Sleep(time.Second / 4) {
		backlog, err := s.queue.Backlog(ctx)
		if err != nil {
			return wanted, err
		}
		if now := int(backlog.Parked["webhook"]); now > parked { //nolint:gosec // a count
			parked, since = now, time.Now()
		}
		if time.Since(since) > s.patience {
			return wanted, fmt.Errorf("%d deliveries should be parked, and %d are", wanted, parked)
		}
	}
	return wanted, s.settled(ctx)
}
