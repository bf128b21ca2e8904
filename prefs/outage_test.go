package prefs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/schema"
)

// turn is an event of one server so many minutes after noon.
func turn(kind string, minute int) schema.Event {
	return schema.Event{
		ID: fmt.Sprint(kind, minute), Source: "/agents", Type: kind, Account: "acme", Subject: "server/web-1",
		Time: noon.Add(time.Duration(minute) * time.Minute),
	}
}

func testOutages(t *testing.T, f fixture) {
	const none = -1
	for name, turns := range map[string][]struct {
		kind  string
		at    int
		since int // minute in which the outage began, or none
	}{
		"an outage and its end": {
			{"server.stopped", 10, none}, {"server.backon", 144, 10},
		},
		"an end that nothing began": {
			{"server.backon", 10, none}, {"server.backon", 20, none},
		},
		"said again while it lasts": {
			{"job.fail", 10, none}, {"job.fail", 20, none}, {"job.fail", 30, none}, {"job.backon", 40, 10},
		},
		"the end handed out again": {
			{"server.stopped", 10, none}, {"server.backon", 20, 10}, {"server.backon", 20, 10},
		},
		"the end handed out again after the next outage has begun, and ended": {
			{"server.stopped", 10, none}, {"server.backon", 20, 10}, {"server.stopped", 30, none},
			{"server.backon", 20, 10}, {"server.backon", 40, 30}, {"server.backon", 20, 10}, {"server.stopped", 10, none}, {"server.backon", 40, 30},
		},
		"an end that comes after the next beginning": {
			{"server.stopped", 10, none}, {"server.stopped", 30, none}, {"server.backon", 20, 10},
		},
		"a beginning that comes after its end": {
			{"server.backon", 20, none}, {"server.stopped", 10, none}, {"server.stopped", 30, none}, {"server.backon", 40, 30},
		},
		"a first beginning that comes after the second": {
			{"server.stopped", 12, none}, {"server.stopped", 10, none}, {"server.backon", 20, 10},
		},
		"before the clock's zero": {
			{"server.stopped", -40_000_000, none}, {"server.backon", -39_999_999, -40_000_000},
		},
		"types that are no outage": {
			{"process.down", 10, none}, {"stack.redeploy.fail", 11, none}, {"server.backon", 20, none},
		},
	} {
		require.NoError(t, f.redis.FlushAll(t.Context()).Err())
		for i, turned := range turns {
			since, err := f.NoteTurn(t.Context(), turn(turned.kind, turned.at))
			require.NoError(t, err)
			want := time.Time{}
			if turned.since != none {
				want = turn("", turned.since).Time
			}
			require.Equal(t, want, since, "%s: event %d", name, i)
		}
	}
}

func testOutagesAreOfOneResourceOfOneAccount(t *testing.T, f fixture) {
	_, err := f.NoteTurn(t.Context(), turn("server.stopped", 10))
	require.NoError(t, err)
	for _, change := range []func(*schema.Event){
		func(e *schema.Event) { e.Subject = "server/web-2" },
		func(e *schema.Event) { e.Account = "zeta" },
	} {
		e := turn("server.backon", 20)
		change(&e)
		since, err := f.NoteTurn(t.Context(), e)
		require.NoError(t, err)
		require.Zero(t, since)
	}
}

// However often a server flaps, what is remembered of it is bounded, and goes.
func testOutagesAreForgotten(t *testing.T, f fixture) {
	for i := range 100 {
		for _, kind := range []string{"server.stopped", "server.backon"} {
			_, err := f.NoteTurn(t.Context(), turn(kind, i))
			require.NoError(t, err)
		}
	}
	found, err := f.redis.Keys(t.Context(), "tocsin:outage:*").Result()
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.EqualValues(t, 32, f.redis.ZCard(t.Context(), found[0]).Val())
	kept := f.redis.PTTL(t.Context(), found[0]).Val()
	require.Greater(t, kept, 89*24*time.Hour)
	require.LessOrEqual(t, kept, 90*24*time.Hour)
}

// In whatever order the turns of a few outages are noted, and however often,
// the ends that are noted once more after all of them get the right answer.
func testOutagesInAnyOrder(t *testing.T, f fixture) {
	rapid.Check(t, func(rt *rapid.T) {
		require.NoError(rt, f.redis.FlushAll(t.Context()).Err())
		var turns []schema.Event
		for minute := range rapid.IntRange(1, 6).Draw(rt, "outages") {
			turns = append(turns, turn("server.stopped", 10*minute), turn("server.backon", 10*minute+5))
		}
		for _, e := range append(rapid.Permutation(turns).Draw(rt, "order"), rapid.Permutation(turns).Draw(rt, "again")...) {
			_, err := f.NoteTurn(t.Context(), e)
			require.NoError(rt, err)
		}
		for i := 0; i < len(turns); i += 2 {
			since, err := f.NoteTurn(t.Context(), turns[i+1])
			require.NoError(rt, err)
			require.Equal(rt, turns[i].Time, since)
		}
	})
}
