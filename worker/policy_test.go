package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func standard() Policy {
	return Policy{Initial: 5 * time.Second, Multiplier: 3, Jitter: 0.2, Max: 6 * time.Hour, Window: 72 * time.Hour}
}

func TestWholeSchedule(t *testing.T) {
	t.Parallel()
	policy := standard()
	policy.Jitter = 0
	want := []string{
		"5s", "15s", "45s", "2m15s", "6m45s", "20m15s", "1h0m45s", "3h2m15s",
		"6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s", "6h0m0s",
	}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := start
	for i, wait := range want {
		due, worthwhile := policy.Next("id", i+1, start, now, 0)
		require.Equal(t, wait, due.Sub(now).String(), "after attempt %d", i+1)
		require.True(t, worthwhile, "after attempt %d", i+1)
		now = due
	}
	require.Equal(t, "70h33m20s", now.Sub(start).String(), "the last attempt, %d of them in all", len(want)+1)
	_, worthwhile := policy.Next("id", len(want)+1, start, now, 0)
	require.False(t, worthwhile, "the window is over")
}

func TestWaitsAreBoundedAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id, n := rapid.String().Draw(t, "id"), rapid.IntRange(1, 1<<30).Draw(t, "attempt")
		plain := standard()
		plain.Jitter = 0
		base, wait := plain.Wait(id, n), standard().Wait(id, n)
		require.Equal(t, wait, standard().Wait(id, n))
		require.LessOrEqual(t, base, 6*time.Hour)
		require.InDelta(t, float64(base), float64(wait), 0.2*float64(base)+1)
	})
}

func TestJitterSpreadsDeliveries(t *testing.T) {
	t.Parallel()
	var below, above int
	for i := range 1000 {
		if spread(fmt.Sprintf("00000000-0000-8000-8000-%012x", i), 1) < 0 {
			below++
		} else {
			above++
		}
	}
	require.InDelta(t, below, above, 200, "both halves are used")
}

func TestFarEndCanOnlyMakeTheWaitLonger(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	policy := standard()
	policy.Jitter = 0
	for named, want := range map[time.Duration]time.Duration{
		0:                5 * time.Second,
		time.Second:      5 * time.Second,
		-time.Hour:       5 * time.Second,
		time.Minute:      time.Minute,
		1000 * time.Hour: 24 * time.Hour,
	} {
		due, _ := policy.Next("id", 1, now, now, named)
		require.Equal(t, want, due.Sub(now), "asked for %s", named)
	}
}

func TestChannelCanOnlyShortenTheWindow(t *testing.T) {
	t.Parallel()
	require.Equal(t, 24*time.Hour, standard().Within(24*time.Hour).Window)
	require.Equal(t, 72*time.Hour, standard().Within(100*time.Hour).Window)
	require.Equal(t, 72*time.Hour, standard().Within(0).Window)
}

func BenchmarkBackoff(b *testing.B) {
	policy, start := standard(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		policy.Next("5b0c2f5e-6ad4-5d8b-9c0e-1f6a7b8c9d0e", 8, start, start, 0)
	}
}
