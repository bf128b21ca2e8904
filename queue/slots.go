package queue

import (
	"context"
	"time"
)

// slots bounds how many messages of a lane are in hand.
type slots struct{ free chan struct{} }

func newSlots(n int) *slots {
	s := &slots{free: make(chan struct{}, n)}
	s.release(n)
	return s
}

// gather is how long take waits for a quarter of the slots once it has one, so
// that a busy lane asks the server for batches instead of single messages.
const gather = 2 * time.Millisecond

// take waits for a free slot and takes all that are free. It returns 0 when
// ctx is done.
func (s *slots) take(ctx context.Context) int {
	select {
	case <-s.free:
	case <-ctx.Done():
		return 0
	}
	taken := 1
	var enough <-chan time.Time
	for {
		select {
		case <-s.free:
			taken++
			continue
		default:
		}
		if taken >= cap(s.free)/4 {
			return taken
		}
		if enough == nil {
			enough = time.After(gather)
		}
		select {
		case <-s.free:
			taken++
		case <-enough:
			return taken
		}
	}
}

func (s *slots) release(n int) {
	for range n {
		s.free <- struct{}{}
	}
}
