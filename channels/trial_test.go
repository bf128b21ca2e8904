package channels_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

func FuzzExcerpt(f *testing.F) {
	f.Add([]byte("caf\xe9"))
	f.Add([]byte(strings.Repeat("é", channels.ExcerptBytes/2-1) + "x" + "é"))
	f.Add([]byte(strings.Repeat("\xff", channels.ExcerptBytes+1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		excerpt := channels.Excerpt(string(text))
		require.True(t, utf8.ValidString(excerpt))
		require.LessOrEqual(t, len(excerpt), channels.ExcerptBytes)
		if utf8.Valid(text) && len(text) <= channels.ExcerptBytes {
			require.Equal(t, string(text), excerpt)
		}
		_, err := json.Marshal(excerpt)
		require.NoError(t, err)
	})
}
