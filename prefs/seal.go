package prefs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSealed says that a target's settings cannot be opened: the key that sealed
// them is not in the keyring, or they were altered. It is the operator's to
// mend, so a delivery waits for that and is not dropped.
var ErrSealed = errors.New("sealed settings cannot be opened")

const (
	keyLength  = 32   // bytes: AES-256
	sealFormat = "v1" // what a sealed value begins with
)

// Keyring encrypts the settings of targets with AES-256-GCM and a random nonce.
// The first key seals, all keys open, so that a key is replaced by putting a
// new one before it, sealing anew what it has sealed (Reseal), and dropping it.
type Keyring struct {
	keys []sealingKey
}

type sealingKey struct {
	id   string // the first 8 hex digits of the key's SHA-256
	aead cipher.AEAD
}

// ParseKeys reads TOCSIN_SECRETS_KEY: base64 (RFC 4648 section 4) of 32 bytes,
// several separated by commas. Errors say which key is wrong and how, and hold
// nothing of it.
func ParseKeys(text string) (Keyring, error) {
	if strings.TrimSpace(text) == "" {
		return Keyring{}, errors.New("no key: base64 of 32 random bytes is needed, as `openssl rand -base64 32` makes it")
	}
	parts := strings.Split(text, ",")
	var ring Keyring
	for i, part := range parts {
		key, err := parseKey(strings.TrimSpace(part))
		if err != nil {
			return Keyring{}, fmt.Errorf("key %d of %d: %w", i+1, len(parts), err)
		}
		ring.keys = append(ring.keys, key)
	}
	return ring, nil
}

func parseKey(text string) (sealingKey, error) {
	if text == "" {
		return sealingKey{}, errors.New("it is empty: is there a comma too many?")
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return sealingKey{}, fmt.Errorf("it is not base64: %w", err)
	}
	if len(raw) != keyLength {
		return sealingKey{}, fmt.Errorf("it is %d bytes long and must be %d", len(raw), keyLength)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return sealingKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	digest := sha256.Sum256(raw)
	return sealingKey{id: hex.EncodeToString(digest[:4]), aead: aead}, err
}

// seal encrypts settings for one target. The result is "v1.<key id>.<base64url
// of nonce and ciphertext>" and opens for this target only.
func (k Keyring) seal(user string, ref TargetRef, settings []byte) (string, error) {
	if len(k.keys) == 0 {
		return "", fmt.Errorf("seal the settings of %s of user %s: the keyring is empty", ref, user)
	}
	key := k.keys[0]
	sealed := key.aead.Seal(nil, nil, settings, boundTo(user, ref)) //nolint:gosec // the cipher makes a random nonce itself
	return sealFormat + "." + key.id + "." + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// open decrypts what seal made. Its errors are ErrSealed.
func (k Keyring) open(user string, ref TargetRef, sealed string) ([]byte, error) {
	settings, err := k.decrypt(sealed, boundTo(user, ref))
	if err != nil {
		return nil, fmt.Errorf("open the settings of %s of user %s: %w: %w", ref, user, ErrSealed, err)
	}
	return settings, nil
}

func (k Keyring) decrypt(sealed string, bound []byte) ([]byte, error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != sealFormat {
		return nil, errors.New("they are not in the form v1.<key id>.<base64url>")
	}
	ciphertext, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("they are not base64url: %w", err)
	}
	for _, key := range k.keys {
		if key.id == parts[1] {
			return key.aead.Open(nil, nil, ciphertext, bound)
		}
	}
	return nil, fmt.Errorf("key %.8q is not in TOCSIN_SECRETS_KEY", parts[1])
}

// byFirst tells whether the first key has sealed what is sealed.
func (k Keyring) byFirst(sealed string) bool {
	return len(k.keys) > 0 && strings.HasPrefix(sealed, sealFormat+"."+k.keys[0].id+".")
}

// foreign counts the targets of a user that were sealed by a key that is not here.
func (k Keyring) foreign(u Saved) int {
	n := 0
	for _, sealed := range u.Targets {
		parts := strings.Split(sealed, ".")
		known := func(key sealingKey) bool { return len(parts) == 3 && key.id == parts[1] }
		if !slices.ContainsFunc(k.keys, known) {
			n++
		}
	}
	return n
}

// boundTo is the additional data of a sealed value: with it, a value copied to
// another user or target does not open. Ids hold no slashes.
func boundTo(user string, ref TargetRef) []byte { return []byte(user + "/" + ref.String()) }
