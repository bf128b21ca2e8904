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
// asked for twice is made once within the duplicate window. If the delivery died,
// died says when, and its dead letter is taken away: it lives again.
func (q *Queue) Redeliver(ctx context.Context, d schema.Delivery, replay int, died time.Time) error {
	if err := q.storeAll(ctx, again(d, replay)); err != nil {
		return fmt.Errorf("redeliver %s: %w", d.ID(), err)
	}
	if died.IsZero() {
		return nil
	}
	return q.exhume(ctx, d, replay, died)
}

// burial is by how much at most a dead letter is stored before or after the time
// that the ledger gives: both are stored together, and clocks differ.
const burial = time.Minute

// exhume removes the dead letter of a delivery that died at about that time,
// before the replay. One that is not found is no error: somebody else may have
// removed it.
func (q *Queue) exhume(ctx context.Context, d schema.Delivery, replay int, died time.Time) error {
	f := LetterFilter{Channel: d.Channel, Type: d.Event.Type, Since: died.Add(-burial)}
	var old []uint64
	for letter, err := range q.DeadLetters(ctx, f, 0) {
		if err != nil {
			return err
		}
		if letter.Died.After(died.Add(burial)) {
			break
		}
		// It may have died again by now.
		if was := letter.Delivery; was != nil && was.ID() == d.ID() && was.Replays < replay {
			old = append(old, letter.Sequence)
		}
	}
	return q.DiscardAll(ctx, old)
}

// again is a delivery that begins anew, for the n-th time, under the same id, as
// it is stored.
func again(d schema.Delivery, n int) []keyed {
	d = schema.Delivery{
		Event: d.Event, User: d.User, Channel: d.Channel, Target: d.Target, Since: d.Since, Planned: time.Now(), Replays: n,
	}
	return []keyed{
		{Msg: entry(d.Record(schema.RecordReplayed, d.Planned))},
		{encode(schema.DeliverySubject(d.Channel), d), firstAttemptKey(d)},
	}
}
