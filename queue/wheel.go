package queue

import (
	"time"
)

// retrySubjects are one for each length of wait and channel.
const retrySubjects = "tocsin.retries.>"

// rung is one length of wait. Everything parked on it waits equally long.
type rung struct {
	name string // token of subjects and of consumer names
	wait time.Duration
}

// ladder holds the lengths of wait, shortest first. Any time is a sum of a few
// of them and a rest below the shortest.
var ladder = [...]rung{
	{"1s", time.Second},
	{"5s", 5 * time.Second},
	{"15s", 15 * time.Second},
	{"1m", time.Minute},
	{"5m", 5 * time.Minute},
	{"15m", 15 * time.Minute},
	{"1h", time.Hour},
	{"6h", 6 * time.Hour},
}

func retrySubject(r rung, channel string) string {
	return "tocsin.retries." + r.name + "." + channel
}

// rungFor is the longest wait that does not overshoot, or the shortest there is.
func rungFor(wait time.Duration) rung {
	fitting := ladder[0]
	for _, r := range ladder {
		if r.wait <= wait {
			fitting = r
		}
	}
	return fitting
}

// step is what to do with a parked delivery that has been handed out.
type step struct {
	kind stepKind
	wait time.Duration // of stay: for how much longer
}

type stepKind int

const (
	deliver stepKind = iota // it is due
	stay                    // it stays where it is for a while
	hop                     // this wait is over and it is still early: park the rest
)

// farthest is beyond every due time that a policy sets: one that lies farther
// ahead was written by a clock that was wrong, and counts as come.
const farthest = 30 * 24 * time.Hour

// next decides what a parked delivery does: parked is when it was parked on r.
// A rest below the shortest wait is waited out where it is; it cannot hold up
// those behind it by more than that. Where the clocks of two workers
// disagree, it stays for no longer than r waits, and is looked at again.
func (r rung) next(parked, due, now time.Time) step {
	rest := due.Sub(now)
	if rest <= 0 || rest > farthest {
		return step{kind: deliver}
	}
	if left := parked.Add(r.wait).Sub(now); left > 0 {
		return step{kind: stay, wait: min(left, rest, r.wait)}
	}
	if rest <= ladder[0].wait {
		return step{kind: stay, wait: rest}
	}
	return step{kind: hop}
}
