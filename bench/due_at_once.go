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
	const rate = 200
	healthy := accounts(1000, 1, "healthy")
	return Scenario{
		Name:    "due-at-once",
		About:   "very many parked deliveries fall due while no worker runs; then one starts, beside 200 healthy events a second",
		Targets: map[string]float64{"throughput": 5000, "p99": 50, "memory nats": 300},
		Slow:    true, Fresh: true,
		Prepare: func(ctx context.Context, s *Site) error {
			return s.beginBeside(ctx, healthy, s.down(), sink.Behaviour{
				Status: http.StatusServiceUnavailable, RetryAfter: int(s.outage().Seconds()),
			})
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f, down := Figures{}, s.down()
			n, err := s.park(ctx, down)
			if err != nil {
				return nil, err
			}
			s.stopWorker()
			time.Sleep(s.outage())
			if err := s.sink.Behave(ctx, down[0].class, sink.Behaviour{}); err != nil {
				return nil, err
			}
			return f, s.drain(ctx, f, n, rate, healthy, down, func() error { return s.startWorker(ctx) })
		},
	}
}

// outage is for how long what is down asks to be left alone: longer than it takes
// to park all that is sent there.
func (s *Site) outage() time.Duration { return s.seconds(20, 900) }

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
