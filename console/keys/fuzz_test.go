package keys_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/console/keys"
)

// FuzzAdd gives keys of operators. What is said of one holds nothing of it, and
// one that is taken is found, and no other.
func FuzzAdd(f *testing.F) {
	f.Add("canary-0123456789abcdefghij")
	f.Add("short")
	f.Add("with a space and long enough")
	f.Fuzz(func(t *testing.T, key string) {
		var ring keys.Ring
		if err := ring.Add(key); err != nil {
			require.Zero(t, ring.Len())
			require.Regexp(t, `^it (is empty: .*|holds a character that .*|has \d+ characters, .*)$`, err.Error())
			return
		}
		require.Equal(t, 0, ring.Find(key))
		require.Equal(t, -1, ring.Find(key+"x"))
		require.Equal(t, -1, ring.Find(key[1:]))
		require.NotContains(t, key, ring.Mark(0))
	})
}
