package bench

import (
	"context"
	"time"
)

// size is a number for the short and one for the long form.
func (s *Site) size(short, long int) int {
	switch {
	case s.options.Tiny:
		return max(short/100, 1)
	case s.options.Long:
		return long
	}
	return short
}

// begin seeds people, starts the worker, and sends them some events.
func (s *Site) begin(ctx context.Context, people []account, worker ...string) error {
	if err := s.settle(ctx, people); err != nil {
		return err
	}
	if err := s.startWorker(ctx, worker...); err != nil {
		return err
	}
	return s.warmUp(ctx, people)
}

// warmUp sends some events to people of one class.
func (s *Site) warmUp(ctx context.Context, people []account) error {
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
	if err := s.burstOf(ctx, f, n, people); err != nil {
		return nil, err
	}
	return f, s.bare(ctx, f)
}

// burstOf is saturate without the comparison.
func (s *Site) burstOf(ctx context.Context, f Figures, n int, people []account) error {
	events := max(n/people[0].members, 1)
	n = events * people[0].members
	began := time.Now()
	err := s.measure(f, n, func() error {
		return s.toTheEnd(ctx, events, people, func() error {
			began = time.Now()
			return s.burst(ctx, events, namesOf(people))
		})
	})
	if err != nil {
		return err
	}
	return s.noteArrivals(ctx, f, n, people[0].class, began)
}

// noteArrivals notes what a class of the sink has got of the n deliveries that
// were asked for since began.
func (s *Site) noteArrivals(ctx context.Context, f Figures, n int, class string, began time.Time) error {
	counts, err := s.sink.Counts(ctx)
	if err != nil {
		return err
	}
	seen := counts[class]
	f["throughput"] = float64(n) / seen.Last.Sub(began).Seconds()
	f["delivered"], f["duplicates"] = float64(seen.Delivered), float64(seen.Repeated)
	return nil
}

func namesOf(people []account) []string {
	names := make([]string, len(people))
	for i, a := range people {
		names[i] = a.name
	}
	return names
}
