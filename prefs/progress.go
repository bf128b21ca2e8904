package prefs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"tocsin/schema"
)

// progressAge is how long Redis keeps how far a fan-out has come that nobody goes
// on with. A NATS that is away for so long is waited for.
const progressAge = time.Hour

// NoteStored notes for which members all is stored that a claimed event means. A
// fan-out to many can be begun anew by another worker when NATS has forgotten the
// ids of what arrived meanwhile: a cluster does, once each server was restarted.
func (s *Store) NoteStored(ctx context.Context, e schema.Event, seq uint64, users []string) error {
	args := []any{progressAge.Milliseconds()}
	for _, user := range users {
		args = append(args, user)
	}
	_, err := s.shared.run(ctx, noteStored, progressKey(e, seq), args...)
	if err != nil {
		return fmt.Errorf("note how far the event of message %d is routed: %w", seq, err)
	}
	return nil
}

// Stored tells whom NoteStored has noted of an event.
func (s *Store) Stored(ctx context.Context, e schema.Event, seq uint64) ([]string, error) {
	reply, err := ask(ctx, s.shared, func(p redis.Pipeliner) *redis.StringSliceCmd { return p.LRange(ctx, progressKey(e, seq), 0, -1) })
	if err != nil {
		return nil, fmt.Errorf("read how far the event of message %d is routed: %w", seq, err)
	}
	return reply.Val(), nil
}

// ForgetStored takes away what NoteStored has noted of an event that is routed
// to the end.
func (s *Store) ForgetStored(ctx context.Context, e schema.Event, seq uint64) error {
	_, err := ask(ctx, s.shared, func(p redis.Pipeliner) *redis.BoolCmd { return p.PExpire(ctx, progressKey(e, seq), 0) })
	if err != nil {
		return fmt.Errorf("forget how far the event of message %d was routed: %w", seq, err)
	}
	return nil
}

func progressKey(e schema.Event, seq uint64) string {
	return eventKey(e) + ":stored:" + strconv.FormatUint(seq, 10)
}
