package worker

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// mostPlanned is for how many members a worker has events planned at a time that
// are not stored yet. Each takes some 10 KB until it is: many events are routed at
// a time, and each may be for up to 500.
const mostPlanned = 4096

// room bounds what is planned at a time.
type room struct {
	once sync.Once
	free *semaphore.Weighted
}

// enter waits until there is room for so many members, or until ctx is done. Who
// was let in has to leave.
func (r *room) enter(ctx context.Context, members int) (leave func(), err error) {
	r.once.Do(func() { r.free = semaphore.NewWeighted(mostPlanned) })
	n := int64(min(members, mostPlanned))
	if err := r.free.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { r.free.Release(n) }, nil
}
