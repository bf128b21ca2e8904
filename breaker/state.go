package breaker

import (
	"time"
)

// Phase is where an endpoint stands.
type Phase string

// Phases; the package's comment says what they mean.
const (
	Closed     Phase = ""
	Open       Phase = "open"
	HalfOpen   Phase = "half-open"
	Recovering Phase = "recovering"
)

// State is what the fleet knows of one endpoint. The zero State is that of one
// that has never failed.
type State struct {
	Phase   Phase     `json:"phase,omitempty"`
	Changed time.Time `json:"changed,omitzero"` // when Phase or Failing became what they are
	Fails   int       `json:"fails,omitempty"`  // of Closed: failures in a row
	Opened  int       `json:"opened,omitempty"` // how often it was opened in a row
	Until   time.Time `json:"until,omitzero"`   // of Open: nothing is sent before; of HalfOpen: the attempt counts as lost then

	Failing  time.Time `json:"failing,omitzero"`   // since when nothing has succeeded; zero: the newest attempt did
	Error    string    `json:"error,omitempty"`    // why an attempt failed, for people; holds no address and no credential
	Warned   int       `json:"warned,omitempty"`   // how many warnings its owner has had since Failing
	WarnedAt time.Time `json:"warned_at,omitzero"` // when the newest of them was sent
}

// Policy says when an endpoint opens, for how long, and how it comes back.
type Policy struct {
	Fails   int           // failures in a row that open it
	First   time.Duration // how long it is open the first time; each further time is twice as long
	Longest time.Duration // and at most so long
	Lease   time.Duration // how long the fleet waits for the attempt of one that is half-open
	Step    time.Duration // while it recovers, twice as many attempts may be in hand after each
	Ramp    time.Duration // how long it recovers
}

// TargetPolicy is the policy for targets. Five failures in a row are rare by chance
// for an endpoint that mostly works. Five minutes are the longest that anybody
// waits to see that a mended endpoint is found again; 50,000 deliveries that
// each come round in that time are some 200 a second. The lease is longer than
// any attempt of a channel may take.
func TargetPolicy() Policy {
	return Policy{
		Fails: 5, First: 5 * time.Second, Longest: 5 * time.Minute,
		Lease: time.Minute, Step: 2 * time.Second, Ramp: 30 * time.Second,
	}
}

// HostPolicy is the policy for hosts: more failures, because they may come from a few
// of many targets.
func HostPolicy() Policy {
	p := TargetPolicy()
	p.Fails *= 2
	return p
}

// Admission is what a State allows.
type Admission int

// Admissions.
const (
	Pass  Admission = iota // attempts are made, as many at a time as Limit says
	Probe                  // one attempt may be made, by whoever Claims it
	Hold                   // none
)

// Admits says what is allowed now.
func (p Policy) Admits(s State, now time.Time) Admission {
	switch {
	case s.Phase == Closed || s.Phase == Recovering:
		return Pass
	case now.Before(s.Until) && s.Until.Sub(now) <= 2*max(p.Longest, p.Lease): // else a wrong clock wrote it
		return Hold
	}
	return Probe
}

// Limit is how many attempts may be in hand now, where most are if the endpoint
// works: while it recovers 1, 2, 4 and so on.
func (p Policy) Limit(s State, now time.Time, most int) int {
	if !p.recovers(s, now) {
		return most
	}
	doublings := max(now.Sub(s.Changed), 0) / p.Step
	if doublings > 16 {
		return most
	}
	return min(1<<doublings, most)
}

// Rest is how long what is held back stays away, random being in [0, 1): until
// the endpoint may be tried, and beyond that spread over as long as it was last
// open. So however many are held back, few come round at a time, and fewer the
// longer it lasts.
func (p Policy) Rest(s State, now time.Time, random float64) time.Duration {
	spread := max(p.interval(s.Opened), time.Second)
	return p.undecided(s, now) + time.Duration(random*float64(spread))
}

// undecided is for how long it will not be known whether the endpoint works
// again. An attempt that is being made mostly tells before long: were all to
// stay away for its whole lease, those who come in these milliseconds would be
// the last by a minute. It is taken to need as long again as it has taken, so
// that few come round in vain while it hangs.
func (p Policy) undecided(s State, now time.Time) time.Duration {
	until := max(s.Until.Sub(now), 0)
	if s.Phase == HalfOpen {
		return min(until, max(now.Sub(s.Changed), 0))
	}
	return until
}

func (p Policy) recovers(s State, now time.Time) bool {
	return s.Phase == Recovering && !s.Changed.After(now.Add(p.Ramp)) && now.Sub(s.Changed) < p.Ramp // a wrong clock may have written it
}

// interval is how long an endpoint is open the n-th time in a row.
func (p Policy) interval(n int) time.Duration {
	wait := p.First
	for i := 1; i < n && wait < p.Longest; i++ {
		wait *= 2
	}
	return min(wait, p.Longest)
}
