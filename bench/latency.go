package bench

import (
	"context"
	"time"
)

// latency is how long an event takes when the fleet is not busy.
func latency() Scenario {
	people := accounts(1000, 1, "endpoint")
	return Scenario{
		Name:    "latency",
		About:   "500 events a second, from the call that publishes one to the arrival of its POST",
		Targets: map[string]float64{"p50": 3, "p99": 15},
		Prepare: func(ctx context.Context, s *Site) error { return s.begin(ctx, people) },
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f := Figures{}
			latencies, err := s.pace(ctx, s.seconds(5, 60), 500, people)
			f.note("", latencies)
			return f, err
		},
	}
}

// seconds is a duration for the short and one for the long form.
func (s *Site) seconds(short, long int) time.Duration {
	return time.Duration(s.size(short*1000, long*1000)) * time.Millisecond
}

// pace publishes events at a steady rate, waits until all they mean is
// delivered, and returns how long each delivery was on its way.
func (s *Site) pace(ctx context.Context, duration time.Duration, rate float64, people []account) ([]time.Duration, error) {
	events := max(int(duration.Seconds()*rate), 1)
	err := s.toTheEnd(ctx, events, people, func() error { return s.paced(ctx, events, rate, namesOf(people)) })
	if err != nil {
		return nil, err
	}
	return s.sink.Latencies(ctx, people[0].class)
}

// note notes the quantiles of latencies, under names that end with of.
func (f Figures) note(of string, latencies []time.Duration) {
	f["p50"+of], f["p99"+of] = quantile(0.50, latencies), quantile(0.99, latencies)
}
