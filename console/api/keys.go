package api

import (
	"fmt"
	"strings"

	"tocsin/console/keys"
)

// Keys are those that open the API.
type Keys struct{ ring keys.Ring }

// None reports whether nothing opens the API.
func (k Keys) None() bool { return k.ring.Len() == 0 }

// ParseKeys reads TOCSIN_API_KEYS: texts without spaces, separated by commas.
// None is a choice: the API then refuses everything. Errors hold nothing of a key.
func ParseKeys(text string) (Keys, error) {
	var k Keys
	if strings.TrimSpace(text) == "" {
		return k, nil
	}
	parts := strings.Split(text, ",")
	for i, part := range parts {
		if err := k.ring.Add(strings.TrimSpace(part)); err != nil {
			return Keys{}, fmt.Errorf("key %d of %d: %w", i+1, len(parts), err)
		}
	}
	return k, nil
}
