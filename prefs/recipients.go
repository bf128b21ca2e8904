package prefs

import (
	"context"
	"fmt"
	"iter"

	"github.com/redis/go-redis/v9"
)

// Recipients reads an account's members with what Plan needs of each, in
// chunks of at most 500: one round trip finds the members, one more reads
// their records, and no more than a chunk is held at a time. With onlyUser set
// it yields that member alone, or nobody. What the caller does between chunks
// holds up nothing in Redis.
//
// A record that makes no sense is told in Recipient.Unreadable and is no
// error. An error ends the sequence: the event has then to be routed again
// from the start, and delivery ids make that harmless.
func (s *Store) Recipients(ctx context.Context, account, onlyUser string) iter.Seq2[[]Recipient, error] {
	return func(yield func([]Recipient, error) bool) {
		for users, err := range s.memberPages(ctx, account, onlyUser) {
			var chunk []Recipient
			if err == nil {
				chunk, err = s.readRecipients(ctx, users)
			}
			if err != nil {
				yield(nil, fmt.Errorf("read the recipients of account %s: %w", account, err))
				return
			}
			if !yield(chunk, nil) {
				return
			}
		}
	}
}

func (s *Store) memberPages(ctx context.Context, account, onlyUser string) iter.Seq2[[]string, error] {
	if onlyUser == "" {
		return s.scanSet(ctx, membersKey(account))
	}
	return func(yield func([]string, error) bool) {
		member, err := ask(ctx, s.shared, func(p redis.Pipeliner) *redis.BoolCmd { return p.SIsMember(ctx, membersKey(account), onlyUser) })
		if err != nil || member.Val() {
			yield([]string{onlyUser}, err)
		}
	}
}

func (s *Store) readRecipients(ctx context.Context, users []string) ([]Recipient, error) {
	replies := make([]*redis.MapStringStringCmd, len(users))
	ask := func(p redis.Pipeliner) {
		for i, user := range users {
			replies[i] = p.HGetAll(ctx, prefsKey(user))
		}
	}
	if err := s.askMany(ctx, len(users), ask); err != nil {
		return nil, err
	}
	recipients := make([]Recipient, len(users))
	for i, reply := range replies {
		fields, err := reply.Result()
		switch {
		case redis.HasErrorPrefix(err, "WRONGTYPE"): // somebody else's key in this place
			recipients[i] = Recipient{User: users[i], Unreadable: []string{prefsKey(users[i])}}
		case err != nil:
			return nil, err
		default:
			r := readRecord(fields)
			recipients[i] = Recipient{User: users[i], Choices: r.choices, Targets: r.targetsOn(), Off: r.targetsOff(), Unreadable: r.unreadable}
		}
	}
	return recipients, nil
}
