package breaker

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Endpoint is one of those that a delivery goes through: its target or its host.
type Endpoint struct {
	Name   string
	Policy Policy
	Most   int // attempts in hand in this worker, while it works
	Known  Record

	// Swap notes the endpoint's state for the fleet, if what is noted is still
	// before, and returns what is noted then.
	Swap func(ctx context.Context, before, after Record) (now Record, swapped bool, err error)
}

// Visit is leave to make one attempt at an endpoint.
type Visit struct {
	endpoint Endpoint
	seat     *Seat
	probe    bool // it was claimed
}

// Held says why no attempt is made.
type Held struct {
	For  time.Duration // ask again after so long
	Open bool          // the endpoint is known not to work; otherwise it has no room
	Why  string        // of Open: what failed
}

// Visit asks for leave to make one attempt through all of these endpoints, the
// narrowest first. It is either given by all or by none: then there are no
// visits. An error is that of a Swap.
func (g *Gate) Visit(ctx context.Context, now time.Time, endpoints ...Endpoint) ([]*Visit, Held, error) {
	for _, e := range endpoints {
		if e.Policy.Admits(e.Known.State, now) == Hold {
			return nil, e.held(now), nil
		}
	}
	var visits []*Visit
	for _, e := range endpoints {
		seat, stayAway := g.Enter(ctx, e.Name, e.Policy.Limit(e.Known.State, now, e.Most))
		if seat == nil {
			return nil, Held{For: stayAway}, Abandon(ctx, now, visits)
		}
		visits = append(visits, &Visit{endpoint: e, seat: seat})
	}
	for i := len(visits) - 1; i >= 0; i-- { // of many targets at a host one asks for the host
		won, err := visits[i].claim(ctx, now)
		if err != nil || !won {
			held := visits[i].endpoint.held(now)
			return nil, held, errors.Join(err, Abandon(ctx, now, visits))
		}
	}
	return visits, Held{}, nil
}

func (e Endpoint) held(now time.Time) Held {
	return Held{For: e.Policy.Rest(e.Known.State, now, rand.Float64()), Open: true, Why: e.Known.Error}
}

// claim makes the visit the one attempt of an endpoint whose time has come. Who
// was slower than another worker may still find that the endpoint works by now.
func (v *Visit) claim(ctx context.Context, now time.Time) (won bool, err error) {
	e := &v.endpoint
	if e.Policy.Admits(e.Known.State, now) == Pass {
		return true, nil
	}
	e.Known, v.probe, err = e.Swap(ctx, e.Known, RecordOf(e.Policy.Claim(e.Known.State, now)))
	if err != nil {
		return false, err
	}
	return v.probe || e.Policy.Admits(e.Known.State, now) == Pass, nil
}

// Abandon gives up visits of which no attempt was made. After an error an
// endpoint stays claimed for the policy's Lease.
func Abandon(ctx context.Context, now time.Time, visits []*Visit) error {
	var faults []error
	for _, v := range visits {
		_, err := v.Learn(ctx, v.Leave(Evidence{Began: now, Ended: now}))
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// Leave ends the visit, and completes what its attempt says. It comes before
// Learn, and at once, so that nobody who wants the seat waits for Redis.
func (v *Visit) Leave(e Evidence) Evidence {
	took := e.Ended.Sub(e.Began)
	e.Probe = v.probe
	if e.Verdict == Failed && !e.Answered {
		e.Beside = v.seat.Hanging(took / 2)
	}
	worked := time.Time{}
	if e.Verdict == Worked {
		worked = e.Ended
	}
	v.seat.Leave(took, worked)
	return e
}

// Learn notes for the fleet what an attempt says of the endpoint, and returns
// what is noted then. It may be called again after an error. A failure beside
// successes is no news: the endpoint works for others, and what was read of it
// before the attempt is out of date.
func (v *Visit) Learn(ctx context.Context, e Evidence) (State, error) {
	if (e.Verdict == Failed || e.Verdict == Refused) && !e.Probe && v.seat.WorkedSince(e.Began) {
		return State{}, nil
	}
	return v.Change(ctx, func(s State) (State, bool) { return v.endpoint.Policy.After(s, e) })
}

// Change notes what next makes of the state, and starts again from what another
// worker has noted meanwhile.
func (v *Visit) Change(ctx context.Context, next func(State) (after State, changes bool)) (State, error) {
	for {
		after, changes := next(v.endpoint.Known.State)
		if !changes {
			return v.endpoint.Known.State, nil
		}
		now, swapped, err := v.endpoint.Swap(ctx, v.endpoint.Known, RecordOf(after))
		if err != nil {
			return v.endpoint.Known.State, err
		}
		v.endpoint.Known = now
		if swapped {
			return now.State, nil
		}
	}
}
