package breaker

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Gate bounds how many attempts each endpoint has in hand in one worker. Who
// finds an endpoint full waits a moment for a seat where seats come free fast,
// and is sent away otherwise: a burst for an endpoint that answers goes through,
// and one that hangs costs no more than its seats.
type Gate struct {
	mu        sync.Mutex
	endpoints map[string]*seats
}

// NewGate makes a Gate.
func NewGate() *Gate { return &Gate{endpoints: make(map[string]*seats)} }

const (
	// quick is the longest expected wait for a seat for which somebody waits. All
	// who wait are then at most the attempts of so long a time.
	quick = 100 * time.Millisecond
	// patience is after how long they give up, should the endpoint have begun to
	// hang meanwhile.
	patience = 250 * time.Millisecond
	// shortest is the least time for which anybody is sent away.
	shortest = time.Second
	// longest is the farthest in the future that turns are given out; who comes
	// later is sent away for once or twice as long.
	longest = 5 * time.Minute
	// manyEndpoints is how many are kept before idle ones are looked for.
	manyEndpoints = 10_000
)

// seats is an endpoint in the Gate.
type seats struct {
	taken  []*Seat       // oldest first
	line   []*place      // of those who wait for one
	limit  int           // as whoever came last was told
	took   time.Duration // how long attempts take, smoothed
	left   time.Time     // when the newest attempt ended
	worked time.Time     // when the newest attempt that succeeded ended
	turn   time.Time     // up to when turns are given out to those sent away
}

// Seat is an attempt in hand.
type Seat struct {
	gate  *Gate
	at    *seats
	since time.Time
}

// Enter takes one of limit seats at an endpoint. Without one it says for how
// long to stay away: until those sent away before will have had their turns, as
// fast as the endpoint has been.
func (g *Gate) Enter(ctx context.Context, name string, limit int) (seat *Seat, stayAway time.Duration) {
	seat, queued, stayAway := g.ask(name, limit)
	if queued == nil {
		return seat, stayAway
	}
	return g.await(ctx, queued)
}

// place is one in the line for an endpoint's seats.
type place struct {
	at     *seats
	called chan *Seat // holds one, so that who calls does not wait
}

func (g *Gate) ask(name string, limit int) (seat *Seat, queued *place, stayAway time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, now := g.endpoint(name), time.Now()
	e.limit = limit
	switch {
	case len(e.taken) < limit:
		return e.sit(g, now), nil, 0
	case !e.soon(now):
		return nil, nil, e.giveTurn(now)
	}
	queued = &place{at: e, called: make(chan *Seat, 1)}
	e.line = append(e.line, queued)
	return nil, queued, 0
}

func (g *Gate) await(ctx context.Context, queued *place) (*Seat, time.Duration) {
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	select {
	case seat := <-queued.called:
		return seat, 0
	case <-tooLong.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e := queued.at
	if i := slices.Index(e.line, queued); i >= 0 {
		e.line = slices.Delete(e.line, i, i+1)
		return nil, e.giveTurn(time.Now())
	}
	return <-queued.called, 0 // it was called at the last moment
}

func (g *Gate) endpoint(name string) *seats {
	if e, known := g.endpoints[name]; known {
		return e
	}
	if len(g.endpoints) >= manyEndpoints {
		now := time.Now()
		for other, e := range g.endpoints {
			if len(e.taken)+len(e.line) == 0 && e.turn.Before(now) {
				delete(g.endpoints, other)
			}
		}
	}
	e := &seats{}
	g.endpoints[name] = e
	return e
}

func (e *seats) sit(g *Gate, now time.Time) *Seat {
	seat := &Seat{gate: g, at: e, since: now}
	e.taken = append(e.taken, seat)
	return seat
}

// soon reports whether a seat can be expected to come free in no time.
func (e *seats) soon(now time.Time) bool {
	expected := e.took * time.Duration(len(e.line)+1) / time.Duration(e.limit)
	return now.Sub(e.left) < patience && expected < quick
}

// giveTurn spreads those who are sent away over the time that the endpoint needs
// for them. How slow one is that does not answer shows by what it has in hand.
func (e *seats) giveTurn(now time.Time) time.Duration {
	each := e.took
	if len(e.taken) > 0 {
		each = max(each, now.Sub(e.taken[0].since))
	}
	e.turn = later(e.turn, now.Add(shortest)).Add(max(each/time.Duration(e.limit), time.Microsecond))
	away := e.turn.Sub(now)
	if away > longest {
		e.turn = now.Add(longest)
		return longest + rand.N(longest)
	}
	return away + rand.N(away/4)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Leave gives the seat to whoever waits for it. took is zero where no attempt
// was made, and worked where none succeeded: else it is when.
func (s *Seat) Leave(took time.Duration, worked time.Time) {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	e, now := s.at, time.Now()
	e.taken = slices.DeleteFunc(e.taken, func(other *Seat) bool { return other == s })
	if took > 0 {
		e.took += (took - e.took) / 4
		e.left = now
	}
	e.worked = later(e.worked, worked)
	for len(e.line) > 0 && len(e.taken) < e.limit {
		e.line[0].called <- e.sit(s.gate, now)
		e.line = slices.Delete(e.line, 0, 1)
	}
}

// WorkedSince reports whether an attempt at the same endpoint has succeeded
// since then.
func (s *Seat) WorkedSince(then time.Time) bool {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	return s.at.worked.After(then)
}

// Hanging counts the other attempts in hand that have taken longer than so.
func (s *Seat) Hanging(than time.Duration) int {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	n, now := 0, time.Now()
	for _, other := range s.at.taken {
		if other != s && now.Sub(other.since) > than {
			n++
		}
	}
	return n
}
