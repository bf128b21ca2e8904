package breaker

import (
	"math/rand/v2"
	"time"
)

// Verdict is what the end of an attempt says of an endpoint.
type Verdict int

// Verdicts.
const (
	Unknown Verdict = iota // nothing: no attempt was made, or it is not to blame
	Worked                 // it took what it was sent
	Refused                // it answered, and will not take this one: no reason to spare it others
	Failed                 // it cannot take anything at the moment, or did not answer
)

// Evidence is an attempt that has ended.
type Evidence struct {
	Verdict      Verdict
	Began, Ended time.Time
	Probe        bool          // it was the one attempt of an endpoint that is half-open
	Answered     bool          // of Failed: it said so itself
	Beside       int           // of Failed: others that are in hand and will fail the same way
	Wait         time.Duration // of Failed: the endpoint asks to be left alone for so long
	Reason       string        // of Refused and Failed, for people
}

// After is the state that follows from an attempt, and whether it is another
// one: where it is not, there is nothing to write.
func (p Policy) After(s State, e Evidence) (State, bool) {
	switch e.Verdict {
	case Unknown:
		return p.afterNothing(s, e)
	case Worked:
		return p.afterSuccess(s, e)
	case Refused:
		return p.afterRefusal(s, e)
	default:
		return p.afterFailure(s, e)
	}
}

// afterNothing gives an endpoint back that was claimed.
func (p Policy) afterNothing(s State, e Evidence) (State, bool) {
	if s.Phase != HalfOpen || !e.Probe {
		return s, false
	}
	s.Phase, s.Changed, s.Until = Open, e.Ended, e.Ended
	return s, true
}

// afterSuccess takes any success for the end of the trouble, also that of an
// attempt which began before it.
func (p Policy) afterSuccess(s State, e Evidence) (State, bool) {
	switch {
	case s.Phase == Open || s.Phase == HalfOpen:
		return State{Phase: Recovering, Opened: s.Opened, Changed: e.Ended}, true
	case !s.Failing.IsZero() || s.Fails > 0:
		return State{Phase: s.Phase, Opened: s.Opened, Changed: e.Ended}, true
	}
	return s, false
}

// afterRefusal lets attempts through again, because the endpoint answers, and
// goes on counting the days in which nothing succeeds.
func (p Policy) afterRefusal(s State, e Evidence) (State, bool) {
	before := s
	if s.Phase == Open || s.Phase == HalfOpen {
		s.Phase, s.Changed, s.Until = Recovering, e.Ended, time.Time{}
	}
	s.Fails = 0
	if s.Failing.IsZero() {
		s.Failing, s.Changed, s.Error = e.Ended, e.Ended, e.Reason
	}
	return s, s != before
}

func (p Policy) afterFailure(s State, e Evidence) (State, bool) {
	switch {
	case s.Phase == Open, s.Phase == HalfOpen && !e.Probe:
		return s, false // it is known, and one attempt will tell when it is over
	case s.Phase == Recovering && p.recovers(s, e.Ended):
		if e.Began.Before(s.Changed) {
			return s, false // tells of the time before
		}
	case s.Phase == Recovering:
		s.Phase, s.Opened = Closed, 0
		fallthrough
	case s.Phase == Closed:
		s.Fails += 1 + e.Beside
	}
	if s.Failing.IsZero() {
		s.Failing, s.Changed = e.Ended, e.Ended
	}
	s.Error = e.Reason
	if s.Phase != Closed || s.Fails >= p.Fails {
		s = p.opened(s, e)
	}
	return s, true
}

// opened keeps the endpoint's own wish, up to the longest time: by then it is
// worth asking again.
func (p Policy) opened(s State, e Evidence) State {
	s.Phase, s.Fails, s.Changed = Open, 0, e.Ended
	s.Opened++
	wait := time.Duration((0.8 + 0.4*rand.Float64()) * float64(p.interval(s.Opened)))
	s.Until = e.Ended.Add(max(wait, min(e.Wait, p.Longest)))
	return s
}

// Claim is the state in which one attempt is made. It holds for whoever writes
// it over s first.
func (p Policy) Claim(s State, now time.Time) State {
	s.Phase, s.Changed, s.Until = HalfOpen, now, now.Add(p.Lease)
	return s
}
