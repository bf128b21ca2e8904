package queue

import (
	"context"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// NewestParked reads the deliveries that wait for a later attempt, those parked
// last first. The data of their events are left out. One that is parked anew
// meanwhile can be missed.
func (q *Queue) NewestParked(ctx context.Context) iter.Seq2[schema.Delivery, error] {
	return func(yield func(schema.Delivery, error) bool) {
		from := place{stream: RetryStream, subject: retrySubjects}
		err := newest(ctx, q, from, 0, func(msg *jetstream.RawStreamMsg) (schema.Delivery, bool) {
			d, err := decode(msg.Header, msg.Data)
			d.Event.Data = nil
			return d, err == nil
		}, func(d schema.Delivery) bool { return yield(d, nil) })
		if err != nil {
			yield(schema.Delivery{}, fmt.Errorf("read what is parked: %w", err))
		}
	}
}
