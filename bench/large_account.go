package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// largeAccount is one event for very many, beside the events of others.
func largeAccount() Scenario {
	const rate = 200
	large, others := accounts(1, 10_000, "large"), accounts(100, 1, "other")
	return Scenario{
		Name:    "large-account",
		About:   "one event of an account with 10,000 members, beside 200 a second of other accounts; p50 and p99 are the others'",
		Targets: map[string]float64{"first": 50, "memory worker": 100, "times p99": 1.5},
		Slow:    true,
		Prepare: func(ctx context.Context, s *Site) error {
			if err := s.settle(ctx, slices.Concat(large, others)); err != nil {
				return err
			}
			if err := s.startWorker(ctx); err != nil {
				return err
			}
			return s.warmUp(ctx, others)
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f, duration := Figures{}, s.seconds(5, 20)
			latencies, err := s.pace(ctx, duration, rate, others)
			if err != nil {
				return nil, fmt.Errorf("without the large account: %w", err)
			}
			f.note(" without", latencies)
			err = s.measure(f, large[0].members, func() error {
				latencies, err = s.paceBeside(ctx, duration, rate, others, func() error {
					time.Sleep(duration / 5) // until the others flow
					return s.burst(ctx, 1, namesOf(large))
				})
				if err != nil {
					return err
				}
				_, err = s.arrived(ctx, large[0].members, large[0].class)
				return err
			})
			if err != nil {
				return nil, err
			}
			f.note("", latencies)
			f["times p99"] = f["p99"] / f["p99 without"]
			members, err := s.sink.Latencies(ctx, large[0].class)
			if err != nil {
				return nil, err
			}
			f["first"] = milliseconds(slices.Min(members))
			f["p50 large"], f["p99 large"] = quantile(0.5, members), quantile(0.99, members)
			return f, s.settled(ctx)
		},
	}
}
