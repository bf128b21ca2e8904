package bench

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"tocsin/bench/sink"
)

// dueAtOnce is the moment after an outage: everything that waited is due.
func dueAtOnce() Scenario {
	const rate, wait = 200, 20 * time.Second
	healthy, down := accounts(1000, 1, "healthy"), accounts(1, 1000, "down")
	return Scenario{
		Name:    "due-at-once",
		About:   "very many parked deliveries fall due while no worker runs; then one starts, beside 200 healthy events a second",
		Targets: map[string]float64{"throughput": 5000, "p99": 50, "memory nats": 300},
		Slow:    true, Fresh: true,
		Prepare: func(ctx context.Context, s *Site) error {
			return s.beginBeside(ctx, healthy, down, sink.Behaviour{
				Status: http.StatusServiceUnavailable, RetryAfter: int(wait.Seconds()),
			})
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f, n := Figures{}, max(s.size(20_000, 1_000_000), down[0].members)
			if err := s.park(ctx, n, down); err != nil {
				return nil, err
			}
			s.stopWorker()
			time.Sleep(wait)
			if err := s.sink.Behave(ctx, down[0].class, sink.Behaviour{}); err != nil {
				return nil, err
			}
			return f, s.drain(ctx, f, n, rate, healthy, down, func() error { return s.startWorker(ctx) })
		},
	}
}

// drain measures how n waiting deliveries are made once something lets them go,
// beside healthy events.
func (s *Site) drain(ctx context.Context, f Figures, n int, rate float64, healthy, waiting []account, letGo func() error) error {
	if err := s.sink.Reset(ctx); err != nil {
		return err
	}
	if err := letGo(); err != nil {
		return err
	}
	began := time.Now()
	flow := s.flow(ctx, rate, healthy)
	err := s.measure(f, n, func() error {
		counts, err := s.arrived(ctx, n, waiting[0].class)
		if err != nil {
			return err
		}
		seen := counts[waiting[0].class]
		f["drained"] = seen.Last.Sub(began).Seconds()
		f["throughput"] = float64(n) / seen.Last.Sub(seen.First).Seconds()
		f["most"], f["duplicates"] = float64(seen.Most), float64(seen.Repeated)
		return nil
	})
	published, stopped := flow()
	if err != nil {
		return err
	}
	if stopped != nil {
		return stopped
	}
	if _, err := s.arrived(ctx, published, healthy[0].class); err != nil {
		return fmt.Errorf("the healthy: %w", err)
	}
	latencies, err := s.sink.Latencies(ctx, healthy[0].class)
	f.note("", latencies)
	return err
}
