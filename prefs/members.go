package prefs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/redis/go-redis/v9"
)

const (
	// scanCount is how many members one SSCAN asks for.
	scanCount = 500
	// maxRemembered bounds the memory by which a scan tells members that SSCAN
	// repeats: 100,000 ids of 64 bytes are under 10 MB. In a larger set a few
	// may come twice, which the delivery id makes harmless.
	maxRemembered = 100_000
)

// AddMember makes a user a member of an account: one who is told of its
// events. The user must exist. Adding a member again changes nothing.
func (s *Store) AddMember(ctx context.Context, account, user string) error {
	if err := errors.Join(checkID("account", account), checkID("user", user)); err != nil {
		return err
	}
	doing := "add user " + user + " to account " + account
	if err := s.client.SAdd(ctx, membersKey(account), user).Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	// The user's record comes second and decides, see DeleteUser: a user who is
	// deleted at this moment either is found by it there, or refused here.
	err := s.run(ctx, joinAccount, []string{profileKey(user), accountsKey(user)}, doing, account)
	if errors.Is(err, ErrNoUser) {
		err = errors.Join(err, s.client.SRem(ctx, membersKey(account), user).Err())
	}
	return err
}

// RemoveMember ends a user's membership. Deliveries that wait for their next
// attempt are no longer made. Removing one who is no member is no error.
func (s *Store) RemoveMember(ctx context.Context, account, user string) error {
	err := s.client.SRem(ctx, accountsKey(user), account).Err()
	if err == nil {
		err = s.client.SRem(ctx, membersKey(account), user).Err()
	}
	if err != nil {
		return fmt.Errorf("remove user %s from account %s: %w", user, account, err)
	}
	return nil
}

// Accounts lists the accounts that a user is a member of, in order. A user who
// does not exist is a member of none.
func (s *Store) Accounts(ctx context.Context, user string) ([]string, error) {
	accounts, err := s.client.SMembers(ctx, accountsKey(user)).Result()
	if err != nil {
		return nil, fmt.Errorf("list the accounts of user %s: %w", user, err)
	}
	slices.Sort(accounts)
	return accounts, nil
}

// Members lists the users of an account in no order, reading it bit by bit. It
// ends with the first error.
func (s *Store) Members(ctx context.Context, account string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for page, err := range s.scanSet(ctx, membersKey(account)) {
			if err != nil {
				yield("", fmt.Errorf("list the members of account %s: %w", account, err))
				return
			}
			for _, user := range page {
				if !yield(user, nil) {
					return
				}
			}
		}
	}
}

// scanSet reads a set in pages of at most scanCount, without repetitions up
// to maxRemembered. It ends with the first error.
func (s *Store) scanSet(ctx context.Context, key string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		seen := make(map[string]struct{})
		var pending []string
		var cursor uint64
		for {
			page, err := ask(ctx, s.shared, func(p redis.Pipeliner) *redis.ScanCmd { return p.SScan(ctx, key, cursor, "", scanCount) })
			if err != nil {
				yield(nil, err)
				return
			}
			found, next := page.Val()
			pending = appendUnseen(pending, found, seen)
			for len(pending) >= scanCount {
				if !yield(pending[:scanCount:scanCount], nil) {
					return
				}
				pending = pending[scanCount:]
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
		if len(pending) > 0 {
			yield(pending, nil)
		}
	}
}

func appendUnseen(pending, found []string, seen map[string]struct{}) []string {
	for _, id := range found {
		if _, repeated := seen[id]; repeated {
			continue
		}
		if len(seen) < maxRemembered {
			seen[id] = struct{}{}
		}
		pending = append(pending, id)
	}
	return pending
}
