package sink

import (
	"hash/maphash"
	"sync"
	"time"
)

// Behaviour is how the endpoints of a class answer. The zero value answers 200
// at once.
type Behaviour struct {
	Status     int           `json:"status,omitempty"`      // 0: 200
	Delay      time.Duration `json:"delay,omitempty"`       // nanoseconds before the answer
	Hang       bool          `json:"hang,omitempty"`        // no answer until the client gives up
	RetryAfter int           `json:"retry_after,omitempty"` // seconds, in the header of that name; 0: none
}

// Counts is what a class has seen since the last reset.
type Counts struct {
	Requests  int       `json:"requests"`
	Delivered int       `json:"delivered"` // distinct deliveries that were answered 2xx
	Repeated  int       `json:"repeated"`  // requests with a delivery that had been answered 2xx before
	Most      int       `json:"most"`      // requests that were open at the same time, at most
	First     time.Time `json:"first"`     // when the first of Delivered arrived
	Last      time.Time `json:"last"`      // when the last of Delivered arrived
}

// class counts what came to endpoints that behave alike.
type class struct {
	mu        sync.Mutex
	behaviour Behaviour
	counts    Counts
	open      int
	seen      map[uint64]struct{} // hashes of the ids in counts.Delivered
	latencies []time.Duration     // of those that say when they were sent
}

var seed = maphash.MakeSeed()

// enter counts a request that has begun, and says how to answer it.
func (c *class) enter() Behaviour {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Requests++
	c.open++
	c.counts.Most = max(c.counts.Most, c.open)
	return c.behaviour
}

// leave counts a request that is answered or given up.
func (c *class) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
}

// accept notes that a delivery has arrived and is answered 2xx. sent is when
// its event was published, or zero.
func (c *class) accept(delivery string, arrived, sent time.Time) {
	id := maphash.String(seed, delivery)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, repeated := c.seen[id]; repeated {
		c.counts.Repeated++
		return
	}
	c.seen[id] = struct{}{}
	c.counts.Delivered++
	if c.counts.First.IsZero() || arrived.Before(c.counts.First) {
		c.counts.First = arrived
	}
	if arrived.After(c.counts.Last) {
		c.counts.Last = arrived
	}
	if !sent.IsZero() {
		c.latencies = append(c.latencies, arrived.Sub(sent))
	}
}

func (c *class) behave(b Behaviour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behaviour = b
}

func (c *class) read() (Counts, []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts, c.latencies[:len(c.latencies):len(c.latencies)]
}

// reset forgets everything but the behaviour and what is open.
func (c *class) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts, c.seen, c.latencies = Counts{}, map[uint64]struct{}{}, nil
}
