package breaker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/breaker"
)

// BenchmarkVisit is what an attempt through a healthy target and host costs.
func BenchmarkVisit(b *testing.B) {
	g := breaker.NewGate()
	target := breaker.Endpoint{Name: "ada/webhook/main", Policy: breaker.TargetPolicy(), Most: 8}
	host := breaker.Endpoint{Name: host, Policy: breaker.HostPolicy(), Most: 128}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			now := time.Now()
			visits, _, err := g.Visit(b.Context(), now, target, host)
			require.NoError(b, err)
			e := breaker.Evidence{Verdict: breaker.Worked, Began: now, Ended: now.Add(time.Millisecond)}
			for _, v := range visits {
				if _, err := v.Learn(b.Context(), v.Leave(e)); err != nil {
					b.Error(err)
				}
			}
		}
	})
}
