package prefs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// DefaultDuplicateWindow is how long an event published again is recognised.
// Each id costs Redis about 150 bytes for so long.
const DefaultDuplicateWindow = 2 * time.Minute

// Store keeps preferences in Redis. Its methods may be called from many
// goroutines; Unavailable tells of an error whether to wait for Redis.
type Store struct {
	// DuplicateWindow is how long Claim remembers an event. Set it before use.
	DuplicateWindow time.Duration

	client redis.UniversalClient
	shared *batcher // sends what many goroutines ask in one round trip
	keys   Keyring
}

// NewStore keeps preferences in client's Redis and the credentials in them
// encrypted by keys.
func NewStore(client redis.UniversalClient, keys Keyring) *Store {
	return &Store{DuplicateWindow: DefaultDuplicateWindow, client: client, shared: newBatcher(client), keys: keys}
}

// Keys is how many keys the store has: several while one takes the place of another.
func (s *Store) Keys() int { return len(s.keys.keys) }

func membersKey(account string) string { return "tocsin:account:{" + account + "}:members" }
func userKey(user, part string) string { return "tocsin:user:{" + user + "}:" + part }
func profileKey(user string) string    { return userKey(user, "profile") }
func prefsKey(user string) string      { return userKey(user, "prefs") }
func targetsKey(user string) string    { return userKey(user, "targets") }
func healthKey(user string) string     { return userKey(user, "health") }
func accountsKey(user string) string   { return userKey(user, "accounts") }

// splitUserKey undoes userKey.
func splitUserKey(key string) (user, part string) {
	user, part, _ = strings.Cut(strings.TrimPrefix(key, "tocsin:user:{"), "}:")
	return user, part
}

// PutUser saves who a user is. The first time that a user has an e-mail
// address their e-mail target is set up, with settings {} that stand for the
// profile's address.
func (s *Store) PutUser(ctx context.Context, user string, p Profile) error {
	return s.ReplaceUser(ctx, user, p, "")
}

// ReplaceUser is PutUser if the profile is still as it was at a revision, and
// ErrChanged otherwise.
func (s *Store) ReplaceUser(ctx context.Context, user string, p Profile, seen Revision) error {
	if err := errors.Join(checkID("user", user), p.Check()); err != nil {
		return err
	}
	profile, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("save user %s: %w", user, err)
	}
	email := TargetRef{emailChannel, mainTarget}
	sealed, err := s.keys.seal(user, email, []byte("{}"))
	if err != nil {
		return err
	}
	return s.runIf(ctx, condition{user: user, seen: seen, now: s.profileRevision}, saveUser, "save user "+user,
		profile, p.Email != "", markerField(email), onMarker(time.Now()), email.String(), sealed)
}

func (s *Store) profileRevision(ctx context.Context, tx *redis.Tx, user string) (Revision, error) {
	text, err := tx.Get(ctx, profileKey(user)).Result()
	if absent(err) {
		return "", ErrNoUser
	}
	if err != nil {
		return "", err
	}
	p, err := parseProfile(user, text)
	return p.Revision(), err
}

// User reads who a user is, or ErrNoUser.
func (s *Store) User(ctx context.Context, user string) (Profile, error) {
	text, err := s.client.Get(ctx, profileKey(user)).Result()
	if absent(err) {
		err = ErrNoUser
	}
	if err != nil {
		return Profile{}, fmt.Errorf("read user %s: %w", user, err)
	}
	return parseProfile(user, text)
}

// DeleteUser forgets everything about a user: who they are, their choices,
// their targets and their membership of accounts. A user who is not known is
// no error, and a call that failed halfway is finished by the next one.
func (s *Store) DeleteUser(ctx context.Context, user string) error {
	// Without a profile no account can be joined any more, so the scan sees all.
	if err := s.client.Del(ctx, profileKey(user)).Err(); err != nil {
		return fmt.Errorf("delete user %s: %w", user, err)
	}
	for accounts, err := range s.scanSet(ctx, accountsKey(user)) {
		if err != nil {
			return fmt.Errorf("delete user %s: find their accounts: %w", user, err)
		}
		if err := s.leaveAll(ctx, user, accounts); err != nil {
			return fmt.Errorf("delete user %s: leave their accounts: %w", user, err)
		}
	}
	rest := []string{prefsKey(user), targetsKey(user), healthKey(user), accountsKey(user), pendingKey(user, TargetRef{emailChannel, mainTarget})}
	if err := s.client.Del(ctx, rest...).Err(); err != nil {
		return fmt.Errorf("delete user %s: %w", user, err)
	}
	return nil
}

func (s *Store) leaveAll(ctx context.Context, user string, accounts []string) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, account := range accounts {
			p.SRem(ctx, membersKey(account), user)
		}
		return nil
	})
	return err
}

// run runs a script that answers "ok" or what kept it from writing.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, doing string, args ...any) error {
	answer, err := script.Run(ctx, s.client, keys, args...).Text()
	if err == nil {
		err = refusals[answer]
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// crowd is how many commands are worth a round trip of their own.
const crowd = 50

// askMany sends n commands in one round trip, and a few along with what others
// ask. Its error is that of pipelined.
func (s *Store) askMany(ctx context.Context, n int, ask func(redis.Pipeliner)) error {
	if n < crowd {
		return s.shared.send(ctx, ask)
	}
	return pipelined(ctx, s.client, ask)
}

// sendEach is pipelined with the same question of each key.
func sendEach[C any](ctx context.Context, s *Store, keys []string, ask func(p redis.Pipeliner, key string) C) ([]C, error) {
	replies := make([]C, len(keys))
	err := pipelined(ctx, s.client, func(p redis.Pipeliner) {
		for i, key := range keys {
			replies[i] = ask(p, key)
		}
	})
	return replies, err
}

var refusals = map[string]error{
	"no user":  ErrNoUser,
	"too many": ErrTooManyTargets,
	"changed":  ErrChanged,
}

// absent reports whether Redis answered that there is no value. errors.Is would
// not do: a client whose sentinels know no master wraps redis.Nil in the error
// of every command, and that is no answer about a user.
func absent(err error) bool { return err == redis.Nil } //nolint:errorlint // see above
