package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// QueuedDelivery is a delivery as it lies in a queue.
type QueuedDelivery struct {
	schema.Delivery

	// Stuck says that it was acknowledged and should be gone: a server that was
	// killed may forget to remove a message, and hands it out no more.
	Stuck bool

	stream, subject string
	sequence        uint64
}

// Waiting reads the deliveries that wait for an attempt, the first or a later
// one, as they lie in their queues. One that is moved from queue to queue
// meanwhile can be missed, or come twice.
func (q *Queue) Waiting(ctx context.Context) iter.Seq2[schema.Delivery, error] {
	return func(yield func(schema.Delivery, error) bool) {
		for d, err := range q.Queued(ctx) {
			if (err != nil || !d.Stuck) && !yield(d.Delivery, err) {
				return
			}
		}
	}
}

// Queued is Waiting with those that are stuck.
func (q *Queue) Queued(ctx context.Context) iter.Seq2[QueuedDelivery, error] {
	return func(yield func(QueuedDelivery, error) bool) {
		for _, from := range q.workQueues() {
			more := true
			settled, err := q.settled(ctx, from.stream)
			if err == nil {
				err = q.each(ctx, from, func(msg *jetstream.RawStreamMsg) bool {
					d, err := decode(msg.Header, msg.Data)
					if err != nil { // a suspected event, or what its lane will bury
						return true
					}
					more = yield(QueuedDelivery{
						Delivery: d, Stuck: msg.Sequence <= settled[msg.Subject],
						stream: from.stream, subject: msg.Subject, sequence: msg.Sequence,
					}, nil)
					return more
				})
			}
			if err != nil {
				yield(QueuedDelivery{}, fmt.Errorf("read what waits: %w", err))
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// workQueues are where deliveries wait: for a first attempt, and for a later one.
func (q *Queue) workQueues() []place {
	all := make([]place, 0, len(q.partitions)+1)
	for _, p := range q.partitions {
		all = append(all, place{stream: p.stream(), subject: p.prefix() + ">"})
	}
	return append(all, place{stream: RetryStream, subject: retrySubjects})
}

// settled says, for each subject of a work queue, up to which message its
// consumer has seen every one acknowledged.
func (q *Queue) settled(ctx context.Context, stream string) (map[string]uint64, error) {
	s, err := q.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	settled := map[string]uint64{}
	consumers := s.ListConsumers(ctx)
	for consumer := range consumers.Info() {
		settled[consumer.Config.FilterSubject] = consumer.AckFloor.Stream
	}
	return settled, wrap(consumers.Err(), "list the consumers of %s", stream)
}

// Unstick takes a delivery that is stuck out of its queue. If it is still needed
// it is stored there once more first, and handed out as it was to be.
func (q *Queue) Unstick(ctx context.Context, d QueuedDelivery, needed bool) error {
	if !d.Stuck {
		return fmt.Errorf("delivery %s is not stuck", d.ID())
	}
	if needed {
		if err := q.storeAll(ctx, []keyed{hopTo(d.Delivery, d.subject)}); err != nil {
			return fmt.Errorf("store delivery %s once more: %w", d.ID(), err)
		}
	}
	s, err := q.js.Stream(ctx, d.stream)
	if err == nil {
		err = s.DeleteMsg(ctx, d.sequence)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return wrap(err, "remove delivery %s from %s", d.ID(), d.stream)
}
