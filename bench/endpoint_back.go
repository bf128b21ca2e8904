package bench

import (
	"context"
	"net/http"
	"time"

	"tocsin/bench/sink"
)

// endpointBack is one endpoint that comes back after an outage.
func endpointBack() Scenario {
	const rate = 200
	healthy, down := accounts(1000, 1, "healthy"), accounts(1, 1, "down")
	return Scenario{
		Name:    "endpoint-back",
		About:   "an endpoint answers 503 while deliveries to it pile up, and then takes 5 ms for each; p50 and p99 are those of 200 healthy events a second beside it",
		Targets: map[string]float64{"times p99": 1.5},
		Slow:    true, Fresh: true,
		Patience: 7 * time.Minute, // an open breaker waits for five minutes, 20 % more at most, before it tries again
		Prepare: func(ctx context.Context, s *Site) error {
			return s.beginBeside(ctx, healthy, down, sink.Behaviour{Status: http.StatusServiceUnavailable},
				"--retry-initial", "1s", "--retry-max", "30s")
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f, n, outage := Figures{}, s.size(5_000, 50_000), s.seconds(20, 600)
			latencies, err := s.paceBeside(ctx, outage, rate, healthy, func() error {
				return s.paced(ctx, n, float64(n)/outage.Seconds(), namesOf(down))
			})
			if err != nil {
				return nil, err
			}
			f.note(" down", latencies)
			err = s.drain(ctx, f, n, rate, healthy, down, func() error {
				return s.sink.Behave(ctx, down[0].class, sink.Behaviour{Delay: 5 * time.Millisecond})
			})
			if err != nil {
				return nil, err
			}
			f["times p99"] = f["p99"] / f["p99 down"]
			return f, nil
		},
	}
}
