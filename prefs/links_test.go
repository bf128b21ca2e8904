package prefs_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of many who come by the same link at the same time one gets in.
func testALinkIsSpentOnce(t *testing.T, f fixture) {
	expires := time.Now().Add(time.Hour)
	var first atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if did, err := f.SpendLink(t.Context(), "a\x00\n", expires); err == nil && did {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(1), first.Load())
	other, err := f.SpendLink(t.Context(), "b", expires)
	require.NoError(t, err)
	require.True(t, other)

	keys, err := f.redis.Keys(t.Context(), "tocsin:link:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 2)
	for _, key := range keys {
		require.Greater(t, f.redis.PTTL(t.Context(), key).Val(), 24*time.Hour+59*time.Minute)
		require.LessOrEqual(t, f.redis.PTTL(t.Context(), key).Val(), 25*time.Hour)
	}
}

// Two who check links have clocks that differ by hours: what has expired by the
// one is good by the other, and stays spent.
func testALinkStaysSpentWhereClocksDiffer(t *testing.T, f fixture) {
	expired := time.Now().Add(-12 * time.Hour)
	first, err := f.SpendLink(t.Context(), "a", expired)
	require.NoError(t, err)
	require.True(t, first)
	again, err := f.SpendLink(t.Context(), "a", expired)
	require.NoError(t, err)
	require.False(t, again)
	left := f.redis.PTTL(t.Context(), "tocsin:link:61").Val()
	require.Greater(t, left, 23*time.Hour, "longer than it is good by the clock that is behind")
}

func testAccounts(t *testing.T, f fixture) {
	f.person(t, "ada")
	require.NoError(t, f.AddMember(t.Context(), "globex", "ada"))
	require.NoError(t, f.AddMember(t.Context(), "acme", "ada"))
	accounts, err := f.Accounts(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "globex"}, accounts)
	accounts, err = f.Accounts(t.Context(), "nobody")
	require.NoError(t, err)
	require.Empty(t, accounts)
}
