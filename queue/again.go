package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// ErrNoEvent says that an event is no longer kept.
var ErrNoEvent = errors.New("the event is no longer kept")

// Event reads an event where it was published. The error is ErrNoEvent if it is
// not there any more.
func (q *Queue) Event(ctx context.Context, sequence uint64) (PublishedEvent, error) {
	msg, err := q.message(ctx, EventStream, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return PublishedEvent{}, fmt.Errorf("%w: %d", ErrNoEvent, sequence)
	}
	if err != nil {
		return PublishedEvent{}, fmt.Errorf("read event %d: %w", sequence, err)
	}
	return PublishedEvent{
		Message: schema.Message{
			Subject: msg.Subject, Header: schema.Header(withoutPlace(msg.Header)), Body: msg.Data, Stored: msg.Time,
		},
		Sequence: sequence,
	}, nil
}

// Redeliver sends a delivery on its way once more, whatever became of it, under
// the same id and with a new retry window. replay counts from 1: the same replay
// asked for twice is made once within the duplicate window.
func (q *Queue) Redeliver(ctx context.Context, d schema.Delivery, replay int) error {
	d = again(d, replay)
	return wrap(q.storeAll(ctx, []keyed{
		{Msg: entry(d.Record(schema.RecordReplayed, d.Planned))},
		{encode(schema.DeliverySubject(d.Channel), d), firstAttemptKey(d)},
	}), "redeliver %s", d.ID())
}

// again is a delivery that begins anew, for the n-th time, under the same id.
func again(d schema.Delivery, n int) schema.Delivery {
	return schema.Delivery{
		Event: d.Event, User: d.User, Channel: d.Channel, Target: d.Target, Since: d.Since, Planned: time.Now(), Replays: n,
	}
}
