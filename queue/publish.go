package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// PublishEvent stores an event as the platform would, in binary mode, and
// returns its sequence in TOCSIN_EVENTS. The second of two events with the
// same source and id is not stored within the duplicate window. It asks nothing
// else of NATS, so that a producer needs no other permission, unless there are
// no streams yet.
func (q *Queue) PublishEvent(ctx context.Context, e schema.Event) (sequence uint64, duplicate bool, err error) {
	msg := &nats.Msg{Subject: schema.EventSubject(e.Type), Header: nats.Header(e.Header()), Data: e.Data}
	ack, err := q.js.PublishMsg(ctx, msg, jetstream.WithMsgID(e.Source+" "+e.ID))
	if nobodyKeeps(err) {
		if err = q.Setup(ctx, 0); err == nil {
			ack, err = q.js.PublishMsg(ctx, msg, jetstream.WithMsgID(e.Source+" "+e.ID))
		}
	}
	if err != nil {
		return 0, false, fmt.Errorf("publish event to %s: %w", msg.Subject, err)
	}
	return ack.Sequence, ack.Duplicate, nil
}

// PublishPlans stores what an event means for members of its account: for each
// a record in the ledger, and its deliveries for their first attempt. It returns
// when all of it is stored. It may be called again after an error: deliveries
// already stored are not stored twice within the duplicate window.
func (q *Queue) PublishPlans(ctx context.Context, plans []schema.Plan) error {
	var messages []keyed
	for _, p := range plans {
		messages = append(messages, keyed{Msg: entry(p.Record())})
		for _, d := range p.Deliveries {
			msg := encode(q.firstSubject(d), d)
			if most := q.conn.MaxPayload() - growth; int64(msg.Size()) > most {
				return fmt.Errorf("delivery has %d bytes with its headers, and at most %d can be carried", msg.Size(), most)
			}
			messages = append(messages, keyed{msg, firstAttemptKey(d)})
		}
	}
	return q.storeAll(ctx, messages)
}

// PublishPlansBehind is PublishPlans for what can wait: a few at a time, as the
// events and first attempts of others leave room. To store five plans counts as
// much as one delivery, which is what it costs; and so an event for 50,000 is
// stored within the duplicate window at the least pace there is.
func (q *Queue) PublishPlansBehind(ctx context.Context, plans []schema.Plan) error {
	const each = 5
	for few := range slices.Chunk(plans, 5*each) {
		q.background.giveWay(ctx, max(len(few)/each, 1))
		if err := q.PublishPlans(ctx, few); err != nil {
			return err
		}
	}
	return nil
}

// firstSubject is where a delivery waits for its first attempt.
func (q *Queue) firstSubject(d schema.Delivery) string {
	p := q.partitionOf(d.Event.Account)
	if d.Crowd {
		return p.crowd(d.Channel)
	}
	return p.first(d.Channel)
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

// hopTo is a delivery on its way to another subject. Each of its hops has a key of
// its own.
func hopTo(d schema.Delivery, subject string) keyed {
	d.Hops++
	key := fmt.Sprintf("%s:%d:%d:%d", d.ID(), d.Replays, d.Attempts, d.Hops)
	msg := encode(subject, d)
	msg.Header[headerParked] = []string{time.Now().UTC().Format(time.RFC3339Nano)}
	return keyed{msg, key}
}

// keyed is a message and its idempotency key, if it has one.
type keyed struct {
	*nats.Msg
	key string
}

// storeAll stores messages beside each other and returns when all of them are
// stored, or the first could not be. The publisher's own timeout bounds the wait.
func (q *Queue) storeAll(ctx context.Context, messages []keyed) error {
	pending := make([]jetstream.PubAckFuture, len(messages))
	options := []jetstream.PublishOpt{jetstream.WithStallWait(publishTimeout)}
	for i, m := range messages {
		with := options
		if m.key != "" {
			with = append(with, jetstream.WithMsgID(m.key))
		}
		future, err := q.js.PublishMsgAsync(m.Msg, with...)
		if err != nil {
			return fmt.Errorf("store on %s: %w", m.Subject, err)
		}
		pending[i] = future
	}
	for _, future := range pending {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return fmt.Errorf("store on %s: %w", future.Msg().Subject, q.mend(ctx, err))
		case <-ctx.Done():
			return fmt.Errorf("store on %s: %w", future.Msg().Subject, context.Cause(ctx))
		}
	}
	return nil
}

// mend makes the streams anew if err says that nobody keeps a subject: somebody
// deleted its stream. What could not be stored can be then.
func (q *Queue) mend(ctx context.Context, err error) error {
	if nobodyKeeps(err) {
		return errors.Join(err, q.Setup(ctx, 0))
	}
	return err
}

func nobodyKeeps(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders)
}
