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

// state returns the limit and when the key's window ends.
func (q *quota) state(key string) (limit int, ends time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w := q.windows[key]; w != nil {
		ends = w.ends
	}
	return q.limit, ends
}
