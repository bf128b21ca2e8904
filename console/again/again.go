// Package again sends a delivery on its way once more, as its user or an operator
// asks for it on a page.
package again

import (
	"context"
	"errors"
	"strconv"
	"time"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

// Refusal says to people why what they ask for is not done.
type Refusal string

func (r Refusal) Error() string { return string(r) }

const gone = Refusal("The event is not kept any more, so it cannot be sent again.")

// events are where deliveries are made from: a *queue.Queue.
type events interface {
	Event(ctx context.Context, sequence uint64) (queue.PublishedEvent, error)
	Redeliver(ctx context.Context, d schema.Delivery, replay int, died time.Time) error
}

// Sender sends again.
type Sender struct {
	Queue     events
	Validator *schema.Validator
}

// Send sends one delivery of a story. The form carries the number of the replay,
// as the page showed it: a second click asks for the same one, which the ledger or
// the queue knows. The dead letter of a delivery that died goes with it. What is
// not done for a reason that concerns whoever asks is a Refusal.
func (s Sender) Send(ctx context.Context, story ledger.Story, d ledger.Delivery, replay string) error {
	number, err := strconv.Atoi(replay)
	switch {
	case err != nil || number < 1 || number > d.Replays()+1:
		return Refusal("The page is too old. Please reload it.")
	case number <= d.Replays():
		return Refusal("It was sent again already.")
	case d.State == ledger.Waiting:
		return Refusal("It is on its way already.")
	}
	event, err := s.event(ctx, story)
	if err != nil {
		return err
	}
	wanted := schema.Delivery{Event: event, User: story.User, Channel: d.Channel, Target: d.Target}
	return s.Queue.Redeliver(ctx, wanted, number, diedAt(d))
}

// diedAt is zero for a delivery that is not dead.
func diedAt(d ledger.Delivery) time.Time {
	if d.State != ledger.Dead {
		return time.Time{}
	}
	return d.Last().At
}

// event reads the story's event where it was published.
func (s Sender) event(ctx context.Context, story ledger.Story) (schema.Event, error) {
	if story.Sequence == 0 {
		return schema.Event{}, gone
	}
	published, err := s.Queue.Event(ctx, story.Sequence)
	if errors.Is(err, queue.ErrNoEvent) {
		return schema.Event{}, gone
	}
	if err != nil {
		return schema.Event{}, err
	}
	event, err := s.Validator.Parse(published.Message)
	if err != nil || event.Source != story.Source || event.ID != story.Event {
		return schema.Event{}, gone
	}
	return event, nil
}
