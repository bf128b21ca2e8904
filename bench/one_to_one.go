package bench

import (
	"context"
	"time"
)

// oneToOne is the ordinary event: one member of the account has a webhook.
func oneToOne() Scenario {
	const endpoints = 1000
	people := accounts(endpoints, 1, "endpoint")
	return Scenario{
		Name:    "one-to-one",
		About:   "one event is one delivery, to 1,000 endpoints in turn; as fast as it goes",
		Targets: map[string]float64{"throughput": 5000, "cpu": 0.30},
		Prepare: func(ctx context.Context, s *Site) error {
			return s.begin(ctx, people)
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			return s.saturate(ctx, s.size(20_000, 100_000), people)
		},
	}
}

// size is a number for the short and one for the long form.
func (s *Site) size(short, long int) int {
	switch {
	case s.options.Tiny:
		return short / 100
	case s.options.Long:
		return long
	}
	return short
}

// begin seeds people, starts the worker, and sends each account some events.
func (s *Site) begin(ctx context.Context, people []account) error {
	if err := s.settle(ctx, people); err != nil {
		return err
	}
	if err := s.startWorker(ctx); err != nil {
		return err
	}
	events := max(s.size(5_000, 5_000)/people[0].members, 10)
	return s.toTheEnd(ctx, events, people, func() error { return s.burst(ctx, events, namesOf(people)) })
}

// toTheEnd publishes events and waits until all they mean is delivered.
func (s *Site) toTheEnd(ctx context.Context, events int, people []account, publish func() error) error {
	if err := s.sink.Reset(ctx); err != nil {
		return err
	}
	if err := publish(); err != nil {
		return err
	}
	if _, err := s.arrived(ctx, events*people[0].members, people[0].class); err != nil {
		return err
	}
	return s.settled(ctx)
}

// saturate publishes as fast as it goes until about n deliveries are made, and
// measures what that takes.
func (s *Site) saturate(ctx context.Context, n int, people []account) (Figures, error) {
	f := Figures{}
	events := n / people[0].members
	n = events * people[0].members
	began := time.Now()
	err := s.measure(f, n, func() error {
		return s.toTheEnd(ctx, events, people, func() error {
			began = time.Now()
			return s.burst(ctx, events, namesOf(people))
		})
	})
	if err != nil {
		return nil, err
	}
	counts, err := s.sink.Counts(ctx)
	if err != nil {
		return nil, err
	}
	seen := counts[people[0].class]
	f["throughput"] = float64(n) / seen.Last.Sub(began).Seconds()
	f["duplicates"] = float64(seen.Repeated)
	return f, s.bare(ctx, f)
}

func namesOf(people []account) []string {
	names := make([]string, len(people))
	for i, a := range people {
		names[i] = a.name
	}
	return names
}
