package prefs

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var hook = TargetRef{"webhook", "main"}

func TestParseKeysSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	short := base64.StdEncoding.EncodeToString([]byte("only sixteen byt"))
	tests := map[string]struct{ text, want string }{
		"nothing":       {"", "no key: base64 of 32 random bytes is needed"},
		"blank":         {"  ", "no key"},
		"not base64":    {"§§§§§§", "key 1 of 1: it is not base64"},
		"too short":     {short, "key 1 of 1: it is 16 bytes long and must be 32"},
		"second is bad": {good + "," + short, "key 2 of 2: it is 16 bytes long"},
		"comma at end":  {good + ",", "key 2 of 2: it is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseKeys(test.text)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), short)
			require.NotContains(t, err.Error(), good)
		})
	}
}

func ring(t *testing.T, fills ...string) Keyring {
	var texts []string
	for _, fill := range fills {
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32))))
	}
	keys, err := ParseKeys(strings.Join(texts, " , "))
	require.NoError(t, err)
	return keys
}

func TestSealedSettingsOpenForTheirTargetOnly(t *testing.T) {
	t.Parallel()
	keys := ring(t, "a")
	sealed, err := keys.seal("ada", hook, []byte(`{"url":"https://example.com"}`))
	require.NoError(t, err)
	require.Regexp(t, `^v1\.[0-9a-f]{8}\.[A-Za-z0-9_-]+$`, sealed)
	require.NotContains(t, sealed, "example")

	again, err := keys.seal("ada", hook, []byte(`{"url":"https://example.com"}`))
	require.NoError(t, err)
	require.NotEqual(t, sealed, again, "a nonce is used twice")

	settings, err := keys.open("ada", hook, sealed)
	require.NoError(t, err)
	require.JSONEq(t, `{"url":"https://example.com"}`, string(settings))

	altered := []byte(sealed)
	altered[20] ^= 1
	refused := map[string]struct {
		user   string
		ref    TargetRef
		sealed string
	}{
		"another user":    {"bob", hook, sealed},
		"another channel": {"ada", TargetRef{"hipchat", "main"}, sealed},
		"another target":  {"ada", TargetRef{"webhook", "second"}, sealed},
		"altered":         {"ada", hook, string(altered)},
		"cut short":       {"ada", hook, sealed[:30]},
		"another form":    {"ada", hook, "v2" + sealed[2:]},
		"not base64":      {"ada", hook, sealed + "!"},
		"in the clear":    {"ada", hook, `{"url":"https://example.com"}`},
		"nothing":         {"ada", hook, ""},
	}
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := keys.open(test.user, test.ref, test.sealed)
			require.ErrorIs(t, err, ErrSealed)
			require.NotContains(t, err.Error(), "example")
		})
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	old, both, fresh := ring(t, "a"), ring(t, "b", "a"), ring(t, "b")
	byOld, err := old.seal("ada", hook, []byte(`{}`))
	require.NoError(t, err)

	settings, err := both.open("ada", hook, byOld)
	require.NoError(t, err, "the second key opens what it sealed when it was the first")
	resealed, err := both.seal("ada", hook, settings)
	require.NoError(t, err)

	_, err = fresh.open("ada", hook, resealed)
	require.NoError(t, err, "what is saved again needs the new key only")
	_, err = fresh.open("ada", hook, byOld)
	require.ErrorIs(t, err, ErrSealed)
	require.ErrorContains(t, err, "is not in TOCSIN_SECRETS_KEY")
}

func TestAnEmptyKeyringSealsNothing(t *testing.T) {
	t.Parallel()
	_, err := Keyring{}.seal("ada", hook, []byte(`{}`))
	require.ErrorContains(t, err, "the keyring is empty")
}
