package bench

import "context"

// fanOut is an event of an account with many members.
func fanOut() Scenario {
	people := accounts(10, 100, "member")
	return Scenario{
		Name:    "fan-out",
		About:   "one event is 100 deliveries, one to each member's endpoint; as fast as it goes",
		Targets: map[string]float64{"throughput": 7000, "cpu": 0.20},
		Prepare: func(ctx context.Context, s *Site) error { return s.begin(ctx, people) },
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			return s.saturate(ctx, s.size(20_000, 100_000), people)
		},
	}
}
