package webhook

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRotate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	rotated, secret, err := Rotate(json.RawMessage(`{"url":"https://example.com/","secret":"`+goldenSecret+`","new":9007199254740993}`), now)
	require.NoError(t, err)
	require.JSONEq(t, `{"url":"https://example.com/","secret":"`+secret+`","previous_secret":"`+goldenSecret+`",
		"previous_until":"2026-08-02T12:00:00Z","new":9007199254740993}`, string(rotated))
	require.Contains(t, string(rotated), "9007199254740993")
	require.NoError(t, check(rotated))

	again, newest, err := Rotate(rotated, now.Add(time.Hour))
	require.NoError(t, err)
	var s Settings
	require.NoError(t, json.Unmarshal(again, &s))
	require.Equal(t, Settings{URL: "https://example.com/", Secret: newest, PreviousSecret: secret, PreviousUntil: now.Add(25 * time.Hour)}, s)
}

func TestRotateSigningKey(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	first, public, err := RotateSigningKey(json.RawMessage(`{"url":"https://example.com/","signing_key":""}`), now)
	require.NoError(t, err)
	var s Settings
	require.NoError(t, json.Unmarshal(first, &s))
	derived, err := PublicKey(s.SigningKey)
	require.NoError(t, err)
	require.Equal(t, public, derived)
	require.Empty(t, s.PreviousSigningKey)

	second, _, err := RotateSigningKey(first, now)
	require.NoError(t, err)
	var next Settings
	require.NoError(t, json.Unmarshal(second, &next))
	require.Equal(t, s.SigningKey, next.PreviousSigningKey)
	require.Equal(t, now.Add(24*time.Hour), next.PreviousSigningKeyUntil)
}

func TestRotateRefusesWhatIsNoSettings(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{``, `null`, `[]`, `"secret"`} {
		_, _, err := Rotate(json.RawMessage(settings), time.Now())
		require.EqualError(t, err, "rotate secret: the settings are not an object of texts", settings)
	}
}
