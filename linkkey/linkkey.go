// Package linkkey signs what links carry, with the keys of TOCSIN_LINK_KEY: who
// holds a token can read it, and cannot make or change one.
package linkkey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	keyBytes = 32
	macBytes = 16 // half a hash, the least that RFC 2104 section 5 allows
	version  = 1

	// longestToken is beyond what any link has: a user's id of 64 bytes and an
	// address of 320.
	longestToken = 1024
)

// Keys signs with its first key, and verifies with all.
type Keys struct{ keys [][]byte }

// Parse takes keys as TOCSIN_LINK_KEY has them: base64 of 32 bytes each,
// separated by commas, so that a key can be replaced without breaking the links
// that it has signed. Errors do not hold what is wrong with a key, only which
// one it is.
func Parse(text string) (Keys, error) {
	var k Keys
	for encoded := range strings.SplitSeq(text, ",") {
		nth := len(k.keys) + 1
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			return Keys{}, fmt.Errorf("key %d is not base64", nth)
		}
		if len(key) != keyBytes {
			return Keys{}, fmt.Errorf("key %d has %d bytes, not %d; make one with: openssl rand -base64 %d", nth, len(key), keyBytes, keyBytes)
		}
		k.keys = append(k.keys, key)
	}
	return k, nil
}

// Sign makes a token of a cell: version, MAC and cell in base64url. The purpose
// keeps apart what the same keys sign for other uses.
func (k Keys) Sign(purpose string, cell []byte) string {
	token := append([]byte{version}, mac(k.keys[0], purpose, cell)...)
	return base64.RawURLEncoding.EncodeToString(append(token, cell...))
}

// ErrToken says that a token is not one of ours: damaged, made for another
// purpose, or signed with a key that is no longer known.
var ErrToken = errors.New("this link is damaged, or it is not one of ours")

// Open reads the cell of a token that Sign made for this purpose. Any other
// fails with ErrToken.
func (k Keys) Open(purpose, token string) ([]byte, error) {
	if len(token) > longestToken {
		return nil, ErrToken
	}
	encoding := base64.RawURLEncoding
	signed, err := encoding.DecodeString(token)
	if err != nil || encoding.EncodeToString(signed) != token || len(signed) < 1+macBytes || signed[0] != version {
		return nil, ErrToken
	}
	given, cell := signed[1:1+macBytes], signed[1+macBytes:]
	for _, key := range k.keys {
		if hmac.Equal(given, mac(key, purpose, cell)) {
			return cell, nil
		}
	}
	return nil, ErrToken
}

func mac(key []byte, purpose string, cell []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	h.Write([]byte{0, version}) // no purpose is the beginning of another
	h.Write(cell)
	return h.Sum(nil)[:macBytes]
}
