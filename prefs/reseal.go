package prefs

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Resealed counts sealed settings: those of targets, and those that wait for a
// proof.
type Resealed struct {
	Anew     int `json:"anew"`     // another key had sealed them; now the first has
	Already  int `json:"already"`  // the first key has sealed them before
	Unopened int `json:"unopened"` // no key opens them: they were left as they are
}

// Resealing says how settings are sealed anew.
type Resealing struct {
	Look     bool           // only count what would become of them
	Progress func(Resealed) // told now and then how far it is; may be nil
	Unopened func(error)    // told of each that no key opens, without anything secret; may be nil
}

// Reseal has the first key seal everything that another one has sealed, so that
// the others can be dropped. It may run while the fleet works: what an owner
// saves at the same moment stays, and switches, times and health do not change.
// Only revisions do. Called again after it was cut off it does what is left.
//
// What a process whose first key is another one saves meanwhile may escape it: a
// look afterwards tells. One who comes twice (see EachSaved) is counted twice.
func (s *Store) Reseal(ctx context.Context, how Resealing) (Resealed, error) {
	r := resealer{store: s, how: how}
	err := s.eachKey(ctx, targetsKey("*"), func(ctx context.Context, keys []string) error { return r.page(ctx, keys, s.readSealedTargets) })
	if err == nil {
		err = s.eachKey(ctx, userKey("*", "pending/*"), func(ctx context.Context, keys []string) error { return r.page(ctx, keys, s.readSealedPending) })
	}
	return r.done, err
}

// sealedText is sealed settings, and where they were read.
type sealedText struct {
	user  string
	ref   TargetRef // what they are sealed for
	key   string
	field string // "" of what waits for a proof: it has a key of its own
	text  string
}

// resealer is one run of Reseal.
type resealer struct {
	store *Store
	how   Resealing

	mu   sync.Mutex // masters of a cluster are worked on side by side
	done Resealed
}

func (r *resealer) page(ctx context.Context, keys []string, read func(context.Context, []string) ([]sealedText, error)) error {
	texts, err := read(ctx, keys)
	for tries := 0; err == nil && len(texts) > 0; tries++ {
		if tries == editTries {
			t := texts[0]
			return fmt.Errorf("seal %s of user %s anew: given up after %d tries: %w", t.ref, t.user, tries, ErrChanged)
		}
		var anew []string
		if texts, anew, err = r.seal(texts); err == nil {
			texts, err = r.swap(ctx, texts, anew)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.how.Progress != nil {
		r.how.Progress(r.done)
	}
	return err
}

// seal seals anew what has to be, and counts the rest. It opens everything,
// because a key must not be dropped for what only looks as if another had sealed it.
func (r *resealer) seal(texts []sealedText) (old []sealedText, anew []string, err error) {
	keys := r.store.keys
	for _, t := range texts {
		settings, err := keys.open(t.user, t.ref, t.text)
		switch {
		case err != nil:
			r.unopened(err)
			continue
		case keys.byFirst(t.text):
			r.count(&r.done.Already, 1)
			continue
		case r.how.Look:
			r.count(&r.done.Anew, 1)
			continue
		}
		sealed, err := keys.seal(t.user, t.ref, settings)
		if err != nil {
			return nil, nil, err
		}
		old, anew = append(old, t), append(anew, sealed)
	}
	return old, anew, nil
}

func (r *resealer) count(what *int, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*what += n
}

func (r *resealer) unopened(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Unopened++
	if r.how.Unopened != nil {
		r.how.Unopened(err)
	}
}

// swap puts what was sealed anew in its place, and returns what somebody else has
// saved there meanwhile.
func (r *resealer) swap(ctx context.Context, old []sealedText, anew []string) (others []sealedText, err error) {
	if len(old) == 0 {
		return nil, nil
	}
	replies := make([]*redis.Cmd, len(old))
	err = pipelined(ctx, r.store.client, func(p redis.Pipeliner) {
		for i, t := range old {
			replies[i] = swapSealed.Eval(ctx, p, []string{t.key}, t.field, t.text, anew[i])
		}
	})
	if err != nil {
		return nil, fmt.Errorf("seal the settings of users anew: %w", err)
	}
	for i, reply := range replies {
		now, fault := reply.Text()
		switch {
		case fault != nil:
			err = fmt.Errorf("seal %s of user %s anew: %w", old[i].ref, old[i].user, fault)
		case now == anew[i]:
			r.count(&r.done.Anew, 1)
		case now != "": // else it is no more
			old[i].text = now
			others = append(others, old[i])
		}
	}
	return others, err
}

// readSealedTargets reads all targets of users.
func (s *Store) readSealedTargets(ctx context.Context, keys []string) ([]sealedText, error) {
	replies, err := sendEach(ctx, s, keys, func(p redis.Pipeliner, key string) *redis.MapStringStringCmd { return p.HGetAll(ctx, key) })
	if err != nil {
		return nil, fmt.Errorf("read the targets of users: %w", err)
	}
	var all []sealedText
	for i, reply := range replies {
		user, _ := splitUserKey(keys[i])
		fields, err := reply.Result()
		if err != nil {
			return nil, fmt.Errorf("read the targets of user %s: %w", user, err)
		}
		for field, text := range fields {
			all = append(all, sealedText{user: user, ref: refOf(field), key: keys[i], field: field, text: text})
		}
	}
	return all, nil
}

// readSealedPending reads what waits for a proof, and has not expired meanwhile.
func (s *Store) readSealedPending(ctx context.Context, keys []string) ([]sealedText, error) {
	replies, err := sendEach(ctx, s, keys, func(p redis.Pipeliner, key string) *redis.StringCmd { return p.Get(ctx, key) })
	if err != nil {
		return nil, fmt.Errorf("read the pending settings of users: %w", err)
	}
	var all []sealedText
	for i, reply := range replies {
		user, part := splitUserKey(keys[i])
		text, err := reply.Result()
		switch {
		case absent(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("read the pending settings of user %s: %w", user, err)
		}
		ref := proving(refOf(strings.TrimPrefix(part, "pending/")))
		all = append(all, sealedText{user: user, ref: ref, key: keys[i], text: text})
	}
	return all, nil
}
