package farend

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// HookAnswer is what a far end that speaks HTTP says to one request.
type HookAnswer struct {
	Status int           // 0: 200
	Header http.Header   // added to the answer's own
	Delay  time.Duration // before the status is sent
	Text   string        // the body
	Body   int64         // bytes of filler after it
	Drip   bool          // the body never ends: one byte at a time
	Hang   bool          // no answer until the caller gives up
	Drop   bool          // the connection is closed without an answer
}

// dripInterval is short enough that no read timeout of a caller ever fires.
const dripInterval = 20 * time.Millisecond

func (a HookAnswer) status() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// label is the Status of a Received: empty if nothing is said.
func (a HookAnswer) label() string {
	if a.Hang || a.Drop {
		return ""
	}
	return strconv.Itoa(a.status())
}

// write answers, or does not. It returns when the answer is written or the
// caller has gone.
func (a HookAnswer) write(w http.ResponseWriter, r *http.Request) {
	gone := r.Context().Done()
	if a.Hang {
		<-gone
	}
	if a.Hang || a.Drop {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if !pause(a.Delay, gone) {
		return
	}
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.status())
	_, _ = io.WriteString(w, a.Text) // the caller may stop reading
	_, _ = io.CopyN(w, filler{}, a.Body)
	for a.Drip && pause(dripInterval, gone) {
		_, _ = w.Write([]byte{'.'})
		_ = http.NewResponseController(w).Flush()
	}
}

// pause reports whether it could wait for d before gone.
func pause(d time.Duration, gone <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-gone:
		return false
	}
}

// filler reads as full stops without end.
type filler struct{}

func (filler) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '.'
	}
	return len(p), nil
}

// script is the answers that were ordered, by path or room. The zero value is
// ready.
type script struct {
	mu      sync.Mutex
	answers map[string][]HookAnswer
}

func (s *script) add(where string, answers []HookAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil {
		s.answers = map[string][]HookAnswer{}
	}
	s.answers[where] = append(s.answers[where], answers...)
}

func (s *script) next(where string) (HookAnswer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queued := s.answers[where]
	if len(queued) == 0 {
		return HookAnswer{}, false
	}
	s.answers[where] = queued[1:]
	return queued[0], true
}
