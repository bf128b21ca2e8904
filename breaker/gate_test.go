package breaker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/breaker"
)

const name = "https://example.com:443"

// take takes n seats, all that there are.
func take(t *testing.T, g *breaker.Gate, n int) []*breaker.Seat {
	t.Helper()
	var seats []*breaker.Seat
	for range n {
		seat, _ := g.Enter(t.Context(), name, n)
		require.NotNil(t, seat)
		seats = append(seats, seat)
	}
	return seats
}

func TestHangingEndpointHasNoMoreThanItsSeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := breaker.NewGate()
		take(t, g, 8)
		for range 1000 {
			seat, stayAway := g.Enter(t.Context(), name, 8)
			require.Nil(t, seat)
			require.GreaterOrEqual(t, stayAway, time.Second)
		}
		seat, _ := g.Enter(t.Context(), "another", 8)
		require.NotNil(t, seat)
	})
}

// The more are sent away, and the slower the endpoint is, the longer they stay
// away: each comes back when its turn may have come, not to ask in vain.
func TestWhoIsSentAwayComesBackAsFastAsTheEndpointIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := breaker.NewGate()
		seats := take(t, g, 4)
		time.Sleep(2 * time.Second)
		for _, s := range seats {
			s.Leave(2*time.Second, time.Now())
		}
		take(t, g, 4)
		var last time.Duration
		for range 100 { // 4 seats of half a second each, as far as is known
			_, last = g.Enter(t.Context(), name, 4)
		}
		require.InDelta(t, 1+100*0.35, last.Seconds(), 15)
		for range 50_000 {
			_, last = g.Enter(t.Context(), name, 4)
		}
		require.GreaterOrEqual(t, last, 5*time.Minute)
		require.Less(t, last, 10*time.Minute, "however many there are")
	})
}

func TestBurstForAFastEndpointGoesThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := breaker.NewGate()
		send := func() bool {
			seat, _ := g.Enter(t.Context(), name, 8)
			if seat == nil {
				return false
			}
			began := time.Now()
			time.Sleep(5 * time.Millisecond)
			seat.Leave(time.Since(began), time.Now())
			return true
		}
		require.True(t, send(), "it is known to be fast")
		began := time.Now()
		sent := make(chan bool, 100)
		for range cap(sent) {
			go func() { sent <- send() }()
		}
		for range cap(sent) {
			require.True(t, <-sent)
		}
		require.Equal(t, 65*time.Millisecond, time.Since(began), "13 rounds of 8")
	})
}

func TestNobodyWaitsForLongInFrontOfAnEndpointThatBeginsToHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := breaker.NewGate()
		seats := take(t, g, 8)
		time.Sleep(time.Millisecond)
		seats[0].Leave(time.Millisecond, time.Now())
		_, _ = g.Enter(t.Context(), name, 8)
		began := time.Now()
		seat, _ := g.Enter(t.Context(), name, 8)
		require.Nil(t, seat)
		require.Equal(t, 250*time.Millisecond, time.Since(began))

		began = time.Now()
		seat, _ = g.Enter(t.Context(), name, 8)
		require.Nil(t, seat)
		require.Zero(t, time.Since(began), "by now that is known")
	})
}

func TestStoppingEndsWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := breaker.NewGate()
		seats := take(t, g, 2)
		time.Sleep(time.Millisecond)
		seats[0].Leave(time.Millisecond, time.Now())
		_, _ = g.Enter(t.Context(), name, 2)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		began := time.Now()
		seat, _ := g.Enter(ctx, name, 2)
		require.Nil(t, seat)
		require.Equal(t, 10*time.Millisecond, time.Since(began))
		seats[1].Leave(time.Millisecond, time.Now())
		seat, _ = g.Enter(t.Context(), name, 2)
		require.NotNil(t, seat, "who gave up leaves the seat to others")
	})
}

func TestSeatTellsOfThoseBesideIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := breaker.NewGate()
		seats := take(t, g, 3)
		time.Sleep(10 * time.Second)
		young, _ := g.Enter(t.Context(), name, 4)
		time.Sleep(5 * time.Second)
		require.Equal(t, 2, seats[0].Hanging(7*time.Second))
		require.Equal(t, 3, seats[0].Hanging(time.Second))
		began := time.Now()
		require.False(t, seats[0].WorkedSince(began))
		time.Sleep(time.Second)
		young.Leave(6*time.Second, time.Now())
		require.True(t, seats[0].WorkedSince(began))
	})
}
