package ios

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	// bearerWindow is how often there is a new provider token. Apple wants one
	// at most every 20 minutes and at least every 60 ("Establishing a
	// token-based connection to APNs").
	bearerWindow = 30 * time.Minute

	// bearerHold is the least that a process presents a token, also when it has
	// begun it late in a window. So none gets older than the two together and
	// bearerLag, 51 minutes, which leaves 9 for clocks that are behind.
	bearerHold = 20 * time.Minute

	// bearerLag keeps a process whose clock is ahead from presenting a token
	// that is issued in Apple's future.
	bearerLag = time.Minute
)

// bearer makes the provider token (RFC 7519, RFC 7515). The moment of issue is
// rounded down to a window and the signature is deterministic (RFC 6979), so
// that all processes of a fleet, and those that restart, present the very same
// token without having to talk: to Apple, whose limits are for them together,
// they are one.
type bearer struct {
	key           *ecdsa.PrivateKey
	keyID, teamID string
	now           func() time.Time

	mu        sync.Mutex
	token     string
	issued    time.Time
	presented time.Time // for the first time
}

// newBearer proves that the key signs.
func newBearer(key *ecdsa.PrivateKey, keyID, teamID string) (*bearer, error) {
	if key.Curve != elliptic.P256() {
		return nil, errors.New("not a key of the curve P-256")
	}
	b := &bearer{key: key, keyID: keyID, teamID: teamID, now: time.Now}
	_, err := b.sign(time.Unix(0, 0))
	return b, err
}

// current is the token to present now.
func (b *bearer) current() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now().Round(0) // by the clock on the wall, since a machine can sleep
	issued := issuedAt(now)
	if b.token != "" && b.keeps(now, issued) {
		return b.token, nil
	}
	token, err := b.sign(issued)
	if err != nil {
		return "", err
	}
	b.token, b.issued, b.presented = token, issued, now
	return token, nil
}

// keeps holds on to a token for its time, and does not go back to an older
// one, as a clock that is set back would have it at the edge of a window,
// unless the present one turns out to be issued in the future.
func (b *bearer) keeps(now, issued time.Time) bool {
	if b.issued.After(now) {
		return false
	}
	return !issued.After(b.issued) || now.Sub(b.presented) < bearerHold
}

// stepBack presents the token of the window before in the place of the first of a
// window that Apple calls one too many. A fleet that began shortly before the
// window did holds on to that one until bearerHold is over; a process that has
// joined since does not know of it, and all of them are one to Apple.
func (b *bearer) stepBack(refused string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if refused != b.token {
		return true, nil // another push has stepped back meanwhile
	}
	now := b.now().Round(0)
	began := b.issued.Add(bearerLag)
	if b.issued != issuedAt(now) || now.Sub(began) >= bearerHold {
		return false, nil
	}
	before := b.issued.Add(-bearerWindow)
	token, err := b.sign(before)
	if err != nil {
		return false, err
	}
	b.token, b.issued, b.presented = token, before, began
	return true, nil
}

func issuedAt(now time.Time) time.Time {
	const window = int64(bearerWindow / time.Second)
	seconds := now.Add(-bearerLag).Unix()
	return time.Unix(seconds-seconds%window, 0)
}

func (b *bearer) sign(issued time.Time) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(fmt.Appendf(nil, `{"alg":"ES256","kid":"%s"}`, b.keyID)) + "." +
		encode(fmt.Appendf(nil, `{"iss":"%s","iat":%d}`, b.teamID, issued.Unix()))
	signature, err := signES256(b.key, []byte(signed))
	if err != nil {
		return "", fmt.Errorf("sign provider token: %w", err)
	}
	return signed + "." + encode(signature), nil
}

// signES256 writes the two numbers of the signature one after the other
// (RFC 7518, 3.4). Without a source of randomness, Sign takes the nonce from
// key and message.
func signES256(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &numbers); err != nil {
		return nil, err
	}
	signature := make([]byte, 64)
	numbers.R.FillBytes(signature[:32])
	numbers.S.FillBytes(signature[32:])
	return signature, nil
}
