package farend

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signatureTolerance is how far a timestamp may be off, either way, in the
// reference libraries of Standard Webhooks.
const signatureTolerance = 5 * time.Minute

// signedWith reports whether one of the listed signatures verifies with this
// key, and the attempt is of now: Standard Webhooks 1.0.0.
func signedWith(key string, h http.Header, body []byte, now time.Time) bool {
	id, timestamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || strings.Contains(id, ".") {
		return false
	}
	if now.Sub(time.Unix(seconds, 0)).Abs() > signatureTolerance {
		return false
	}
	verifies := verifier(key)
	signed := append([]byte(id+"."+timestamp+"."), body...)
	found := false
	for given := range strings.SplitSeq(h.Get("Webhook-Signature"), " ") {
		version, encoded, _ := strings.Cut(given, ",")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		found = err == nil && verifies(version, signed, signature) || found
	}
	return found
}

// verifier knows by the prefix of a key how it verifies; what is no key
// verifies nothing.
func verifier(key string) func(version string, signed, signature []byte) bool {
	kind, encoded, _ := strings.Cut(key, "_")
	bytes, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err == nil && kind == "whsec":
		return func(version string, signed, signature []byte) bool {
			mac := hmac.New(sha256.New, bytes)
			mac.Write(signed)
			return version == "v1" && hmac.Equal(signature, mac.Sum(nil))
		}
	case err == nil && kind == "whpk" && len(bytes) == ed25519.PublicKeySize:
		return func(version string, signed, signature []byte) bool {
			return version == "v1a" && ed25519.Verify(bytes, signed, signature)
		}
	}
	return func(string, []byte, []byte) bool { return false }
}

func isJSON(h http.Header, body []byte) bool {
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && mediaType == "application/json" && json.Valid(body)
}

// textMember reads a text at the top level of a JSON object; empty if there is
// none.
func textMember(object []byte, name string) string {
	var members map[string]json.RawMessage
	var text string
	if json.Unmarshal(object, &members) != nil || json.Unmarshal(members[name], &text) != nil {
		return ""
	}
	return text
}
