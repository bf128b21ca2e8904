package linkkey_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/linkkey"
)

const (
	oneKey     = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	anotherKey = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
)

// FuzzParse gives what an operator may have put into TOCSIN_LINK_KEY. What is
// said of it holds nothing of it.
func FuzzParse(f *testing.F) {
	f.Add(oneKey)
	f.Add(oneKey + ", " + anotherKey)
	f.Add(oneKey + ",")
	f.Add("hunter2-hunter2-hunter2")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := linkkey.Parse(text)
		if err != nil {
			require.Regexp(t, `^key \d+ (is not base64|has \d+ bytes, not 32; make one with: openssl rand -base64 32)$`, err.Error())
			return
		}
		cell, err := keys.Open("purpose", keys.Sign("purpose", []byte("cell")))
		require.NoError(t, err)
		require.Equal(t, "cell", string(cell))
	})
}

// FuzzOpen gives tokens of strangers, and cells of ours: these open for their
// purpose and by their key alone.
func FuzzOpen(f *testing.F) {
	ours, err := linkkey.Parse(oneKey)
	require.NoError(f, err)
	theirs, err := linkkey.Parse(anotherKey)
	require.NoError(f, err)
	f.Add("", []byte("ada"))
	f.Add(theirs.Sign("purpose", []byte("ada")), []byte{0})
	f.Add(strings.Repeat("A", 2000), []byte{})
	f.Fuzz(func(t *testing.T, foreign string, cell []byte) {
		_, err := ours.Open("purpose", foreign)
		require.ErrorIs(t, err, linkkey.ErrToken, "a token that this key did not sign")
		if len(cell) > 700 {
			return // longer than any token
		}
		token := ours.Sign("purpose", cell)
		got, err := ours.Open("purpose", token)
		require.NoError(t, err)
		require.Equal(t, string(cell), string(got))
		_, err = ours.Open("another", token)
		require.ErrorIs(t, err, linkkey.ErrToken)
		_, err = theirs.Open("purpose", token)
		require.ErrorIs(t, err, linkkey.ErrToken)
	})
}
