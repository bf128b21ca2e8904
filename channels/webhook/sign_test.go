package webhook

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const goldenSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The first vector is that of the Standard Webhooks reference libraries.
func TestSignGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id, body, want string
		at             int64
	}{
		{"msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`,
			"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330},
		{"msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
			`{"timestamp":1640995200,"event_type":"stack.redeploy.ok","uid":"5999b763474b0eafa5fafb64bff0ba80"}`,
			"v1,cmhKFUJULC1VEszeokVAdHmKCFxOu/94fv/gQqhV1ks=", 1674087231},
	} {
		keys, err := Settings{Secret: goldenSecret}.keys(time.Unix(c.at, 0))
		require.NoError(t, err)
		h := http.Header{}
		setSignature(h, keys, message{id: c.id, sentAt: time.Unix(c.at, 999), body: []byte(c.body)})
		require.Equal(t, c.want, h.Get("webhook-signature"))
		require.Equal(t, c.id, h.Get("webhook-id"))
	}
}

func TestKeysWhileRotating(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	newest, previous := NewSecret(), NewSecret()
	for name, c := range map[string]struct {
		settings Settings
		now      time.Time
		want     []string
	}{
		"never rotated":      {Settings{Secret: newest}, until, []string{newest}},
		"before the end":     {Settings{"", newest, previous, until}, until.Add(-time.Second), []string{newest, previous}},
		"at the end":         {Settings{"", newest, previous, until}, until, []string{newest}},
		"no end is no grace": {Settings{"", newest, previous, time.Time{}}, until, []string{newest}},
	} {
		keys, err := c.settings.keys(c.now)
		require.NoError(t, err, name)
		var want []key
		for _, secret := range c.want {
			k, err := parseSecret(secret)
			require.NoError(t, err)
			want = append(want, k)
		}
		require.Equal(t, want, keys, name)
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	k, err := parseSecret(secret)
	require.NoError(t, err)
	require.Len(t, k, 32)
	require.NotEqual(t, secret, NewSecret())
}

func TestSecretsRefused(t *testing.T) {
	t.Parallel()
	encoded := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for name, secret := range map[string]string{
		"no prefix":   strings.TrimPrefix(goldenSecret, "whsec_"),
		"private key": "whsk_" + encoded(32),
		"too short":   "whsec_" + encoded(23),
		"too long":    "whsec_" + encoded(65),
		"not base64":  "whsec_????????????????????????????????",
		"no padding":  "whsec_" + strings.TrimRight(encoded(32), "="),
	} {
		_, err := parseSecret(secret)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret, name)
	}
}
