// Package keys tells whether somebody shows one of an installation's keys.
package keys

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
)

// Ring holds the digests of some keys, in the order in which they were added.
type Ring struct{ digests [][sha256.Size]byte }

// Len is how many keys there are.
func (r Ring) Len() int { return len(r.digests) }

// shortest is what openssl rand -base64 16 makes, less its padding.
const shortest = 22

// Add adds a key, or says what is wrong with it. Errors hold nothing of it.
func (r *Ring) Add(key string) error {
	switch {
	case key == "":
		return errors.New("it is empty: is there a comma too many?")
	case !printable(key):
		return errors.New("it holds a character that cannot stand in a header")
	case len(key) < shortest:
		return fmt.Errorf("it has %d characters, and one of fewer than %d can be guessed; openssl rand -base64 32 makes a good one", len(key), shortest)
	}
	r.digests = append(r.digests, sha256.Sum256([]byte(key)))
	return nil
}

func printable(key string) bool {
	for _, c := range key {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Find is the number of a key, or -1. It takes as long for every key: neither
// the digits that are right nor the key that is can be told from the time.
func (r Ring) Find(given string) int {
	digest, found := sha256.Sum256([]byte(given)), -1
	for i, known := range r.digests {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(digest[:], known[:]), i, found)
	}
	return found
}

// markBytes are enough to tell an installation's keys apart, and far too few to
// help in guessing one.
const markBytes = 6

// Mark names the n-th key where the key itself must not stand. It stays the same
// when others are added or taken away.
func (r Ring) Mark(n int) string { return hex.EncodeToString(r.digests[n][:markBytes]) }
