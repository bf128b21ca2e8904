package pages

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tocsin/console/targets"
	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

// mostAgain is how many deliveries a user can send again in a minute: more than
// a person clicks, and fewer than what would be a load.
const mostAgain = 30

// redeliver sends one delivery on its way again. The form carries the number of
// the replay, as the page showed it: a second click asks for the same one, which
// the ledger or the queue knows.
func (p *Pages) redeliver(w http.ResponseWriter, r *http.Request, v visit) {
	if !p.readForm(w, r) {
		return
	}
	err := p.Channels.Allow(r.Context(), "too many deliveries sent again", "again/"+v.user, mostAgain, time.Minute)
	if often, ok := errors.AsType[*targets.TooOften](err); ok {
		p.tooOften(w, r, often)
		return
	}
	var wanted found
	if err == nil {
		wanted, err = p.find(r.Context(), v.user, r.PostForm.Get("delivery"))
	}
	if err == nil {
		err = p.sendAgain(r.Context(), v.user, wanted, r.PostForm.Get("replay"))
	}
	if no, refused := errors.AsType[refusal](err); refused {
		p.answerDeliveries(w, r, v, http.StatusConflict, status{Text: string(no), Bad: true})
		return
	}
	if err != nil {
		p.unavailable(w, r, err)
		return
	}
	p.answerDeliveries(w, r, v, http.StatusOK, status{Text: "It is on its way again."})
}

// refusal says to the user why what they ask for is not done.
type refusal string

func (r refusal) Error() string { return string(r) }

// found is a delivery in its story.
type found struct {
	story    ledger.Story
	delivery ledger.Delivery
}

// find looks in the user's own stories alone, so that nobody sends again what
// was somebody else's.
func (p *Pages) find(ctx context.Context, user, id string) (found, error) {
	stories, err := p.stories(ctx, user, time.Now().Add(-2*window), time.Time{})
	if err != nil {
		return found{}, err
	}
	for _, s := range stories {
		place := slices.IndexFunc(s.Deliveries, func(d ledger.Delivery) bool { return d.ID == id })
		if place >= 0 {
			return found{s, s.Deliveries[place]}, nil
		}
	}
	return found{}, refusal("There is no such delivery any more.")
}

func (p *Pages) sendAgain(ctx context.Context, user string, f found, replay string) error {
	number, err := strconv.Atoi(replay)
	switch {
	case err != nil || number < 1 || number > f.delivery.Replays()+1:
		return refusal("The page is too old. Please reload it.")
	case number <= f.delivery.Replays():
		return refusal("It was sent again already.")
	case f.delivery.State == ledger.Waiting:
		return refusal("It is on its way already.")
	}
	event, err := p.event(ctx, f.story)
	if err != nil {
		return err
	}
	d := schema.Delivery{Event: event, User: user, Channel: f.delivery.Channel, Target: f.delivery.Target}
	return p.Queue.Redeliver(ctx, d, number, diedAt(f.delivery))
}

// diedAt is zero for a delivery that is not dead.
func diedAt(d ledger.Delivery) time.Time {
	if d.State != ledger.Dead {
		return time.Time{}
	}
	return d.Last().At
}

// event reads the story's event where it was published.
func (p *Pages) event(ctx context.Context, s ledger.Story) (schema.Event, error) {
	gone := refusal("The event is not kept any more, so it cannot be sent again.")
	if s.Sequence == 0 {
		return schema.Event{}, gone
	}
	published, err := p.Queue.Event(ctx, s.Sequence)
	if errors.Is(err, queue.ErrNoEvent) {
		return schema.Event{}, gone
	}
	if err != nil {
		return schema.Event{}, err
	}
	event, err := p.validator.Parse(published.Message)
	if err != nil || event.Source != s.Source || event.ID != s.Event {
		return schema.Event{}, gone
	}
	return event, nil
}
