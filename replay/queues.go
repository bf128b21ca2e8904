package replay

import (
	"context"
	"hash/maphash"
	"iter"
	"time"

	"tocsin/schema"
)

// queues are the deliveries that waited for an attempt when they were looked
// for.
type queues struct {
	begun time.Time
	seed  maphash.Seed
	ids   map[uint64]bool // hashes, for there can be a million: see history
}

// waiting reads what lies in the queues: a *queue.Queue.
type waiting interface {
	Waiting(ctx context.Context) iter.Seq2[schema.Delivery, error]
}

// lookInto reads them twice: a delivery that is moved from queue to queue can be
// missed once, hardly again.
func lookInto(ctx context.Context, from waiting) (*queues, error) {
	q := &queues{begun: time.Now(), seed: maphash.MakeSeed(), ids: map[uint64]bool{}}
	for range 2 {
		for d, err := range from.Waiting(ctx) {
			if err != nil {
				return nil, err
			}
			q.ids[maphash.String(q.seed, d.ID())] = true
		}
	}
	return q, nil
}

// has reports whether a delivery waits, as far as can be told: one that was sent
// lately may have come after the look.
func (q *queues) has(d schema.Delivery, f fate) bool {
	return q.ids[maphash.String(q.seed, d.ID())] || f.sent > q.begun.Add(-skew).UnixNano()
}
