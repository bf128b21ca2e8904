package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRungIsTheLongestWaitThatFits(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		-time.Hour:              "1s",
		0:                       "1s",
		999 * time.Millisecond:  "1s",
		time.Second:             "1s",
		4999 * time.Millisecond: "1s",
		5 * time.Second:         "5s",
		59 * time.Second:        "15s",
		time.Minute:             "1m",
		24 * time.Hour:          "6h",
	} {
		require.Equal(t, want, rungFor(wait).name, "a wait of %s", wait)
	}
}

func TestParkedDeliverySteps(t *testing.T) {
	t.Parallel()
	stored := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	five := ladder[1]
	for name, c := range map[string]struct {
		due, now time.Duration // after stored
		want     step
	}{
		"due now":                          {5 * time.Second, 5 * time.Second, step{kind: deliver}},
		"overdue after an outage":          {5 * time.Second, time.Hour, step{kind: deliver}},
		"handed out at once":               {5 * time.Second, 0, step{stay, 5 * time.Second}},
		"handed out early after restart":   {5 * time.Second, 4 * time.Second, step{stay, time.Second}},
		"due before its wait is over":      {2 * time.Second, time.Second, step{stay, time.Second}},
		"wait over, a second or less left": {6 * time.Second, 5 * time.Second, step{stay, time.Second}},
		"wait over, more left":             {9 * time.Second, 5 * time.Second, step{kind: hop}},
		"the server's clock is ahead":      {time.Minute, -time.Hour, step{stay, 5 * time.Second}},
		"due was set by a wrong clock":     {12 * 365 * 24 * time.Hour, 5 * time.Second, step{kind: deliver}},
	} {
		got := five.next(stored, stored.Add(c.due), stored.Add(c.now))
		require.Equal(t, c.want, got, name)
	}
}

// A delivery that hops from rung to rung is handed over at its time exactly,
// however long it has to wait, and after few hops.
func TestHopsAddUpToTheWait(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		wait := time.Duration(rapid.Int64Range(0, int64(72*time.Hour)).Draw(t, "wait"))
		due, now := start.Add(wait), start
		hops := 0
		for at, r := now, rungFor(wait); ; {
			s := r.next(at, due, now)
			if s.kind == deliver {
				break
			}
			if s.kind == stay {
				now = now.Add(s.wait)
				continue
			}
			hops++
			at, r = now, rungFor(due.Sub(now))
		}
		require.Equal(t, due.Sub(start), max(now.Sub(start), wait), "neither early nor late")
		require.LessOrEqual(t, hops, 12+24, "hops")
	})
}
