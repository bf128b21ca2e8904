package queue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/schema"
)

// Redeliver sends a delivery on its way once more, whatever became of it, under
// the same id and with a new retry window. replay counts from 1: the same replay
// asked for twice is made once within the duplicate window. If the delivery died,
// died says when, and its dead letter is taken away: it lives again.
func (q *Queue) Redeliver(ctx context.Context, d schema.Delivery, replay int, died time.Time) error {
	if err := q.storeAll(ctx, q.again(d, replay)); err != nil {
		return fmt.Errorf("redeliver %s: %w", d.ID(), err)
	}
	if died.IsZero() {
		return nil
	}
	d.Replays = replay
	return q.Exhume(ctx, []schema.Delivery{d}, died)
}

// burial is by how much at most a dead letter is stored before or after the time
// that the ledger gives: both are stored together, and clocks differ.
const burial = time.Minute

// Exhume removes the dead letters of deliveries that live again, and died at
// about these times, before the replay that they are in now. One that is not
// found is no error: somebody else may have removed it.
func (q *Queue) Exhume(ctx context.Context, lives []schema.Delivery, died ...time.Time) error {
	type yard struct{ channel, typeName string }
	yards := map[yard]map[string]int{} // the replay of each, by delivery id
	for _, d := range lives {
		at := yard{d.Channel, d.Event.Type}
		if yards[at] == nil {
			yards[at] = map[string]int{}
		}
		yards[at][d.ID()] = d.Replays
	}
	var old []uint64
	for at, replays := range yards {
		f := LetterFilter{
			Channel: at.channel, Type: at.typeName,
			Since: slices.MinFunc(died, time.Time.Compare).Add(-burial), Until: slices.MaxFunc(died, time.Time.Compare).Add(burial),
		}
		for letter, err := range q.DeadLetters(ctx, f, 0) {
			if err != nil {
				return err
			}
			if !letter.Died.Before(f.Until) {
				break
			}
			if was := letter.Delivery; was != nil && was.Replays < replays[was.ID()] { // it may have died again by now
				old = append(old, letter.Sequence)
			}
		}
	}
	return q.DiscardAll(ctx, old)
}

// RouteAgain stores what an event means now: deliveries that there never were as
// the router stores them, and those with Replays as ones that begin anew. It may
// be called again with the same plans.
func (q *Queue) RouteAgain(ctx context.Context, plans []schema.Plan) error {
	var anew []keyed
	var first []schema.Plan
	for _, p := range plans {
		fresh := p
		fresh.Deliveries = nil
		for _, d := range p.Deliveries {
			if d.Replays == 0 {
				fresh.Deliveries = append(fresh.Deliveries, d)
			} else {
				anew = append(anew, q.again(d, d.Replays)...)
			}
		}
		if len(fresh.Deliveries) > 0 {
			first = append(first, fresh)
		}
	}
	if err := q.PublishPlans(ctx, first); err != nil {
		return err
	}
	return wrap(q.storeAll(ctx, anew), "send %d deliveries again", len(anew)/2)
}

// again is a delivery that begins anew, for the n-th time, under the same id, as
// it is stored.
func (q *Queue) again(d schema.Delivery, n int) []keyed {
	d = schema.Delivery{
		Event: d.Event, User: d.User, Channel: d.Channel, Target: d.Target, Since: d.Since, Planned: time.Now(),
		Replays: n, Crowd: d.Crowd,
	}
	return []keyed{
		{Msg: entry(d.Record(schema.RecordReplayed, d.Planned))},
		{encode(q.firstSubject(d), d), firstAttemptKey(d)},
	}
}
