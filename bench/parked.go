package bench

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tocsin/bench/sink"
)

// parked is what deliveries that wait for their retry do to all others.
func parked() Scenario {
	const rate = 500
	healthy, down := accounts(1000, 1, "healthy"), accounts(1, 1000, "down")
	return Scenario{
		Name:    "parked",
		About:   "throughput and p99 with very many deliveries parked for an hour, beside the same with none, in the same run",
		Targets: map[string]float64{"share throughput": 0.9, "times p99": 1.1},
		Slow:    true, Fresh: true,
		Prepare: func(ctx context.Context, s *Site) error {
			return s.beginBeside(ctx, healthy, down, sink.Behaviour{Status: http.StatusServiceUnavailable, RetryAfter: 3600})
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			without, f := Figures{}, Figures{}
			measure := func(f Figures) error {
				if err := s.burstOf(ctx, f, s.size(10_000, 50_000), healthy); err != nil {
					return err
				}
				latencies, err := s.pace(ctx, s.seconds(5, 20), rate, healthy)
				f.note("", latencies)
				return err
			}
			if err := measure(without); err != nil {
				return nil, fmt.Errorf("with none parked: %w", err)
			}
			if err := s.park(ctx, s.size(20_000, 1_000_000), down); err != nil {
				return nil, err
			}
			if err := measure(f); err != nil {
				return nil, fmt.Errorf("with many parked: %w", err)
			}
			for _, name := range []string{"throughput", "p99", "cpu"} {
				f[name+" without"] = without[name]
			}
			f["share throughput"] = f["throughput"] / without["throughput"]
			f["times p99"] = f["p99"] / without["p99"]
			return f, nil
		},
	}
}

// beginBeside seeds healthy people and others whose endpoints behave otherwise,
// starts the worker and warms up the healthy.
func (s *Site) beginBeside(ctx context.Context, healthy, others []account, b sink.Behaviour, worker ...string) error {
	if err := s.sink.Behave(ctx, others[0].class, b); err != nil {
		return err
	}
	if err := s.settle(ctx, slices.Concat(others, healthy)); err != nil {
		return err
	}
	if err := s.startWorker(ctx, worker...); err != nil {
		return err
	}
	return s.warmUp(ctx, healthy)
}

// park publishes events to endpoints that are down, and waits until n deliveries
// wait for their retry.
func (s *Site) park(ctx context.Context, n int, down []account) error {
	events := max(n/down[0].members, 1)
	if err := s.burst(ctx, events, namesOf(down)); err != nil {
		return err
	}
	wanted := events * down[0].members
	for before, since := 0, time.Now(); before < wanted; time.Sleep(200 * time.Millisecond) {
		parked := 0
		for d, err := range s.queue.Waiting(ctx) {
			if err != nil {
				return err
			}
			if d.Hops > 0 && d.Event.Account == down[0].name {
				parked++
			}
		}
		if parked > before {
			before, since = parked, time.Now()
		}
		if time.Since(since) > patience {
			return fmt.Errorf("%d deliveries should be parked, and %d are", wanted, before)
		}
	}
	return s.settled(ctx)
}
