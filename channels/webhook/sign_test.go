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

const (
	goldenID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	goldenBody = `{"test": 2432232314}`
	// goldenKey is the private key of Svix's own test.
	goldenKey = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)

// The first vector is that of the Standard Webhooks reference libraries, the
// third that of Svix's server; the others are our own.
func TestSignGolden(t *testing.T) {
	t.Parallel()
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(i)
	}
	for _, c := range []struct {
		settings     Settings
		id, at, body string
		want         string
	}{
		{Settings{Secret: goldenSecret}, goldenID, "1614265330", goldenBody,
			"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		{Settings{Secret: goldenSecret}, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "1674087231",
			`{"timestamp":1640995200,"event_type":"stack.redeploy.ok","uid":"5999b763474b0eafa5fafb64bff0ba80"}`,
			"v1,cmhKFUJULC1VEszeokVAdHmKCFxOu/94fv/gQqhV1ks="},
		{Settings{SigningKey: goldenKey}, goldenID, "1614265330", goldenBody,
			"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="},
		{Settings{SigningKey: "whsk_" + base64.StdEncoding.EncodeToString(seed)}, goldenID, "1614265330", goldenBody,
			"v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ=="},
		{Settings{Secret: goldenSecret, SigningKey: goldenKey}, goldenID, "1614265330", goldenBody,
			"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="},
	} {
		signers, err := c.settings.signers(time.Now())
		require.NoError(t, err)
		h := http.Header{}
		message{id: c.id, timestamp: c.at, signed: []byte(c.id + "." + c.at + "." + c.body)}.setSignature(h, signers)
		require.Equal(t, c.want, h.Get("webhook-signature"))
		require.Equal(t, c.id, h.Get("webhook-id"))
		require.Equal(t, c.at, h.Get("webhook-timestamp"))
	}
}

func TestPublicKeyGolden(t *testing.T) {
	t.Parallel()
	public, err := PublicKey(goldenKey)
	require.NoError(t, err)
	require.Equal(t, "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", public)
	_, err = PublicKey(goldenSecret)
	require.Error(t, err)
}

func TestNewSigningKey(t *testing.T) {
	t.Parallel()
	private, public := NewSigningKey()
	derived, err := PublicKey(private)
	require.NoError(t, err)
	require.Equal(t, public, derived)
	another, _ := NewSigningKey()
	require.NotEqual(t, private, another)
}

func TestSignersWhileRotating(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	newest, previous := NewSecret(), NewSecret()
	newKey, _ := NewSigningKey()
	oldKey, _ := NewSigningKey()
	for name, c := range map[string]struct {
		settings Settings
		now      time.Time
		want     []string
	}{
		"never rotated":      {Settings{Secret: newest}, until, []string{newest}},
		"before the end":     {Settings{Secret: newest, PreviousSecret: previous, PreviousUntil: until}, until.Add(-time.Second), []string{newest, previous}},
		"at the end":         {Settings{Secret: newest, PreviousSecret: previous, PreviousUntil: until}, until, []string{newest}},
		"no end is no grace": {Settings{Secret: newest, PreviousSecret: previous}, until, []string{newest}},
		"each kind has its own end": {
			Settings{Secret: newest, PreviousSecret: previous, PreviousUntil: until, SigningKey: newKey, PreviousSigningKey: oldKey, PreviousSigningKeyUntil: until.Add(time.Hour)},
			until, []string{newest, newKey, oldKey}},
	} {
		signers, err := c.settings.signers(c.now)
		require.NoError(t, err, name)
		var want []signer
		for _, text := range c.want {
			parse := parseSecret
			if strings.HasPrefix(text, signingKeyPrefix) {
				parse = parseSigningKey
			}
			k, err := parse(text)
			require.NoError(t, err)
			want = append(want, k)
		}
		require.Equal(t, want, signers, name)
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	text := NewSecret()
	k, err := parseSecret(text)
	require.NoError(t, err)
	require.Len(t, k.(secret), 32)
	require.NotEqual(t, text, NewSecret())
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

func TestSigningKeysRefused(t *testing.T) {
	t.Parallel()
	encoded := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for name, text := range map[string]string{
		"no prefix":             strings.TrimPrefix(goldenKey, "whsk_"),
		"public key":            "whpk_" + encoded(32),
		"secret":                goldenSecret,
		"too short":             "whsk_" + encoded(31),
		"between":               "whsk_" + encoded(48),
		"another's public half": "whsk_" + encoded(64),
		"not base64":            "whsk_" + strings.Repeat("?", 44),
	} {
		_, err := parseSigningKey(text)
		require.ErrorContains(t, err, "signing key", name)
		require.NotContains(t, err.Error(), text, name)
	}
}

func BenchmarkSign(b *testing.B) {
	for name, settings := range map[string]Settings{
		"HMAC": {Secret: goldenSecret}, "Ed25519": {SigningKey: goldenKey},
	} {
		b.Run(name, func(b *testing.B) {
			signers, err := settings.signers(time.Now())
			require.NoError(b, err)
			m := message{id: goldenID, timestamp: "1614265330", signed: []byte(strings.Repeat("x", 700))}
			b.ReportAllocs()
			for b.Loop() {
				m.setSignature(http.Header{}, signers)
			}
		})
	}
}
