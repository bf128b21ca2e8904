package bench

import (
	"context"
	"fmt"
)

// severalWorkers is whether a delivery costs the same, however many workers there
// are: then a fleet on machines of its own delivers as many times more.
func severalWorkers() Scenario {
	people := accounts(1000, 1, "endpoint")
	return Scenario{
		Name:    "several-workers",
		About:   "one-to-one by 1, 2 and 4 workers beside each other; times cpu is what 4 cost against 1: 1 is linear",
		Slow:    true,
		Fresh:   true,
		Prepare: func(ctx context.Context, s *Site) error { return s.begin(ctx, people) },
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f := Figures{}
			running := 1
			for _, workers := range []int{1, 2, 4} {
				for ; running < workers; running++ {
					if err := s.startWorkerAs(ctx, fmt.Sprint("worker-", running+1)); err != nil {
						return nil, err
					}
				}
				if err := s.warmUp(ctx, people); err != nil {
					return nil, err
				}
				of := Figures{}
				if err := s.burstOf(ctx, of, s.size(20_000, 100_000), people); err != nil {
					return nil, err
				}
				for _, figure := range []string{"cpu", "cpu worker", "cpu nats", "cpu redis", "throughput", "duplicates"} {
					f[fmt.Sprintf("%s with %d", figure, workers)] = of[figure]
				}
			}
			f["times cpu"] = f["cpu with 4"] / f["cpu with 1"]
			return f, nil
		},
	}
}
