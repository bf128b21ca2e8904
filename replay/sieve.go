package replay

import (
	"context"

	"tocsin/queue"
	"tocsin/schema"
)

// wishes say what is still wanted: a *prefs.Store.
type wishes interface {
	Suppressed(ctx context.Context, deliveries []schema.Delivery) ([]schema.Rule, error)
}

// sieve finds the letters that are not to be replayed.
type sieve struct {
	replays *Replays
	history *history
}

// skips says for each letter why it is not to be replayed; empty: it is. Letters
// come oldest first. An event that did not validate is routed anew, and everybody
// is asked then.
func (s *sieve) skips(ctx context.Context, letters []queue.DeadLetter) ([]string, error) {
	skips := make([]string, len(letters))
	var deliveries []schema.Delivery
	var at []int // of each delivery among the letters
	for i, l := range letters {
		if l.Delivery != nil {
			deliveries, at = append(deliveries, *l.Delivery), append(at, i)
		}
	}
	if len(deliveries) == 0 {
		return skips, nil
	}
	if s.history == nil {
		s.history = newHistory(s.replays.Letters, letters[at[0]].Died)
	}
	if err := s.history.learn(ctx, membersOf(deliveries)); err != nil {
		return nil, err
	}
	rules, err := s.replays.unwanted(ctx, deliveries)
	if err != nil {
		return nil, err
	}
	for i, d := range deliveries {
		skips[at[i]] = string(rules[i])
		if f, known := s.history.of(d); known && int(f.delivered) > d.Replays {
			skips[at[i]] = SkipDelivered
		}
	}
	return skips, nil
}

func membersOf(deliveries []schema.Delivery) []member {
	members := make([]member, len(deliveries))
	for i, d := range deliveries {
		members[i] = member{d.Event.Account, d.User}
	}
	return members
}

// unwanted says by which rules deliveries are not wanted; empty: they are.
func (r *Replays) unwanted(ctx context.Context, deliveries []schema.Delivery) ([]schema.Rule, error) {
	if r.Wishes == nil {
		return make([]schema.Rule, len(deliveries)), nil
	}
	return r.Wishes.Suppressed(ctx, deliveries)
}
