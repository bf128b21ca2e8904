package bench

import (
	"context"
	"fmt"
	"time"

	"tocsin/bench/sink"
)

// hanging is what a few endpoints that never answer do to all others.
func hanging() Scenario { return hangingAt("hanging", 2000) }

// hangingHalf is the same on a machine that has something left without them.
func hangingHalf() Scenario {
	half := hangingAt("hanging-half", 1000)
	half.Slow = true
	return half
}

func hangingAt(name string, rate float64) Scenario {
	healthy, stuck := accounts(1000, 1, "healthy"), accounts(10, 1, "stuck")
	return Scenario{
		Name:    name,
		About:   fmt.Sprintf("%.0f events a second to 1,000 endpoints that take 5 ms, without and with 5 %% of them to 10 that hang; p50 and p99 are those of the healthy", rate),
		Targets: map[string]float64{"times p99": 1.5},
		Fresh:   true,
		Prepare: func(ctx context.Context, s *Site) error {
			if err := s.sink.Behave(ctx, "healthy", sink.Behaviour{Delay: 5 * time.Millisecond}); err != nil {
				return err
			}
			if err := s.sink.Behave(ctx, "stuck", sink.Behaviour{Hang: true}); err != nil {
				return err
			}
			if err := s.settle(ctx, append(stuck, healthy...)); err != nil {
				return err
			}
			if err := s.startWorker(ctx, "--webhook-timeout", "10s"); err != nil {
				return err
			}
			return s.warmUp(ctx, healthy)
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f, duration := Figures{}, s.seconds(6, 60)
			latencies, err := s.pace(ctx, duration, rate*0.95, healthy)
			if err != nil {
				return nil, fmt.Errorf("without hanging endpoints: %w", err)
			}
			f.note(" without", latencies)
			latencies, err = s.paceBeside(ctx, duration, rate*0.95, healthy, func() error {
				n := int(duration.Seconds() * rate * 0.05)
				return s.paced(ctx, n, rate*0.05, namesOf(stuck))
			})
			f.note("", latencies)
			f["times p99"] = f["p99"] / f["p99 without"]
			return f, err
		},
	}
}

// paceBeside is pace while something else goes on.
func (s *Site) paceBeside(ctx context.Context, duration time.Duration, rate float64, people []account, other func() error) ([]time.Duration, error) {
	events := max(int(duration.Seconds()*rate), 1)
	if err := s.sink.Reset(ctx); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- other() }()
	err := s.paced(ctx, events, rate, namesOf(people))
	if failed := <-done; err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.arrived(ctx, events*people[0].members, people[0].class); err != nil {
		return nil, err
	}
	return s.sink.Latencies(ctx, people[0].class)
}
