package prefs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"

	"github.com/redis/go-redis/v9"
)

// Revision names a state of something that is saved, so that who has seen that
// state can change it, and nobody undoes a change that they have not seen. Empty
// stands for whatever state it is in.
type Revision string

// NoRevision is that of a target that is not set up.
const NoRevision Revision = "none"

// revisionLength is how many base64 characters a revision has: 128 bits and more.
const revisionLength = 22

func revisionOf(h hash.Hash) Revision {
	return Revision(base64.RawURLEncoding.EncodeToString(h.Sum(nil))[:revisionLength])
}

// sealedRevision is the end of a sealed text, its authentication tag: it differs
// whenever something is sealed, because the nonce is random. Reseal changes it,
// therefore, though not what is sealed: who has seen the state before is asked to
// look again, once for each change of the key.
func sealedRevision(sealed string) Revision {
	return Revision(sealed[max(0, len(sealed)-revisionLength):])
}

// Revision is a function of the profile.
func (p Profile) Revision() Revision {
	text, err := json.Marshal(p)
	if err != nil { // texts
		panic(fmt.Sprintf("encode a profile: %v", err))
	}
	h := sha256.New()
	h.Write(text)
	return revisionOf(h)
}

// condition is a revision of something of a user's, and how to learn which one
// it has now.
type condition struct {
	user string
	seen Revision
	now  func(ctx context.Context, tx *redis.Tx, user string) (Revision, error)
}

// runIf runs a script over a user's profile, choices and targets if a condition
// holds, in one round trip if there is none.
func (s *Store) runIf(ctx context.Context, c condition, script *redis.Script, doing string, args ...any) error {
	keys := []string{profileKey(c.user), prefsKey(c.user), targetsKey(c.user)}
	if c.seen == "" {
		return s.run(ctx, script, keys, doing, args...)
	}
	var err error
	for range editTries {
		err = s.client.Watch(ctx, func(tx *redis.Tx) error { return c.runIn(ctx, tx, script, keys, args) }, keys...)
		if !errors.Is(err, redis.TxFailedErr) {
			break
		}
		err = ErrChanged // perhaps not in what the condition is about: look again
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// runIn runs the script in a transaction that Redis refuses if one of the keys
// has changed since it was read.
func (c condition) runIn(ctx context.Context, tx *redis.Tx, script *redis.Script, keys []string, args []any) error {
	revision, err := c.now(ctx, tx, c.user)
	if err != nil {
		return err
	}
	if revision != c.seen {
		return ErrChanged
	}
	var answer *redis.Cmd
	if _, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
		answer = script.Eval(ctx, p, keys, args...)
		return nil
	}); err != nil {
		return err
	}
	text, err := answer.Text()
	if err == nil {
		err = refusals[text]
	}
	return err
}
