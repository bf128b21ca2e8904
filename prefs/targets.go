package prefs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tocsin/breaker"
)

// MaxTargets is how many targets one user may have over all channels. It keeps
// a user's record small enough for Redis to hold it compactly (128 fields,
// hash-max-listpack-entries) and bounds what one event can fan out to.
const MaxTargets = 64

// MaxPerChannel is how many of them may be of one channel: devices, that is.
// It leaves room for the other channels.
const MaxPerChannel = 32

// editTries is how often an edit that met another one starts again.
const editTries = 10

// Target is a way to reach a user that they have set up.
type Target struct {
	TargetRef
	Settings json.RawMessage // nil if Err is set
	Since    time.Time       // when these settings were saved; when switched off, if Off
	Off      bool            // switched off by the far end or by failing for long
	Reason   string          // why, if Off; for people
	Err      error           // ErrSealed: the target stands, but its settings cannot be read
	Revision Revision        // of the settings
	Health   Health          // how deliveries to it have fared
}

// DeviceID is the target id of a device: a function of its token, so that the
// same device registered again is the same target. Tokens are hexadecimal, so
// case does not count, nor does what stands between or around their digits. The
// id does not tell the token.
func DeviceID(token string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'f' {
			return r
		}
		return -1
	}, strings.ToLower(token))
	digest := sha256.Sum256([]byte(digits))
	return hex.EncodeToString(digest[:8])
}

// PutTarget sets a target up, or replaces its settings, and switches it on. The
// settings are a JSON object that the channel's Spec has checked; they are
// stored encrypted. A user who does not exist is ErrNoUser, one target too many
// ErrTooManyTargets.
func (s *Store) PutTarget(ctx context.Context, user string, ref TargetRef, settings json.RawMessage) error {
	return s.saveTarget(ctx, user, ref, sealedChange{settings: settings})
}

// EditTarget replaces a target's settings by what edit makes of them, and
// switches the target on. If somebody else saves the target in between, edit is
// called again with what they saved, so no change is lost. A target that is not
// set up is ErrNoTarget; an error of edit is returned and nothing is saved.
func (s *Store) EditTarget(ctx context.Context, user string, ref TargetRef,
	edit func(json.RawMessage) (json.RawMessage, error)) error {
	return s.ChangeTarget(ctx, user, ref, func(before Target) (json.RawMessage, error) {
		if before.Revision == NoRevision {
			return nil, fmt.Errorf("change target %s of user %s: %w", ref, user, ErrNoTarget)
		}
		if before.Err != nil {
			return nil, before.Err
		}
		return edit(before.Settings)
	})
}

// ChangeTarget is EditTarget for a target that may not be set up yet: edit is
// then given one of NoRevision and no settings, and sets it up. Settings that
// cannot be opened are edit's to refuse or to replace.
func (s *Store) ChangeTarget(ctx context.Context, user string, ref TargetRef,
	edit func(before Target) (json.RawMessage, error)) error {
	for range editTries {
		before, err := s.targetSettings(ctx, user, ref)
		if err != nil {
			return fmt.Errorf("change target %s of user %s: %w", ref, user, err)
		}
		settings, err := edit(before)
		if err != nil {
			return err
		}
		err = s.saveTarget(ctx, user, ref, sealedChange{settings: settings, seen: before.Revision})
		if !errors.Is(err, ErrChanged) {
			return err
		}
	}
	return fmt.Errorf("change target %s of user %s: given up after %d tries: %w", ref, user, editTries, ErrChanged)
}

// targetSettings reads the settings of a target and their revision, and nothing
// else of it.
func (s *Store) targetSettings(ctx context.Context, user string, ref TargetRef) (Target, error) {
	sealed, err := s.client.HGet(ctx, targetsKey(user), ref.String()).Result()
	if absent(err) {
		return Target{TargetRef: ref, Revision: NoRevision}, nil
	}
	if err != nil {
		return Target{}, err
	}
	settings, err := s.keys.open(user, ref, sealed)
	return Target{TargetRef: ref, Settings: settings, Err: err, Revision: sealedRevision(sealed)}, nil
}

