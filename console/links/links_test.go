package links_test

import (
	"encoding/base64"
	"net/url"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
	"tocsin/console/links"
)

const (
	oldKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	newKey = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
)

var base = &url.URL{Scheme: "https", Host: "tocsin.example.com", Path: "/notify"}

func made(t *testing.T, keys string) *links.Links {
	t.Helper()
	l, err := links.New(keys, base)
	require.NoError(t, err)
	return l
}

func settingsToken(t *testing.T, link string) string {
	t.Helper()
	page, err := url.Parse(link)
	require.NoError(t, err)
	require.Equal(t, "/notify/settings", page.Path)
	return page.Query().Get(links.TokenParameter)
}

func TestLinksSayWhoAndUntilWhen(t *testing.T) {
	t.Parallel()
	l, until := made(t, oldKey), time.Now().Add(10*time.Minute)
	claim, err := l.OpenSettings(settingsToken(t, l.Settings("ada", until)))
	require.NoError(t, err)
	require.Equal(t, "ada", claim.User)
	require.Empty(t, claim.Address)
	require.Equal(t, until.Unix(), claim.Expires.Unix())

	link := l.Confirm(strings.Repeat("u", 64), strings.Repeat("a", 308)+"@example.com", until)
	require.True(t, strings.HasPrefix(link, "https://tocsin.example.com/notify/confirm/"), link)
	claim, err = l.OpenConfirm(path.Base(link))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("u", 64), claim.User)
	require.Equal(t, strings.Repeat("a", 308)+"@example.com", claim.Address)
}

// Two links made in the same second for the same user are two links.
func TestEachLinkIsItsOwn(t *testing.T) {
	t.Parallel()
	l, until, seen := made(t, oldKey), time.Now().Add(time.Minute), map[string]bool{}
	for range 1000 {
		claim, err := l.OpenSettings(settingsToken(t, l.Settings("ada", until)))
		require.NoError(t, err)
		seen[claim.ID] = true
	}
	require.Len(t, seen, 1000)
}

func TestLinksExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := made(t, oldKey)
		token := settingsToken(t, l.Settings("ada", time.Now().Add(10*time.Minute)))
		time.Sleep(10*time.Minute - time.Second)
		_, err := l.OpenSettings(token)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = l.OpenSettings(token)
		require.ErrorIs(t, err, links.ErrExpired)
	})
}

// What was signed to confirm an address, to stop mails or for a cookie opens no
// settings page, and the other way round.
func TestPurposesAreApart(t *testing.T) {
	t.Parallel()
	l, until := made(t, oldKey), time.Now().Add(time.Hour)
	mails, err := unsubscribe.NewSigner(oldKey)
	require.NoError(t, err)
	tokens := map[string]string{
		"settings":    settingsToken(t, l.Settings("ada", until)),
		"confirm":     path.Base(l.Confirm("ada", "", until)),
		"session":     l.Session("ada", until),
		"unsubscribe": path.Base(mails.Link(base, "ada", "job.fail")),
	}
	opens := map[string]func(string) (links.Claim, error){
		"settings": l.OpenSettings, "confirm": l.OpenConfirm, "session": l.OpenSession,
	}
	for made, token := range tokens {
		for opened, open := range opens {
			_, err := open(token)
			if made == opened {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, links.ErrToken, "%s as %s", made, opened)
			}
		}
	}
}

func TestKeysAreReplaced(t *testing.T) {
	t.Parallel()
	token := settingsToken(t, made(t, oldKey).Settings("ada", time.Now().Add(time.Hour)))
	_, err := made(t, newKey+","+oldKey).OpenSettings(token)
	require.NoError(t, err)
	_, err = made(t, newKey).OpenSettings(token)
	require.ErrorIs(t, err, links.ErrToken)
	_, err = links.New(oldKey+",hunter2!", base)
	require.ErrorContains(t, err, "key 2 is not base64")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestTampering(t *testing.T) {
	t.Parallel()
	l := made(t, oldKey)
	token := settingsToken(t, l.Settings("ada", time.Now().Add(time.Hour)))
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	for i := range raw {
		for bit := range 8 {
			changed := append([]byte{}, raw...)
			changed[i] ^= 1 << bit
			_, err := l.OpenSettings(base64.RawURLEncoding.EncodeToString(changed))
			require.ErrorIs(t, err, links.ErrToken, "byte %d, bit %d", i, bit)
		}
		_, err := l.OpenSettings(base64.RawURLEncoding.EncodeToString(raw[:i]))
		require.ErrorIs(t, err, links.ErrToken, "cut after %d", i)
	}
	for _, garbage := range []string{"", token + "=", token + "A", " " + token, strings.Repeat("A", 1<<20)} {
		_, err := l.OpenSettings(garbage)
		require.ErrorIs(t, err, links.ErrToken)
	}
}
