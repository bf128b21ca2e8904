package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// ErrNoEvent says that an event is no longer kept.
var ErrNoEvent = errors.New("the event is no longer kept")

// EventFilter chooses events of TOCSIN_EVENTS: those for which all that is set is
// true.
type EventFilter struct {
	Type    string    `json:"type,omitempty" query:"type" doc:"Of this event type."`
	Account string    `json:"account,omitempty" query:"account" doc:"Of this account."`
	Source  string    `json:"source,omitempty" query:"source" doc:"From this source."`
	ID      string    `json:"id,omitempty" query:"id" doc:"With this id, within its source."`
	Since   time.Time `json:"since,omitzero" query:"since" doc:"Stored since then."`
	Until   time.Time `json:"until,omitzero" query:"until" doc:"Stored before then."`

	Sequences []uint64 `json:"sequences,omitempty" doc:"These events alone, by their number in TOCSIN_EVENTS."`
}

// Check says what can match nothing.
func (f EventFilter) Check() error {
	if _, known := schema.TypeNamed(f.Type); f.Type != "" && !known {
		return fmt.Errorf("type: there is no event type %q", f.Type)
	}
	if f.Account != "" && !schema.ValidID(f.Account) {
		return fmt.Errorf("account: %q is no id", f.Account)
	}
	if len(f.Sequences) > mostSequences {
		return fmt.Errorf("sequences: at most %d events can be named one by one, and these are %d", mostSequences, len(f.Sequences))
	}
	return nil
}

// Matches reports whether an event, as it was read from e, is chosen.
func (f EventFilter) Matches(e PublishedEvent, read schema.Event) bool {
	return (f.Type == "" || f.Type == read.Type) &&
		(f.Account == "" || f.Account == read.Account) &&
		(f.Source == "" || f.Source == read.Source) &&
		(f.ID == "" || f.ID == read.ID) &&
		(f.Since.IsZero() || !e.Stored.Before(f.Since)) &&
		(f.Until.IsZero() || e.Stored.Before(f.Until)) &&
		(len(f.Sequences) == 0 || slices.Contains(f.Sequences, e.Sequence))
}

func (f EventFilter) subject() string {
	if f.Type == "" {
		return schema.EventSubjects
	}
	return schema.EventSubject(f.Type)
}

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
	return eventAt(msg), nil
}

// Events reads the events behind a sequence, oldest first, as many as there are
// when it begins. They are narrowed by what the server can tell alone: parse
// each, and ask f about it. Their Sequence is where they lie.
func (q *Queue) Events(ctx context.Context, f EventFilter, after uint64) iter.Seq2[PublishedEvent, error] {
	if len(f.Sequences) > 0 {
		return bySequence(f.Sequences, after, ErrNoEvent, func(sequence uint64) (PublishedEvent, error) { return q.Event(ctx, sequence) })
	}
	return func(yield func(PublishedEvent, error) bool) {
		from := place{stream: EventStream, subject: f.subject(), after: after, since: f.Since}
		err := q.each(ctx, from, func(msg *jetstream.RawStreamMsg) bool {
			if !f.Until.IsZero() && !msg.Time.Before(f.Until) {
				return false
			}
			return yield(eventAt(msg), nil)
		})
		if err != nil {
			yield(PublishedEvent{}, fmt.Errorf("read events on %s: %w", from.subject, err))
		}
	}
}

func eventAt(msg *jetstream.RawStreamMsg) PublishedEvent {
	return PublishedEvent{
		Message: schema.Message{
			Subject: msg.Subject, Header: schema.Header(withoutPlace(msg.Header)), Body: msg.Data, Stored: msg.Time,
		},
		Sequence: msg.Sequence,
	}
}
