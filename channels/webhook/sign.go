package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tocsin/schema"
)

// Prefixes of keys in their text form (Standard Webhooks 1.0.0, "Signature
// scheme"); base64 follows.
const (
	secretPrefix     = "whsec_"
	signingKeyPrefix = "whsk_"
	publicKeyPrefix  = "whpk_"
)

// newSecretBytes is between the 24 and 64 that Standard Webhooks asks for, and
// as long as the HMAC's hash.
const newSecretBytes = 32

// NewSecret makes a signing secret: whsec_ and base64 of 32 random bytes.
func NewSecret() string {
	random := make([]byte, newSecretBytes)
	rand.Read(random) // never fails: crypto/rand ends the program instead
	return secretPrefix + base64.StdEncoding.EncodeToString(random)
}

// NewSigningKey makes a pair of Ed25519 keys: private (whsk_, seed and public
// half) for the settings, public (whpk_) for the receiver.
func NewSigningKey() (private, public string) {
	pub, priv, _ := ed25519.GenerateKey(rand.Reader) // fails only where rand.Read does
	return signingKeyPrefix + base64.StdEncoding.EncodeToString(priv),
		publicKeyPrefix + base64.StdEncoding.EncodeToString(pub)
}

// PublicKey gives the public half of a signing key, for the receiver.
func PublicKey(private string) (string, error) {
	k, err := parseSigningKey(private)
	if err != nil {
		return "", err
	}
	pub := ed25519.PrivateKey(k.(signingKey)).Public().(ed25519.PublicKey)
	return publicKeyPrefix + base64.StdEncoding.EncodeToString(pub), nil
}

// signer makes one of the signatures of a request.
type signer interface {
	// sign gives the tag of the scheme and the signature.
	sign(signed []byte) (version string, signature []byte)
}

type secret []byte

func parseSecret(text string) (signer, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	k, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(k) < 24 || len(k) > 64 {
		return nil, errors.New("the signing secret is not whsec_ followed by base64 of 24 to 64 bytes")
	}
	return secret(k), nil
}

func (s secret) sign(signed []byte) (string, []byte) {
	mac := hmac.New(sha256.New, s)
	mac.Write(signed)
	return "v1,", mac.Sum(nil)
}

type signingKey ed25519.PrivateKey

// parseSigningKey takes a seed, or a seed and its public half. With another's
// public half the signatures would give the private one away.
func parseSigningKey(text string) (signer, error) {
	encoded, ok := strings.CutPrefix(text, signingKeyPrefix)
	k, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(k) != ed25519.SeedSize && len(k) != ed25519.PrivateKeySize {
		return nil, errors.New("the signing key is not whsk_ followed by base64 of 32 or 64 bytes")
	}
	private := ed25519.NewKeyFromSeed(k[:ed25519.SeedSize])
	if len(k) == ed25519.PrivateKeySize && !private.Equal(ed25519.PrivateKey(k)) {
		return nil, errors.New("the two halves of the signing key do not belong together")
	}
	return signingKey(private), nil
}

func (k signingKey) sign(signed []byte) (string, []byte) {
	return "v1a,", ed25519.Sign(ed25519.PrivateKey(k), signed)
}

// message is what one attempt says.
type message struct {
	id        string
	timestamp string // of the attempt, so that a late retry is within the receiver's tolerance
	signed    []byte // id, timestamp and body, joined by full stops
	body      []byte // the end of signed
}

func newMessage(d schema.Delivery, sentAt time.Time) (message, error) {
	m := message{id: d.ID(), timestamp: strconv.FormatInt(sentAt.Unix(), 10)}
	start := m.id + "." + m.timestamp + "."
	signed := make([]byte, 0, len(start)+len(d.Event.Data)+bodyExtra)
	signed, err := appendBody(append(signed, start...), d.Event)
	if err != nil {
		return message{}, err
	}
	m.signed, m.body = signed, signed[len(start):]
	return m, nil
}

// setSignature sets the three headers of Standard Webhooks.
func (m message) setSignature(h http.Header, signers []signer) {
	signatures := make([]byte, 0, 64*len(signers))
	for i, s := range signers {
		if i > 0 {
			signatures = append(signatures, ' ')
		}
		version, signature := s.sign(m.signed)
		signatures = base64.StdEncoding.AppendEncode(append(signatures, version...), signature)
	}
	values := []string{m.id, m.timestamp, string(signatures)}
	h["Webhook-Id"] = values[0:1:1]
	h["Webhook-Timestamp"] = values[1:2:2]
	h["Webhook-Signature"] = values[2:3:3]
}
