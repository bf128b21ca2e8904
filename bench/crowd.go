package bench

import (
	"context"
	"slices"
	"time"
)

// crowd is very many events of one account, published as fast as they are
// stored, beside the few of others.
func crowd() Scenario {
	const rate = 20
	loud, others := accounts(1, 1, "loud"), accounts(100, 1, "other")
	return Scenario{
		Name:    "crowd",
		About:   "20,000 events of one account at once (--long: 100,000), beside 20 a second of other accounts; p50, p99 and worst are the others'",
		Targets: map[string]float64{"worst": 1000},
		Slow:    true,
		Prepare: func(ctx context.Context, s *Site) error {
			if err := s.settle(ctx, slices.Concat(loud, others)); err != nil {
				return err
			}
			if err := s.startWorker(ctx); err != nil {
				return err
			}
			return s.warmUp(ctx, others)
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f, n, duration := Figures{}, s.size(20_000, 100_000), s.seconds(30, 150)
			var latencies []time.Duration
			err := s.measure(f, n, func() (err error) {
				latencies, err = s.paceBeside(ctx, duration, rate, others, func() error {
					return s.burst(ctx, n, namesOf(loud))
				})
				if err != nil {
					return err
				}
				_, err = s.arrived(ctx, n, loud[0].class)
				return err
			})
			if err != nil {
				return nil, err
			}
			f.note("", latencies)
			f["worst"] = milliseconds(slices.Max(latencies))
			return f, s.settled(ctx)
		},
	}
}
