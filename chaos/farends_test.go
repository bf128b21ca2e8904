package chaos

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"tocsin/farend"
)

// badAnswers makes every webhook answer in one bad way for a while.
func badAnswers(a farend.HookAnswer) func(s *site) {
	return func(s *site) {
		s.far.troubled(&a)
		time.Sleep(6 * time.Second)
		s.far.troubled(nil)
	}
}

var (
	hangs   = farend.HookAnswer{Hang: true}
	drips   = farend.HookAnswer{Status: http.StatusOK, Drip: true}
	endless = farend.HookAnswer{Status: http.StatusOK, Body: 64 << 20}
	drops   = farend.HookAnswer{Drop: true} // after the body was read

	unavailable = farend.HookAnswer{Status: http.StatusServiceUnavailable}
)

// brokenTLS cuts APNs off behind a network that answers a handshake with noise.
func brokenTLS(s *site) {
	s.nets["ios"].become(mood{noise: true})
	s.nets["ios"].cut()
	time.Sleep(6 * time.Second)
	s.nets["ios"].become(mood{})
	s.nets["ios"].cut()
}

// leavingMail is a mail server that says 421 in the midst of a session, and
// closes it (RFC 5321 section 3.8).
func leavingMail(s *site) {
	var mu sync.Mutex
	n := 0
	s.far.inbox.Answer(func(farend.InboxStep) error {
		mu.Lock()
		defer mu.Unlock()
		n++
		switch {
		case n%5 == 0:
			return farend.SMTPAnswer(421, [3]int{4, 3, 2}, "shutting down")
		case n%11 == 0:
			return farend.ErrHangUp
		}
		return nil
	})
	time.Sleep(6 * time.Second)
	s.far.inbox.Answer(nil)
	s.far.inbox.Disconnect()
}

// leavingAPNs ends connections by GOAWAY, with pushes on the way, and leaves one
// stream to each connection.
func leavingAPNs(s *site) {
	s.far.apns.LimitStreams(1)
	for range 4 {
		s.far.apns.Hold()
		s.pause(time.Second)
		s.far.apns.GoAway("")
		s.pause(time.Second)
		s.far.apns.Disconnect()
	}
	s.far.apns.LimitStreams(100)
}

// noise is what no TLS client takes for an answer.
func noise() []byte { return []byte(rand.Text()) }
