package links_test

import (
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/console/links"
	"tocsin/linkkey"
)

// FuzzLinks gives tokens of strangers, which open nothing, and names of ours,
// which come back as they went.
func FuzzLinks(f *testing.F) {
	l, err := links.New(newKey, base)
	require.NoError(f, err)
	stranger, err := links.New(oldKey, base)
	require.NoError(f, err)
	until := time.Now().Add(time.Hour)
	f.Add("", "ada", "ada@example.com")
	f.Add(path.Base(stranger.Confirm("ada", "ada@example.com", until)), "", "")
	f.Add("AQ%2F..", "a\x80", "/../ \r\n")
	f.Fuzz(func(t *testing.T, foreign, user, address string) {
		for _, open := range []func(string) (links.Claim, error){l.OpenSettings, l.OpenConfirm, l.OpenSession} {
			_, err := open(foreign)
			require.ErrorIs(t, err, links.ErrToken)
		}
		if len(user)+len(address) > 600 {
			return // longer than any link
		}
		claim, err := l.OpenConfirm(path.Base(l.Confirm(user, address, until)))
		require.NoError(t, err)
		require.Equal(t, []string{user, address}, []string{claim.User, claim.Address})
	})
}

// FuzzCell gives what a token of ours may hold, were its key known to somebody
// or its format another: it is refused, or read to the end.
func FuzzCell(f *testing.F) {
	keys, err := linkkey.Parse(newKey)
	require.NoError(f, err)
	l, err := links.New(newKey, base)
	require.NoError(f, err)
	f.Add([]byte("0123456789abcdef\xff\xff\xff\xff\x0f\x03ada"))
	f.Add([]byte("0123456789abcdef\xff\xff\xff\xff\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ada"))
	f.Add([]byte("0123456789abcdef\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"))
	f.Fuzz(func(t *testing.T, cell []byte) {
		claim, err := l.OpenSession(keys.Sign("tocsin settings session", cell))
		if err != nil {
			require.True(t, err == links.ErrToken || err == links.ErrExpired, "%v", err) //nolint:errorlint // as they are, without a word of the cell
			return
		}
		require.Equal(t, string(cell[:16]), claim.ID)
		require.True(t, claim.Expires.After(time.Now()))
		require.LessOrEqual(t, len(claim.User)+len(claim.Address), len(cell)-18)
	})
}
