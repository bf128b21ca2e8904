package unsubscribe_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
	"tocsin/schema"
)

const (
	oldKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	newKey = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
)

var base = &url.URL{Scheme: "https", Host: "tocsin.example.com", Path: "/notify"}

func signer(t testing.TB, keys string) *unsubscribe.Signer {
	t.Helper()
	s, err := unsubscribe.NewSigner(keys)
	require.NoError(t, err)
	return s
}

func tokenFor(t testing.TB, s *unsubscribe.Signer, user, typeName string) string {
	t.Helper()
	return path.Base(s.Link(base, user, typeName))
}

func TestLinkIsForEver(t *testing.T) {
	t.Parallel()
	link := signer(t, oldKey).Link(base, "ada", "stack.redeploy.ok")
	require.Equal(t, "https://tocsin.example.com/notify/unsubscribe/AQYrwSZQwhwGHwgjYotCSFgDYWRhc3RhY2sucmVkZXBsb3kub2s", link,
		"mails that were sent hold such links: what is changed here breaks them")
	require.Equal(t, link, signer(t, oldKey+","+newKey).Link(base, "ada", "stack.redeploy.ok"), "the first key signs")
}

func TestLinksTellUserAndType(t *testing.T) {
	t.Parallel()
	s := signer(t, newKey)
	for _, kind := range schema.Types() {
		link := s.Link(base, strings.Repeat("u", 64), kind.Name)
		require.Less(t, len(link), 220, "short enough for a line of a mail once folded")
		user, typeName, err := s.Verify(path.Base(link))
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("u", 64), user)
		require.Equal(t, kind.Name, typeName)
	}
}

func TestKeysAreReplaced(t *testing.T) {
	t.Parallel()
	before := tokenFor(t, signer(t, oldKey), "ada", "job.fail")
	_, _, err := signer(t, newKey+", "+oldKey).Verify(before)
	require.NoError(t, err, "links of the old key still work")
	_, _, err = signer(t, newKey).Verify(before)
	require.ErrorIs(t, err, unsubscribe.ErrToken)
}

func TestKeysThatAreWrong(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]string{
		"":                    "key 1 has 0 bytes, not 32",
		"c2hvcnQ=":            "key 1 has 5 bytes, not 32",
		oldKey + ",hunter2!":  "key 2 is not base64",
		oldKey + ",":          "key 2 has 0 bytes",
		oldKey + "," + "AAAA": "key 2 has 3 bytes",
	} {
		_, err := unsubscribe.NewSigner(keys)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestTampering(t *testing.T) {
	t.Parallel()
	s := signer(t, oldKey)
	token := tokenFor(t, s, "ada", "job.fail")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	for i := range raw {
		for bit := range 8 {
			changed := append([]byte{}, raw...)
			changed[i] ^= 1 << bit
			_, _, err := s.Verify(base64.RawURLEncoding.EncodeToString(changed))
			require.ErrorIs(t, err, unsubscribe.ErrToken, "byte %d, bit %d", i, bit)
		}
		_, _, err := s.Verify(base64.RawURLEncoding.EncodeToString(raw[:i]))
		require.ErrorIs(t, err, unsubscribe.ErrToken, "cut after %d", i)
	}
	for _, garbage := range []string{"", ".", "AQ", token + "=", token + "A", token + "\n", " " + token, strings.Repeat("A", 1<<20)} {
		_, _, err := s.Verify(garbage)
		require.ErrorIs(t, err, unsubscribe.ErrToken)
	}
}

// Names that run together differently are different cells.
func TestCellsDiffer(t *testing.T) {
	t.Parallel()
	s := signer(t, oldKey)
	require.NotEqual(t, tokenFor(t, s, "ada", "xjob"), tokenFor(t, s, "adax", "job"))
}

func FuzzVerify(f *testing.F) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // does not fail
	s := signer(f, base64.StdEncoding.EncodeToString(key))
	f.Add("", "ada", "job.fail")
	f.Add(tokenFor(f, signer(f, oldKey), "ada", "job.fail"), "", "")
	f.Fuzz(func(t *testing.T, foreign, user, typeName string) {
		_, _, err := s.Verify(foreign)
		require.ErrorIs(t, err, unsubscribe.ErrToken, "a token that this key did not sign")
		if len(user)+len(typeName) > 200 {
			return
		}
		gotUser, gotType, err := s.Verify(tokenFor(t, s, user, typeName))
		require.NoError(t, err)
		require.Equal(t, []string{user, typeName}, []string{gotUser, gotType})
	})
}
