package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// DeadLetter is an event or a delivery that could not be handled.
type DeadLetter struct {
	Sequence uint64    // in TOCSIN_DEAD; names the letter
	Died     time.Time // when it was buried
	Subject  string    // where it lies
	Cause    Cause
	Reason   string

	// Delivery is what could not be delivered; nil for an event that did not
	// validate.
	Delivery *schema.Delivery

	Header schema.Header // as stored, ours among them
	Body   []byte        // the original bytes
}

// ErrNoLetter says that a dead letter is no longer, or never was, there.
var ErrNoLetter = errors.New("no such dead letter")

// DeadLetters reads the dead letters on a subject, oldest first, as many as
// there are when it begins. subject may hold wildcards.
func (q *Queue) DeadLetters(ctx context.Context, subject string) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		if err := q.eachDead(ctx, subject, yield); err != nil {
			yield(DeadLetter{}, fmt.Errorf("read dead letters on %s: %w", subject, err))
		}
	}
}

func (q *Queue) eachDead(ctx context.Context, subject string, yield func(DeadLetter, error) bool) error {
	consumer, err := q.js.OrderedConsumer(ctx, DeadStream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject},
	})
	if err != nil {
		return err
	}
	left := consumer.CachedInfo().NumPending
	if left == 0 {
		return nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for left > 0 {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		left = meta.NumPending
		letter := readLetter(meta.Sequence.Stream, meta.Timestamp, msg.Subject(), msg.Headers(), msg.Data())
		if !yield(letter, nil) {
			return nil
		}
	}
	return nil
}

// DeadLetter reads one dead letter. The error is ErrNoLetter if it is not there.
func (q *Queue) DeadLetter(ctx context.Context, sequence uint64) (DeadLetter, error) {
	stream, err := q.js.Stream(ctx, DeadStream)
	if err != nil {
		return DeadLetter{}, fmt.Errorf("look up stream %s: %w", DeadStream, err)
	}
	msg, err := stream.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return DeadLetter{}, fmt.Errorf("%w: %d", ErrNoLetter, sequence)
	}
	if err != nil {
		return DeadLetter{}, fmt.Errorf("read dead letter %d: %w", sequence, err)
	}
	return readLetter(msg.Sequence, msg.Time, msg.Subject, msg.Header, msg.Data), nil
}

func readLetter(sequence uint64, stored time.Time, subject string, header nats.Header, body []byte) DeadLetter {
	letter := DeadLetter{
		Sequence: sequence, Died: stored, Subject: subject,
		Cause: Cause(header.Get(headerCause)), Reason: header.Get(headerDeadReason),
		Header: schema.Header(header), Body: body,
	}
	if header.Get(headerDelivery) != "" {
		if d, err := decode(header, body); err == nil {
			letter.Delivery = &d
		}
	}
	return letter
}

// Replay sends a dead letter on its way again: a delivery to its channel, with
// a new retry window and the same delivery id; an event to where it was
// published. The letter is removed once that is stored, so a crash between the
// two replays nothing twice within the duplicate window.
func (q *Queue) Replay(ctx context.Context, sequence uint64) error {
	letter, err := q.DeadLetter(ctx, sequence)
	if err != nil {
		return err
	}
	if err := q.store(ctx, revive(letter), fmt.Sprintf("replay:%d", sequence)); err != nil {
		return fmt.Errorf("replay dead letter %d: %w", sequence, err)
	}
	return q.Discard(ctx, sequence)
}

func revive(letter DeadLetter) *nats.Msg {
	if letter.Delivery == nil {
		return reviveEvent(letter)
	}
	d := *letter.Delivery
	d.Replays++
	d.Planned = time.Now()
	d.Attempts, d.Hops, d.Strikes = 0, 0, 0
	d.Due, d.Last = time.Time{}, schema.Attempt{}
	return encode(schema.DeliverySubject(d.Channel), d)
}

// reviveEvent strips what burying has added, but for its sequence: by that the
// event still holds the claim that it died with, and is no duplicate of itself.
func reviveEvent(letter DeadLetter) *nats.Msg {
	header := nats.Header{}
	for name, values := range letter.Header {
		switch name {
		case headerCause, headerDeadReason, headerDeadAt, headerSubject, headerStored, headerDropped:
		default:
			if !forServer(name) {
				header[name] = values
			}
		}
	}
	return &nats.Msg{Subject: nats.Header(letter.Header).Get(headerSubject), Header: header, Data: letter.Body}
}

// Discard removes a dead letter for good.
func (q *Queue) Discard(ctx context.Context, sequence uint64) error {
	stream, err := q.js.Stream(ctx, DeadStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", DeadStream, err)
	}
	if err := stream.DeleteMsg(ctx, sequence); err != nil {
		if _, gone := q.DeadLetter(ctx, sequence); errors.Is(gone, ErrNoLetter) {
			return gone
		}
		return fmt.Errorf("remove dead letter %d: %w", sequence, err)
	}
	return nil
}
