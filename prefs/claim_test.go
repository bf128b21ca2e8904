package prefs_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
)

func testClaim(t *testing.T, f fixture) {
	claim := func(e schema.Event, seq uint64) prefs.Claim {
		c, err := f.Claim(t.Context(), e, seq)
		require.NoError(t, err)
		return c
	}
	e := schema.Event{Source: "/stacks", ID: "1"}
	require.Equal(t, prefs.ClaimNew, claim(e, 7))
	require.Equal(t, prefs.ClaimNew, claim(e, 7), "handed out again before it was routed")
	require.Equal(t, prefs.ClaimDuplicate, claim(e, 8), "published again")
	require.NoError(t, f.MarkRouted(t.Context(), e, 8))
	require.Equal(t, prefs.ClaimNew, claim(e, 7), "a duplicate cannot mark what it does not hold")

	require.NoError(t, f.MarkRouted(t.Context(), e, 7))
	require.Equal(t, prefs.ClaimRouted, claim(e, 7), "handed out again after it was routed")
	require.Equal(t, prefs.ClaimDuplicate, claim(e, 8))

	for _, other := range []schema.Event{{Source: "/stacks", ID: "2"}, {Source: "/servers", ID: "1"}, {Source: "/stacks1", ID: ""}, {Source: "/stack", ID: "s1"}} {
		require.Equal(t, prefs.ClaimNew, claim(other, 9), "%v", other)
	}
}

func testClaimsExpire(t *testing.T, f fixture) {
	const window = time.Hour
	f.DuplicateWindow = window
	e := schema.Event{Source: "/stacks", ID: "1"}
	remaining := func() time.Duration {
		found, err := f.redis.Keys(t.Context(), "tocsin:event:*").Result()
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Regexp(t, `^tocsin:event:[0-9a-f]{32}$`, found[0])
		return f.redis.PTTL(t.Context(), found[0]).Val()
	}
	_, err := f.Claim(t.Context(), e, 7)
	require.NoError(t, err)
	require.Greater(t, remaining(), time.Duration(0))
	require.LessOrEqual(t, remaining(), window)

	require.NoError(t, f.redis.FlushAll(t.Context()).Err(), "the window has passed")
	require.NoError(t, f.MarkRouted(t.Context(), e, 7))
	require.Greater(t, remaining(), time.Duration(0), "a mark that comes late must not stay for ever")
	claim, err := f.Claim(t.Context(), e, 7)
	require.NoError(t, err)
	require.Equal(t, prefs.ClaimRouted, claim)
}

func testOneOfManyDuplicatesIsRouted(t *testing.T, f fixture) {
	var routers sync.WaitGroup
	var routed atomic.Int32
	for seq := range uint64(32) {
		routers.Go(func() {
			claim, err := f.Claim(t.Context(), schema.Event{Source: "/stacks", ID: "1"}, seq+1)
			if err != nil {
				t.Error(err)
			}
			if claim == prefs.ClaimNew {
				routed.Add(1)
			}
		})
	}
	routers.Wait()
	require.EqualValues(t, 1, routed.Load())
}

func testClaimWhereScriptsAreForgotten(t *testing.T, f fixture) {
	for _, id := range []string{"1", "2"} {
		require.NoError(t, f.redis.ScriptFlush(t.Context()).Err(), "as after a restart")
		claim, err := f.Claim(t.Context(), schema.Event{Source: "/stacks", ID: id}, 7)
		require.NoError(t, err)
		require.Equal(t, prefs.ClaimNew, claim)
	}
}

func testProgressOfAFanOut(t *testing.T, f fixture) {
	e := schema.Event{Source: "/stacks", ID: "1"}
	stored := func(e schema.Event, seq uint64) []string {
		users, err := f.Stored(t.Context(), e, seq)
		require.NoError(t, err)
		return users
	}
	require.Empty(t, stored(e, 7))
	require.NoError(t, f.NoteStored(t.Context(), e, 7, []string{"ada", "bob"}))
	require.NoError(t, f.NoteStored(t.Context(), e, 7, []string{"eve"}))
	require.ElementsMatch(t, []string{"ada", "bob", "eve"}, stored(e, 7))
	require.Empty(t, stored(e, 8), "of another message")
	require.Empty(t, stored(schema.Event{Source: "/stacks", ID: "2"}, 7), "of another event")
	keys, err := f.redis.Keys(t.Context(), "tocsin:event:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Greater(t, f.redis.PTTL(t.Context(), keys[0]).Val(), time.Duration(0), "a fan-out that nobody goes on with is forgotten")

	require.NoError(t, f.ForgetStored(t.Context(), e, 7))
	require.Empty(t, stored(e, 7))
}