// sealedChange is new settings, and what they may replace.
type sealedChange struct {
	settings json.RawMessage
	seen     Revision
}

func (s *Store) saveTarget(ctx context.Context, user string, ref TargetRef, change sealedChange) error {
	if err := errors.Join(checkID("user", user), ref.check(), checkSettings(change.settings)); err != nil {
		return err
	}
	sealed, err := s.keys.seal(user, ref, change.settings)
	if err != nil {
		return err
	}
	keys := []string{profileKey(user), prefsKey(user), targetsKey(user), healthKey(user)}
	return s.run(ctx, saveTarget, keys, fmt.Sprintf("save target %s of user %s", ref, user),
		markerField(ref), onMarker(time.Now()), ref.String(), sealed, string(change.seen), MaxTargets, MaxPerChannel)
}

func checkSettings(settings json.RawMessage) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(settings, &object) != nil || object == nil {
		return errors.New("a target's settings are not a JSON object")
	}
	return nil
}

// DeleteTarget forgets a target, its settings, and those that wait for a proof.
// The user's choices for the channel are kept. A target that is not set up is ErrNoTarget.
func (s *Store) DeleteTarget(ctx context.Context, user string, ref TargetRef) error {
	var marker, settings *redis.IntCmd
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		marker = p.HDel(ctx, prefsKey(user), markerField(ref))
		settings = p.HDel(ctx, targetsKey(user), ref.String())
		p.Del(ctx, pendingKey(user, ref))
		p.HDel(ctx, healthKey(user), ref.String())
		return nil
	})
	if err == nil && marker.Val()+settings.Val() == 0 {
		err = ErrNoTarget
	}
	if err != nil {
		return fmt.Errorf("delete target %s of user %s: %w", ref, user, err)
	}
	return nil
}

// Targets lists what a user has set up, by channel and id, or answers
// ErrNoUser. Settings are in the clear: mask them before showing them.
func (s *Store) Targets(ctx context.Context, user string) ([]Target, error) {
	var exists *redis.IntCmd
	var fields, sealed, fares *redis.MapStringStringCmd
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		exists = p.Exists(ctx, profileKey(user))
		fields = p.HGetAll(ctx, prefsKey(user))
		sealed = p.HGetAll(ctx, targetsKey(user))
		fares = p.HGetAll(ctx, healthKey(user))
		return nil
	})
	if err == nil && exists.Val() == 0 {
		err = ErrNoUser
	}
	if err != nil {
		return nil, fmt.Errorf("list the targets of user %s: %w", user, err)
	}
	r := readRecord(fields.Val())
	var targets []Target
	for _, ref := range r.sortedRefs() {
		m := r.targets[ref]
		text := sealed.Val()[ref.String()]
		settings, err := s.keys.open(user, ref, text)
		targets = append(targets, Target{
			TargetRef: ref, Settings: settings, Since: m.at, Off: m.off, Reason: m.reason, Err: err, Revision: sealedRevision(text),
			Health: healthOf(m, breaker.ParseRecord(fares.Val()[ref.String()]).State, time.Now()),
		})
	}
	return targets, nil
}

// SwitchOff switches a target off, with a reason for its owner, and reports
// whether it did: not if the target is gone or off already, and not if it was
// set up at or after savedBefore. So a device registered anew is kept when
// Apple tells of its past, and an endpoint mended while an attempt was under
// way when that attempt fails. A zero savedBefore means whenever it was set up.
// Saving the target again switches it on.
func (s *Store) SwitchOff(ctx context.Context, user string, ref TargetRef, reason string, savedBefore time.Time) (bool, error) {
	before := ""
	if !savedBefore.IsZero() {
		before = onMarker(savedBefore)
	}
	off := offMarker(marker{at: time.Now(), reason: strings.Join(strings.Fields(reason), " ")})
	did, err := switchOff.Run(ctx, s.client, []string{profileKey(user), prefsKey(user)}, markerField(ref), off, before).Bool()
	if err != nil {
		return false, fmt.Errorf("switch off target %s of user %s: %w", ref, user, err)
	}
	return did, nil
}
