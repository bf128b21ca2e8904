package prefs

import (
	"cmp"
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"tocsin/schema"
)

// Suppressed reads, in one round trip, which of these deliveries are not wanted
// any more, and by which rule; the rule is empty where a delivery still is. It
// opens no credentials and needs no key.
func (s *Store) Suppressed(ctx context.Context, deliveries []schema.Delivery) ([]schema.Rule, error) {
	replies := make([]resolveReply, len(deliveries))
	err := s.askMany(ctx, 5*len(deliveries), func(p redis.Pipeliner) {
		for i, d := range deliveries {
			replies[i] = askAbout(ctx, p, d)
		}
	})
	rules := make([]schema.Rule, len(deliveries))
	for i, d := range deliveries {
		if err = cmp.Or(err, replies[i].err()); err != nil {
			return nil, fmt.Errorf("read what is still wanted: %w", err)
		}
		if _, rules[i], err = replies[i].verdict(Cell{d.Event.Type, d.Channel}); err != nil {
			return nil, fmt.Errorf("read what is still wanted: %w", err)
		}
	}
	return rules, nil
}
