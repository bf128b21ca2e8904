package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// PublishEvent stores an event as the platform would, in binary mode, and
// returns its sequence in TOCSIN_EVENTS. The second of two events with the
// same source and id is not stored within the duplicate window.
func (q *Queue) PublishEvent(ctx context.Context, e schema.Event) (sequence uint64, duplicate bool, err error) {
	msg := &nats.Msg{Subject: schema.EventSubject(e.Type), Header: nats.Header(e.Header()), Data: e.Data}
	ack, err := q.js.PublishMsg(ctx, msg, jetstream.WithMsgID(e.Source+" "+e.ID))
	if err != nil {
		return 0, false, fmt.Errorf("publish event to %s: %w", msg.Subject, err)
	}
	return ack.Sequence, ack.Duplicate, nil
}

// PublishDeliveries stores deliveries for their first attempt and returns when
// all of them are stored. It may be called again after an error: those already
// stored are not stored twice within the duplicate window.
func (q *Queue) PublishDeliveries(ctx context.Context, deliveries []schema.Delivery) error {
	pending := make([]jetstream.PubAckFuture, 0, len(deliveries))
	for _, d := range deliveries {
		msg := encode(schema.DeliverySubject(d.Channel), d)
		if most := q.conn.MaxPayload() - growth; int64(msg.Size()) > most {
			return fmt.Errorf("delivery has %d bytes with its headers, and at most %d can be carried", msg.Size(), most)
		}
		future, err := q.js.PublishMsgAsync(msg,
			jetstream.WithMsgID(firstAttemptKey(d)), jetstream.WithStallWait(publishTimeout))
		if err != nil {
			return fmt.Errorf("publish delivery to %s: %w", msg.Subject, err)
		}
		pending = append(pending, future)
	}
	for _, future := range pending {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return fmt.Errorf("publish delivery to %s: %w", future.Msg().Subject, q.mend(ctx, err))
		case <-ctx.Done():
			return fmt.Errorf("publish deliveries: %w", context.Cause(ctx))
		}
	}
	return nil
}

// growth is what retries and a death may add to the headers of a delivery: three
// texts of maxReason bytes, and a few times and numbers. One that fits when it
// is planned can be parked and buried whatever becomes of it.
const growth = 4 << 10

// firstAttemptKey is the idempotency key of a delivery's way into its queue. A
// replay gets in although the first pass is still remembered.
func firstAttemptKey(d schema.Delivery) string {
	if d.Replays == 0 {
		return d.ID()
	}
	return d.ID() + ":replay" + strconv.Itoa(d.Replays)
}

func (q *Queue) parkDelivery(ctx context.Context, d schema.Delivery, r rung) error {
	return q.hop(ctx, d, retrySubject(r, d.Channel))
}

func (q *Queue) isolateDelivery(ctx context.Context, d schema.Delivery) error {
	return q.hop(ctx, d, aloneSubject(d.Channel))
}

func (q *Queue) hop(ctx context.Context, d schema.Delivery, subject string) error {
	d.Hops++
	key := fmt.Sprintf("%s:%d:%d:%d", d.ID(), d.Replays, d.Attempts, d.Hops)
	return q.store(ctx, encode(subject, d), key)
}

func (q *Queue) store(ctx context.Context, msg *nats.Msg, key string) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	_, err := q.js.PublishMsg(ctx, msg, jetstream.WithMsgID(key))
	return wrap(q.mend(ctx, err), "store on %s", msg.Subject)
}

// mend makes the streams anew if err says that nobody keeps a subject: somebody
// deleted its stream. What could not be stored can be then.
func (q *Queue) mend(ctx context.Context, err error) error {
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
		return errors.Join(err, q.Setup(ctx, 0))
	}
	return err
}
