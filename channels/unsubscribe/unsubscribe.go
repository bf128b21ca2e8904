// Package unsubscribe makes the links of mails by which one person stops mails
// about one event type, and serves what they lead to (RFC 8058).
//
// Whoever holds a link can use it, once or a hundred times, and for as long as
// mails are kept: it does not expire. It can do nothing but switch off.
package unsubscribe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Path is where links lead to, below an installation's public URL; the token
// follows as the last segment.
const Path = "/unsubscribe/"

const (
	keyBytes = 32
	macBytes = 16 // half a hash, the least that RFC 2104 section 5 allows
	version  = 1

	// longestToken is beyond what any link has: a user's id of 64 bytes, and a
	// type's name of as many as fit in a subject.
	longestToken = 512
)

// purpose keeps what is signed here apart from all else that the key signs.
const purpose = "tocsin unsubscribe link\x00"

// Signer makes tokens and verifies them.
type Signer struct{ keys [][]byte }

// NewSigner takes keys as TOCSIN_LINK_KEY has them: base64 of 32 bytes each,
// separated by commas. The first signs, all verify, so that a key can be
// replaced without breaking the links of mails already sent. Errors do not hold
// what is wrong with a key, only which one it is.
func NewSigner(keys string) (*Signer, error) {
	s := &Signer{}
	for encoded := range strings.SplitSeq(keys, ",") {
		nth := len(s.keys) + 1
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			return nil, fmt.Errorf("key %d is not base64", nth)
		}
		if len(key) != keyBytes {
			return nil, fmt.Errorf("key %d has %d bytes, not %d; make one with: openssl rand -base64 %d", nth, len(key), keyBytes, keyBytes)
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// Link is where this person stops mails about this event type.
func (s *Signer) Link(base *url.URL, user, typeName string) string {
	return base.JoinPath(Path, s.token(user, typeName)).String()
}

// token is version, MAC, length of user, user and type, in base64url.
func (s *Signer) token(user, typeName string) string {
	cell := append(binary.AppendUvarint(nil, uint64(len(user))), user+typeName...)
	token := append([]byte{version}, mac(s.keys[0], cell)...)
	return base64.RawURLEncoding.EncodeToString(append(token, cell...))
}

func mac(key, cell []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	h.Write([]byte{version})
	h.Write(cell)
	return h.Sum(nil)[:macBytes]
}

// ErrToken says that a token is not one of ours: damaged, or signed with a key
// that is no longer known.
var ErrToken = errors.New("this link is damaged, or it is not one of ours")

// Verify reads a token that Link made. Any other fails with ErrToken.
func (s *Signer) Verify(token string) (user, typeName string, err error) {
	if len(token) > longestToken {
		return "", "", ErrToken
	}
	encoding := base64.RawURLEncoding
	signed, err := encoding.DecodeString(token)
	if err != nil || encoding.EncodeToString(signed) != token || len(signed) < 1+macBytes || signed[0] != version {
		return "", "", ErrToken
	}
	given, cell := signed[1:1+macBytes], signed[1+macBytes:]
	if !s.signed(given, cell) {
		return "", "", ErrToken
	}
	length, n := binary.Uvarint(cell)
	if n <= 0 || length > uint64(len(cell)-n) {
		return "", "", ErrToken
	}
	names := string(cell[n:])
	return names[:length], names[length:], nil
}

func (s *Signer) signed(given, cell []byte) bool {
	for _, key := range s.keys {
		if hmac.Equal(given, mac(key, cell)) {
			return true
		}
	}
	return false
}
