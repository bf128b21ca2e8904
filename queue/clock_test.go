package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/schema"
)

// Due times are stored as wall-clock times, so that any worker can tell when they
// have come. What a step of the workers' clock does to one that is parked: a
// step back makes it late by as much, and no more; a step ahead makes it due
// earlier by as much, as that clock has it. By the clock that set its time and
// stayed as it was, none comes early at all.
func TestStepsOfTheClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step, late time.Duration // late: against the wait that was asked for, in real time
	}{
		"none":           {0, 0},
		"an hour back":   {-time.Hour, time.Hour},
		"an hour ahead":  {time.Hour, -time.Hour},
		"a second back":  {-time.Second, time.Second},
		"a second ahead": {time.Second, -time.Second},
		"a year ahead":   {365 * 24 * time.Hour, -time.Hour}, // it is looked at once an hour
	} {
		const wait, stepAt = 3 * time.Hour, 90 * time.Minute
		took := waitOut(wait, stepAt, c.step)
		require.InDelta(t, float64(wait+c.late), float64(took), float64(time.Second), name)
	}
}

// By the clock that workers have when they look, no retry comes early, wherever
// in its wait that clock steps.
func TestNoRetryIsEarlyByTheClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wait := time.Duration(rapid.Int64Range(1, int64(72*time.Hour)).Draw(t, "wait"))
		stepAt := time.Duration(rapid.Int64Range(0, int64(wait)).Draw(t, "step at"))
		step := time.Duration(rapid.Int64Range(-int64(2*time.Hour), int64(2*time.Hour)).Draw(t, "step"))
		took := waitOut(wait, stepAt, step)
		require.GreaterOrEqual(t, took+max(step, 0), wait, "early")
		require.LessOrEqual(t, took, wait+max(-step, 0)+ladder[len(ladder)-1].wait, "far too late")
	})
}

// handedOut is a message as its lane gets it: the subject by which it is
// acknowledged tells when it was stored (ADR-15).
func handedOut(msg *nats.Msg, stored time.Time) *nats.Msg {
	msg.Reply = fmt.Sprintf("%sSTREAM.CONSUMER.1.1.1.%d.0", ackPrefix, stored.UnixNano())
	msg.Sub = &nats.Subscription{}
	return msg
}

// Workers whose clock is an hour ahead of the server's wait as others do. They
// took each wait for over when it began, and hopped on the spot until it was due.
func TestAWaitIsWaitedOutWhereTheServersClockIsBehind(t *testing.T) {
	t.Parallel()
	event, err := schema.Sample("job.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "e1", "tocsin/test", "acme", time.Now()
	d := schema.Delivery{Event: event, User: "ada", Channel: "webhook", Target: "main", Due: time.Now().Add(20 * time.Minute)}
	quarter := rungFor(20 * time.Minute)
	hop := hopTo(d, retrySubject(quarter, "webhook"))
	lane := (&Pool{}).delivering("webhook", quarter, nil)
	outcome := lane(t.Context(), handedOut(hop.Msg, time.Now().Add(-time.Hour)))
	require.Equal(t, stayed, outcome.verdict)
	require.InDelta(t, float64(quarter.wait), float64(outcome.wait), float64(5*time.Second))
}

// waitOut is how long a delivery is really parked that is to wait so long, while
// the workers' clock makes a step on the way. The server's does not.
func waitOut(wait, stepAt, step time.Duration) time.Duration {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	due, real := start.Add(wait), time.Duration(0)
	clock := func() time.Time {
		if real >= stepAt {
			return start.Add(real + step)
		}
		return start.Add(real)
	}
	for parked, r := start, rungFor(wait); ; {
		s := r.next(parked, due, clock())
		switch s.kind {
		case deliver:
			return real
		case stay:
			real += s.wait
		case hop:
			parked, r = clock(), rungFor(due.Sub(clock()))
		}
	}
}
