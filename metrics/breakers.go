package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/breaker"
)

var breakers = description("tocsin_breakers",
	"Endpoints that are known not to work: users' targets by channel, and hosts under \"host\". Read from Redis: every process says the same, so take the max of them.",
	"channel", "state")

// states are how a phase is called in labels.
var states = map[breaker.Phase]string{breaker.Open: "open", breaker.HalfOpen: "half_open", breaker.Recovering: "recovering"}

// index is where the figures come from.
type index interface {
	Counts(ctx context.Context, kinds ...string) (map[string]map[breaker.Phase]int64, error)
}

// WatchBreakers counts endpoints that do not work, until ctx is done.
func (m *Metrics) WatchBreakers(ctx context.Context, every time.Duration, from index, channels []string) {
	kinds := append([]string{breaker.HostKind}, channels...)
	m.breakers.readEvery(ctx, every, func(ctx context.Context) ([]prometheus.Metric, error) {
		counts, err := from.Counts(ctx, kinds...)
		var all []prometheus.Metric
		for kind, of := range counts {
			for phase, n := range of {
				all = append(all, level(breakers, float64(n), kind, states[phase]))
			}
		}
		return all, err
	})
}
