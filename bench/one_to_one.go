package bench

import "context"

// oneToOne is the ordinary event: one member of the account has a webhook.
func oneToOne() Scenario {
	people := accounts(1000, 1, "endpoint")
	return Scenario{
		Name:    "one-to-one",
		About:   "one event is one delivery, to 1,000 endpoints in turn; as fast as it goes",
		Targets: map[string]float64{"throughput": 5000, "cpu": 0.30, "memory worker": 60},
		Prepare: func(ctx context.Context, s *Site) error { return s.begin(ctx, people) },
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			return s.saturate(ctx, s.size(20_000, 100_000), people)
		},
	}
}
