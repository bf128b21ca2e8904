package bench

import "context"

// pushes go by HTTP/2 to an APNs that takes 5 ms. Their bound is on the worker
// alone, as the figure of gorush that it stands beside: gorush has no queue that
// outlives it.
func pushes() Scenario {
	people := accounts(10, 100, "ios")
	return Scenario{
		Name:    "pushes",
		About:   "one event is 100 pushes, by HTTP/2 inside TLS to a local APNs that takes 5 ms; as fast as it goes",
		Targets: map[string]float64{"throughput": 5000, "cpu worker": 0.15},
		Prepare: func(ctx context.Context, s *Site) error {
			keys := s.at.Keys
			return s.begin(ctx, people, "--apns-url", s.at.APNs, "--apns-ca-file", keys.CAFile,
				"--apns-key-file", keys.KeyFile, "--apns-key-id", keys.KeyID,
				"--apns-team-id", keys.TeamID, "--apns-topic", keys.Topic)
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f := Figures{}
			return f, s.burstOf(ctx, f, s.size(20_000, 100_000), people)
		},
	}
}
