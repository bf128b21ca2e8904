package ops

import (
	"errors"
	"fmt"
	"strings"

	"tocsin/console/keys"
	"tocsin/schema"
)

// Role is what an ops key lets its holder do.
type Role string

// Roles.
const (
	View    Role = "view"    // look at everything
	Operate Role = "operate" // and replay, discard, pause
)

// Keys are those that open the console.
type Keys struct {
	ring    keys.Ring
	holders []holder // of the keys in ring
}

// holder is whom a key was given to.
type holder struct {
	name string
	role Role
}

// ParseKeys reads TOCSIN_OPS_KEYS: role:name:key, several by comma, where role is
// view or operate, and the name stands in the audit stream. None is a choice: the
// console is then closed. Errors hold nothing of a key.
func ParseKeys(text string) (Keys, error) {
	var k Keys
	if strings.TrimSpace(text) == "" {
		return k, nil
	}
	parts := strings.Split(text, ",")
	for i, part := range parts {
		if err := k.add(strings.TrimSpace(part)); err != nil {
			return Keys{}, fmt.Errorf("key %d of %d: %w", i+1, len(parts), err)
		}
	}
	return k, nil
}

func (k *Keys) add(text string) error {
	role, rest, _ := strings.Cut(text, ":")
	name, key, found := strings.Cut(rest, ":")
	switch {
	case !found:
		return errors.New("write it as role:name:key, for example operate:ada:" + "followed by what openssl rand -base64 32 makes")
	case Role(role) != View && Role(role) != Operate:
		return errors.New("the role, before the first colon, is view or operate")
	case !schema.ValidID(name):
		return errors.New("the name, between the colons, has 1 to 64 letters, digits, hyphens and underscores")
	}
	k.holders = append(k.holders, holder{name, Role(role)})
	return k.ring.Add(key)
}

// None reports whether nothing opens the console.
func (k Keys) None() bool { return k.ring.Len() == 0 }

// find is whose a key is, and the mark by which a session names it.
func (k Keys) find(key string) (h holder, mark string, found bool) {
	n := k.ring.Find(key)
	if n < 0 {
		return holder{}, "", false
	}
	return k.holders[n], k.ring.Mark(n), true
}

// marked is whose the key with a mark is. A key that is taken away ends its
// sessions, and one that gets another role has it at once.
func (k Keys) marked(mark string) (holder, bool) {
	for n, h := range k.holders {
		if k.ring.Mark(n) == mark {
			return h, true
		}
	}
	return holder{}, false
}
