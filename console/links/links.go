// Package links makes and reads the signed, expiring links by which people come
// to their settings page, and by which they confirm an address.
//
// A settings link can be used once: whoever finds it later, in a log, a history
// or a chat, finds a used one. What tells used ones from new is its ID, which
// the page keeps until the link would have expired. A link to confirm an
// address only repeats what it did, so it may be used again.
package links

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/url"
	"time"

	"tocsin/linkkey"
)

// Paths below an installation's public URL. The token of a settings link is the
// query's TokenParameter, that of a confirmation the last segment.
const (
	SettingsPath = "/settings"
	ConfirmPath  = "/confirm/"

	TokenParameter = "link"
)

// What is signed for one purpose is nothing for another.
const (
	settingsPurpose = "tocsin settings link"
	confirmPurpose  = "tocsin confirm link"
	sessionPurpose  = "tocsin settings session"
	opsPurpose      = "tocsin ops session"
)

// Claim is what a token says.
type Claim struct {
	User    string
	Address string    // to be confirmed, in mail links alone
	Expires time.Time // to the second
	ID      string    // of this one token: 16 random bytes
}

// Links makes links below an installation's public URL.
type Links struct {
	keys linkkey.Keys
	base *url.URL
}

// New signs by keys, as TOCSIN_LINK_KEY has them, links below base. The error
// says which key is wrong.
func New(keys string, base *url.URL) (*Links, error) {
	parsed, err := linkkey.Parse(keys)
	if err != nil {
		return nil, err
	}
	return &Links{keys: parsed, base: base}, nil
}

// Base is the public URL below which the links lead.
func (l *Links) Base() *url.URL { return l.base }

// Settings is the address of a user's settings page, usable once, until it expires.
func (l *Links) Settings(user string, expires time.Time) string {
	page := l.base.JoinPath(SettingsPath)
	page.RawQuery = url.Values{TokenParameter: {l.sign(settingsPurpose, user, "", expires)}}.Encode()
	return page.String()
}

// OpenSettings reads the token of a settings link.
func (l *Links) OpenSettings(token string) (Claim, error) { return l.open(settingsPurpose, token) }

// Confirm is where the owner of an address confirms that it is this user's.
func (l *Links) Confirm(user, address string, expires time.Time) string {
	return l.base.JoinPath(ConfirmPath, l.sign(confirmPurpose, user, address, expires)).String()
}

// OpenConfirm reads the token of a link that Confirm made.
func (l *Links) OpenConfirm(token string) (Claim, error) { return l.open(confirmPurpose, token) }

// Session is the value of the cookie that a settings link is exchanged for.
func (l *Links) Session(user string, expires time.Time) string {
	return l.sign(sessionPurpose, user, "", expires)
}

// OpenSession reads what Session made.
func (l *Links) OpenSession(token string) (Claim, error) { return l.open(sessionPurpose, token) }

// Errors of the open methods.
var (
	// ErrToken says that a token is not one of ours.
	ErrToken = linkkey.ErrToken
	// ErrExpired says that it is ours, and too old.
	ErrExpired = errors.New("this link has expired")
)

const idBytes = 16

// sign makes a token of id, expiry, length of user, user and address.
func (l *Links) sign(purpose, user, address string, expires time.Time) string {
	cell := make([]byte, idBytes, 128)
	_, _ = rand.Read(cell)                                    // does not fail
	cell = binary.AppendUvarint(cell, uint64(expires.Unix())) //nolint:gosec // no link ends before 1970
	cell = binary.AppendUvarint(cell, uint64(len(user)))
	return l.keys.Sign(purpose, append(cell, user+address...))
}

func (l *Links) open(purpose, token string) (Claim, error) {
	cell, err := l.keys.Open(purpose, token)
	if err != nil {
		return Claim{}, err
	}
	claim, ok := parse(cell)
	switch {
	case !ok:
		return Claim{}, ErrToken
	case !time.Now().Before(claim.Expires):
		return Claim{}, ErrExpired
	}
	return claim, nil
}

func parse(cell []byte) (Claim, bool) {
	if len(cell) < idBytes {
		return Claim{}, false
	}
	id, rest := cell[:idBytes], cell[idBytes:]
	expires, n := binary.Uvarint(rest)
	if n <= 0 {
		return Claim{}, false
	}
	rest = rest[n:]
	length, n := binary.Uvarint(rest)
	if n <= 0 || length > uint64(len(rest)-n) { //nolint:gosec // a length is not negative
		return Claim{}, false
	}
	names := string(rest[n:])
	return Claim{User: names[:length], Address: names[length:], Expires: time.Unix(int64(expires), 0), ID: string(id)}, true //nolint:gosec // as it was signed
}
