package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// secretPrefix marks a symmetric secret (Standard Webhooks 1.0.0, "Signature
// scheme").
const secretPrefix = "whsec_"

// newSecretBytes is between the 24 and 64 that Standard Webhooks asks for, and
// as long as the HMAC's hash.
const newSecretBytes = 32

// NewSecret makes a signing secret: whsec_ and base64 of 32 random bytes.
func NewSecret() string {
	random := make([]byte, newSecretBytes)
	rand.Read(random) // never fails: crypto/rand ends the program instead
	return secretPrefix + base64.StdEncoding.EncodeToString(random)
}

type key []byte

func parseSecret(secret string) (key, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	k, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(k) < 24 || len(k) > 64 {
		return nil, errors.New("the signing secret is not whsec_ followed by base64 of 24 to 64 bytes")
	}
	return k, nil
}

// sign gives the v1 signature of one message: HMAC-SHA256 of id, timestamp and
// body, joined by full stops.
func (k key) sign(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, k)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// setSignature sets the three headers of Standard Webhooks. The timestamp is
// that of the attempt, so that a late retry is still within the receiver's
// tolerance; the id stays the same.
func setSignature(h http.Header, keys []key, m message) {
	timestamp := strconv.FormatInt(m.sentAt.Unix(), 10)
	signatures := make([]string, 0, len(keys))
	for _, k := range keys {
		signatures = append(signatures, k.sign(m.id, timestamp, m.body))
	}
	h.Set("Webhook-Id", m.id)
	h.Set("Webhook-Timestamp", timestamp)
	h.Set("Webhook-Signature", strings.Join(signatures, " "))
}

type message struct {
	id     string
	sentAt time.Time
	body   []byte
}
