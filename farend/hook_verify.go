package farend

import (
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

// signedWith reports whether one of the listed v1 signatures is of this
// secret, and the attempt is of now: Standard Webhooks 1.0.0.
func signedWith(secret string, h http.Header, body []byte, now time.Time) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	id, timestamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || strings.Contains(id, ".") {
		return false
	}
	if now.Sub(time.Unix(seconds, 0)).Abs() > signatureTolerance {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	found := false
	for given := range strings.SplitSeq(h.Get("Webhook-Signature"), " ") {
		found = hmac.Equal([]byte(given), want) || found
	}
	return found
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
