package chaos

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
)

// diesAt is a worker that is killed between two steps that only together are
// safe; see package faultpoint.
func diesAt(name, point string) fault {
	return fault{name: name, most: inFlight, does: func(s *site) {
		s.dieAt(point, 1+s.chance.IntN(3))
		s.startWorker()
	}}
}

// dieAt starts a worker and returns when it has been killed, the n-th time that
// it reached a point. The event that brings it there is published meanwhile.
func (s *site) dieAt(point string, n int, publish ...func()) {
	s.t.Helper()
	doomed := s.startWorker(fmt.Sprintf("TOCSIN_FAULTPOINT=%s=%d", point, n))
	for _, p := range publish {
		p()
	}
	select {
	case <-doomed.Ended():
	case <-time.After(time.Minute):
		require.FailNow(s.t, "a worker never reaches the point", "%s\n%s", point, s.lastWords())
	}
	s.flying += s.inHand()
	doomed.Stop()
	s.gone(doomed)
}

func largeFanOut(s *site) { s.dieInLargeFanOut(chunksOfLarge / 3) }

// dieInLargeFanOut kills a worker in the midst of the fan-out of an account with
// 10,000 members, when so many chunks are stored. No other worker routes, so that
// it gets the event.
func (s *site) dieInLargeFanOut(chunks int) {
	s.settleLarge()
	for _, w := range s.workers {
		require.Zero(s.t, w.Terminate())
	}
	s.workers = nil
	s.dieAt("fan-out: chunk of a large account stored", chunks, func() { s.load.one(largeAccount) })
	s.startWorker()
	s.startWorker()
}
