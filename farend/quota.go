package farend

import (
	"sync"
	"time"
)

// quota allows each key a number of takes in a window of time that begins
// with its first. The zero value allows any number.
type quota struct {
	mu      sync.Mutex
	limit   int
	per     time.Duration
	windows map[string]*window
}

type window struct {
	ends  time.Time
	taken int
}

func (q *quota) set(limit int, per time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit, q.per, q.windows = limit, per, map[string]*window{}
}

// take reports whether the key may have one more.
func (q *quota) take(key string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit == 0 {
		return true
	}
	now := time.Now()
	w := q.windows[key]
	if w == nil || !now.Before(w.ends) {
		w = &window{ends: now.Add(q.per)}
		q.windows[key] = w
	}
	w.taken++
	return w.taken <= q.limit
}

// allowance is what a key may still take.
type allowance struct {
	limit, remaining int
	reset            time.Time // when it may take limit again
}

func (q *quota) left(key string) allowance {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := allowance{limit: q.limit, remaining: q.limit, reset: time.Now()}
	if w := q.windows[key]; w != nil && time.Now().Before(w.ends) {
		a.remaining, a.reset = max(q.limit-w.taken, 0), w.ends
	}
	return a
}
