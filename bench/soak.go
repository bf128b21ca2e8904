package bench

import "context"

// soak is whether a worker stays as small as it is.
func soak() Scenario {
	const rate = 500
	people := accounts(1000, 1, "endpoint")
	return Scenario{
		Name:    "soak",
		About:   "500 events a second for long; growth is the worker's memory in the last tenth against the second",
		Targets: map[string]float64{"growth": 1.1, "memory worker": 60},
		Slow:    true,
		Prepare: func(ctx context.Context, s *Site) error { return s.begin(ctx, people) },
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f := Figures{}
			var held []float64
			for range 10 {
				part := Figures{}
				duration := s.seconds(3, 360)
				err := s.measure(part, int(duration.Seconds()*rate), func() error {
					latencies, err := s.pace(ctx, duration, rate, people)
					part.note("", latencies)
					return err
				})
				if err != nil {
					return nil, err
				}
				held = append(held, part["memory worker"])
				f = part
			}
			f["growth"] = held[9] / held[1]
			return f, nil
		},
	}
}
