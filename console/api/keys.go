package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// Keys are those that open the API.
type Keys struct{ digests [][sha256.Size]byte }

// None reports whether nothing opens the API.
func (k Keys) None() bool { return len(k.digests) == 0 }

// shortestKey is what openssl rand -base64 16 makes, less its padding.
const shortestKey = 22

// ParseKeys reads TOCSIN_API_KEYS: texts without spaces, separated by commas.
// None is a choice: the API then refuses everything. Errors hold nothing of a key.
func ParseKeys(text string) (Keys, error) {
	var keys Keys
	if strings.TrimSpace(text) == "" {
		return keys, nil
	}
	parts := strings.Split(text, ",")
	for i, part := range parts {
		part = strings.TrimSpace(part)
		if err := checkKey(part); err != nil {
			return Keys{}, fmt.Errorf("key %d of %d: %w", i+1, len(parts), err)
		}
		keys.digests = append(keys.digests, sha256.Sum256([]byte(part)))
	}
	return keys, nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("it is empty: is there a comma too many?")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("it holds a character that cannot stand in a header")
	case len(key) < shortestKey:
		return fmt.Errorf("it has %d characters, and one of fewer than %d can be guessed; openssl rand -base64 32 makes a good one", len(key), shortestKey)
	}
	return nil
}

// find is the number of a key, or -1. It takes as long for every key: neither
// the digits that are right nor the key that is can be told from the time.
func (k Keys) find(given string) int {
	digest, found := sha256.Sum256([]byte(given)), -1
	for i, known := range k.digests {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(digest[:], known[:]), i, found)
	}
	return found
}
