// Package unsubscribe makes the links of mails by which one person stops mails
// about one event type, and serves what they lead to (RFC 8058).
//
// Whoever holds a link can use it, once or a hundred times, and for as long as
// mails are kept: it does not expire. It can do nothing but switch off.
package unsubscribe

import (
	"encoding/binary"
	"net/url"

	"tocsin/linkkey"
)

// Path is where links lead to, below an installation's public URL; the token
// follows as the last segment.
const Path = "/unsubscribe/"

// purpose keeps what is signed here apart from all else that the key signs.
const purpose = "tocsin unsubscribe link"

// Signer makes tokens and verifies them.
type Signer struct{ keys linkkey.Keys }

// NewSigner takes keys as TOCSIN_LINK_KEY has them; linkkey.Parse says how.
func NewSigner(keys string) (*Signer, error) {
	parsed, err := linkkey.Parse(keys)
	if err != nil {
		return nil, err
	}
	return &Signer{keys: parsed}, nil
}

// Link is where this person stops mails about this event type.
func (s *Signer) Link(base *url.URL, user, typeName string) string {
	return base.JoinPath(Path, s.token(user, typeName)).String()
}

// token signs the length of user, user and type.
func (s *Signer) token(user, typeName string) string {
	return s.keys.Sign(purpose, append(binary.AppendUvarint(nil, uint64(len(user))), user+typeName...))
}

// ErrToken says that a token is not one of ours: damaged, or signed with a key
// that is no longer known.
var ErrToken = linkkey.ErrToken

// Verify reads a token that Link made. Any other fails with ErrToken.
func (s *Signer) Verify(token string) (user, typeName string, err error) {
	cell, err := s.keys.Open(purpose, token)
	if err != nil {
		return "", "", err
	}
	length, n := binary.Uvarint(cell)
	if n <= 0 || length > uint64(len(cell)-n) { //nolint:gosec // a length is not negative
		return "", "", ErrToken
	}
	names := string(cell[n:])
	return names[:length], names[length:], nil
}
