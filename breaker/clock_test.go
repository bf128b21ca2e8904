package breaker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/breaker"
)

// steppedClock is a worker's clock that makes one step on the way.
type steppedClock struct{ at, step time.Duration }

// after is what it shows when so much time has really passed.
func (c steppedClock) after(passed time.Duration) time.Time {
	if passed >= c.at {
		return noon.Add(passed + c.step)
	}
	return noon.Add(passed)
}

func anyClock(t *rapid.T) steppedClock {
	ahead := rapid.OneOf(
		rapid.Int64Range(-int64(20*time.Minute), int64(20*time.Minute)),
		rapid.Int64Range(-int64(400*24*time.Hour), int64(400*24*time.Hour)),
	)
	return steppedClock{
		at:   time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "step after")),
		step: time.Duration(ahead.Draw(t, "step")),
	}
}

// shut is an endpoint that has opened so often in a row at noon, and if claimed
// is half-open since then, by an attempt whose worker has died.
func shut(p breaker.Policy, opened int, claimed bool) breaker.State {
	s := breaker.State{}
	for range opened {
		s = p.Claim(s, noon)
		s, _ = p.After(s, breaker.Evidence{Verdict: breaker.Failed, Began: noon, Ended: noon, Probe: true, Reason: "503"})
	}
	if claimed {
		s = p.Claim(s, noon)
	}
	return s
}

// Wherever a clock steps, and however far, an endpoint that is shut, and one whose
// attempt is lost, is tried again within twice the longest time. A step back by no
// more than that leaves it alone for as long as was wanted; a step ahead by at
// most the step less.
func TestAnEndpointIsTriedAgainWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, clock := breaker.TargetPolicy(), anyClock(t)
		s := shut(p, rapid.IntRange(1, 12).Draw(t, "opened"), rapid.Bool().Draw(t, "claimed"))
		wanted, passed := s.Until.Sub(noon), time.Duration(0)
		for p.Admits(s, clock.after(passed)) == breaker.Hold {
			passed += time.Second
			require.LessOrEqual(t, passed, 2*p.Longest+time.Second, "nobody tries it any more")
		}
		if p.Longest+clock.step > 0 || passed < clock.at { // farther back it was plainly a wrong clock that shut it
			require.GreaterOrEqual(t, passed+max(clock.step, 0), wanted, "tried too soon")
		}
	})
}

// Who is held back stays away for a time that is bounded likewise.
func TestWhatIsHeldBackComesRoundWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, clock := breaker.TargetPolicy(), anyClock(t)
		s := shut(p, rapid.IntRange(1, 12).Draw(t, "opened"), rapid.Bool().Draw(t, "claimed"))
		now := clock.after(time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(t, "comes after")))
		if p.Admits(s, now) != breaker.Hold {
			return
		}
		rest := p.Rest(s, now, rapid.Float64Range(0, 0.999).Draw(t, "random"))
		require.GreaterOrEqual(t, rest, time.Duration(0))
		require.LessOrEqual(t, rest, 3*p.Longest)
	})
}

// An endpoint that has come back takes as much as ever before long.
func TestARampEndsWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, clock := breaker.TargetPolicy(), anyClock(t)
		clock.at %= p.Ramp
		s, _ := p.After(shut(p, 3, true), breaker.Evidence{Verdict: breaker.Worked, Began: noon, Ended: noon, Probe: true})
		const most = 1 << 20
		require.Less(t, p.Limit(s, noon, most), most)
		passed := time.Duration(0)
		for p.Limit(s, clock.after(passed), most) < most {
			passed += time.Second
			require.LessOrEqual(t, passed, 2*p.Ramp+time.Second, "it is spared for ever")
		}
	})
}
