package prefs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Pending is settings that wait for a proof before they are used: an e-mail
// address whose owner has to say that it is theirs.
type Pending struct {
	Settings json.RawMessage
	Until    time.Time // forgotten then
	Revision Revision
}

func pendingKey(user string, ref TargetRef) string { return userKey(user, "pending/"+ref.String()) }

// proving is what pending settings are sealed for, so that nobody with access to
// Redis can put them in place of a target's.
func proving(ref TargetRef) TargetRef { return TargetRef{ref.Channel, ref.ID + "/pending"} }

// PutPending keeps settings for a while that wait for a proof, in place of those
// that did before. The target stays as it is until Confirm.
func (s *Store) PutPending(ctx context.Context, user string, ref TargetRef, settings json.RawMessage, keep time.Duration) error {
	if err := errors.Join(checkID("user", user), ref.check(), checkSettings(settings)); err != nil {
		return err
	}
	sealed, err := s.keys.seal(user, proving(ref), settings)
	if err != nil {
		return err
	}
	return s.run(ctx, savePending, []string{profileKey(user), pendingKey(user, ref)},
		fmt.Sprintf("save the pending settings of %s of user %s", ref, user), sealed, keep.Milliseconds())
}

// Pending reads the settings that wait for a proof, or answers ErrNoPending.
func (s *Store) Pending(ctx context.Context, user string, ref TargetRef) (Pending, error) {
	sealed, left, err := s.readPending(ctx, user, ref)
	if err != nil {
		return Pending{}, fmt.Errorf("read the pending settings of %s of user %s: %w", ref, user, err)
	}
	settings, err := s.keys.open(user, proving(ref), sealed)
	if err != nil {
		return Pending{}, err
	}
	return Pending{Settings: settings, Until: time.Now().Add(left), Revision: sealedRevision(sealed)}, nil
}

func (s *Store) readPending(ctx context.Context, user string, ref TargetRef) (sealed string, left time.Duration, err error) {
	var text *redis.StringCmd
	var life *redis.DurationCmd
	err = s.shared.send(ctx, func(p redis.Pipeliner) {
		text, life = p.Get(ctx, pendingKey(user, ref)), p.PTTL(ctx, pendingKey(user, ref))
	})
	if err != nil {
		return "", 0, err
	}
	if absent(text.Err()) {
		return "", 0, ErrNoPending
	}
	return text.Val(), life.Val(), errors.Join(text.Err(), life.Err())
}

// Confirm makes pending settings those of the target, and switches it on. Other
// ones than those of the revision are ErrChanged, none are ErrNoPending.
func (s *Store) Confirm(ctx context.Context, user string, ref TargetRef, seen Revision) error {
	doing := fmt.Sprintf("confirm the pending settings of %s of user %s", ref, user)
	pending, _, err := s.readPending(ctx, user, ref)
	if err == nil && sealedRevision(pending) != seen {
		err = ErrChanged
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	settings, err := s.keys.open(user, proving(ref), pending)
	if err != nil {
		return err
	}
	sealed, err := s.keys.seal(user, ref, settings)
	if err != nil {
		return err
	}
	keys := []string{profileKey(user), prefsKey(user), targetsKey(user), pendingKey(user, ref), healthKey(user)}
	return s.run(ctx, confirmTarget, keys, doing,
		markerField(ref), onMarker(time.Now()), ref.String(), sealed, pending)
}

// DropPending forgets settings that wait for a proof. None are no error.
func (s *Store) DropPending(ctx context.Context, user string, ref TargetRef) error {
	if err := s.client.Del(ctx, pendingKey(user, ref)).Err(); err != nil {
		return fmt.Errorf("drop the pending settings of %s of user %s: %w", ref, user, err)
	}
	return nil
}

// Take counts something that may be done so often in a span of time, by the
// whole installation. It answers 0 if it may be done now, or after how long it
// may be done again.
func (s *Store) Take(ctx context.Context, quota string, most int, per time.Duration) (wait time.Duration, err error) {
	milliseconds, err := takeFromQuota.Run(ctx, s.client, []string{"tocsin:quota:" + quota}, most, per.Milliseconds()).Int64()
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", quota, err)
	}
	return time.Duration(milliseconds) * time.Millisecond, nil
}
