package prefs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
)

// settled has users whose settings are sealed by the key 'a', one address that
// waits for its owner, a target that is off and one that fails.
func (f fixture) settled(t *testing.T) {
	f.populated(t) // four targets
	require.NoError(t, f.PutPending(t.Context(), "bob", mail, []byte(workAddress), time.Hour))
	require.NoError(t, f.redis.HSet(t.Context(), "tocsin:user:{bob}:health", "email/main", "{}").Err())
}

// over is a store over the same Redis that has other keys, and whose round trips
// can be watched and broken.
func (f fixture) over(t *testing.T, fills string, hook redis.Hook) *prefs.Store {
	client := open(t, f.url)
	if hook != nil {
		client.AddHook(hook)
	}
	return prefs.NewStore(client, keys(t, []byte(fills)...))
}

// opens requires that a key opens everything of settled.
func (f fixture) opens(t *testing.T, fill string) {
	t.Helper()
	store := f.over(t, fill, nil)
	n := 0
	for _, user := range []string{"ada", "bob", "eve"} {
		targets, err := store.Targets(t.Context(), user)
		require.NoError(t, err)
		for _, target := range targets {
			require.NoError(t, target.Err)
			n++
		}
	}
	require.Equal(t, 4, n)
	pending, err := store.Pending(t.Context(), "bob", mail)
	require.NoError(t, err)
	require.JSONEq(t, workAddress, string(pending.Settings))
	require.WithinDuration(t, time.Now().Add(time.Hour), pending.Until, time.Minute, "it waits as long as it did")
}

func testReseal(t *testing.T, f fixture) {
	f.settled(t)
	before, _ := f.Targets(t.Context(), "ada")
	all := f.everything(t)
	both := f.over(t, "ba", nil)

	look, err := both.Reseal(t.Context(), prefs.Resealing{Look: true})
	require.NoError(t, err)
	require.Equal(t, prefs.Resealed{Anew: 5}, look)
	require.Equal(t, all, f.everything(t), "a look changes nothing")

	var told prefs.Resealed
	done, err := both.Reseal(t.Context(), prefs.Resealing{Progress: func(r prefs.Resealed) { told = r }})
	require.NoError(t, err)
	require.Equal(t, prefs.Resealed{Anew: 5}, done)
	require.Equal(t, done, told)
	f.opens(t, "b")

	after, err := both.Targets(t.Context(), "ada")
	require.NoError(t, err)
	for i := range after {
		require.NotEqual(t, before[i].Revision, after[i].Revision, "it is the end of what is sealed")
		after[i].Revision = before[i].Revision
	}
	require.Equal(t, before, after, "nothing else shows to the owner")
	now := f.everything(t)
	for key := range all {
		if !slices.Contains([]string{"tocsin:user:{ada}:targets", "tocsin:user:{bob}:targets", "tocsin:user:{bob}:pending/email/main"}, key) {
			require.Equal(t, all[key], now[key])
		}
	}
	require.Len(t, now, len(all))

	again, err := both.Reseal(t.Context(), prefs.Resealing{})
	require.NoError(t, err)
	require.Equal(t, prefs.Resealed{Already: 5}, again)
	require.Equal(t, now, f.everything(t), "once more changes nothing")
}

// What the owner saves between the reading and the writing stands, whichever key
// their process seals with, and is sealed by the first key in the end.
func testResealLeavesWhatIsSavedMeanwhile(t *testing.T, f fixture) {
	for _, fills := range []string{"ab", "ba"} {
		require.NoError(t, f.redis.FlushAll(t.Context()).Err())
		f.settled(t)
		web := f.over(t, fills, nil)
		saved, waits := false, false
		meanwhile := &onTrips{before: func(_ int, cmds []redis.Cmder) error {
			switch swaps := cmds[0].Name() == "eval"; {
			case swaps && !saved:
				saved = true
				return errors.Join(
					web.PutTarget(t.Context(), "ada", hook, []byte(`{"url":"https://example.com/new"}`)),
					web.DeleteTarget(t.Context(), "ada", prefs.TargetRef{Channel: "ios", ID: "d1"}))
			case swaps && !waits && cmds[0].Args()[3] == "tocsin:user:{bob}:pending/email/main":
				waits = true
				return web.PutPending(t.Context(), "bob", mail, []byte(`{"address":"home@example.com"}`), 2*time.Hour)
			}
			return nil
		}}
		done, err := f.over(t, "ba", meanwhile).Reseal(t.Context(), prefs.Resealing{})
		require.NoError(t, err)
		require.True(t, saved && waits)
		require.Equal(t, 4, done.Anew+done.Already)

		fresh := f.over(t, "b", nil)
		targets, err := fresh.Targets(t.Context(), "ada")
		require.NoError(t, err)
		require.Len(t, targets, 2, "what was deleted is not brought back")
		require.JSONEq(t, `{"url":"https://example.com/new"}`, string(targets[1].Settings))
		require.False(t, targets[1].Off)
		pending, err := fresh.Pending(t.Context(), "bob", mail)
		require.NoError(t, err)
		require.JSONEq(t, `{"address":"home@example.com"}`, string(pending.Settings))
		require.WithinDuration(t, time.Now().Add(2*time.Hour), pending.Until, time.Minute)
	}
}

// An edit that meets it begins again, and is saved.
func testAnEditMeetsReseal(t *testing.T, f fixture) {
	f.populated(t)
	both := f.over(t, "ba", nil)
	calls := 0
	edit := func(json.RawMessage) (json.RawMessage, error) {
		if calls++; calls > 1 {
			return json.RawMessage(`{"url":"https://example.com/edited"}`), nil
		}
		_, err := both.Reseal(t.Context(), prefs.Resealing{})
		return json.RawMessage(`{"url":"https://example.com/early"}`), err
	}
	require.NoError(t, both.EditTarget(t.Context(), "ada", hook, edit))
	require.Equal(t, 2, calls)
	targets, err := f.over(t, "b", nil).Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.JSONEq(t, `{"url":"https://example.com/edited"}`, string(targets[2].Settings))
}

// It may be killed before or after any round trip: the next run does the rest.
func testResealGoesOnWhereItWas(t *testing.T, f fixture) {
	for _, reached := range []bool{false, true} {
		whole := false
		for last := 0; !whole; last++ {
			require.Less(t, last, 20)
			require.NoError(t, f.redis.FlushAll(t.Context()).Err())
			f.settled(t)
			ctx, kill := context.WithCancel(t.Context())
			dies := &onTrips{}
			at := func(n int, _ []redis.Cmder) error {
				if n == last {
					kill()
				}
				return ctx.Err()
			}
			if dies.before = at; reached {
				dies.before, dies.after = nil, at
			}
			first, err := f.over(t, "ba", dies).Reseal(ctx, prefs.Resealing{})
			whole = err == nil
			kill()
			second, err := f.over(t, "ba", nil).Reseal(t.Context(), prefs.Resealing{})
			require.NoError(t, err)
			require.Equal(t, 5, second.Anew+second.Already)
			require.GreaterOrEqual(t, second.Already, first.Anew)
			f.opens(t, "b")
		}
	}
}

func testResealLeavesWhatNoKeyOpens(t *testing.T, f fixture) {
	f.settled(t)
	require.NoError(t, f.over(t, "x", nil).PutTarget(t.Context(), "eve", hook, []byte(hookSettings)))
	require.NoError(t, f.over(t, "x", nil).PutPending(t.Context(), "ada", mail, []byte(workAddress), time.Hour))
	own := f.redis.HGet(t.Context(), "tocsin:user:{eve}:targets", "webhook/main").Val()
	require.NoError(t, f.redis.HSet(t.Context(), "tocsin:user:{eve}:targets", "nonsense", "v1.").Err())
	moved := f.redis.HGet(t.Context(), "tocsin:user:{bob}:targets", "email/main").Val()
	require.NoError(t, f.redis.HSet(t.Context(), "tocsin:user:{eve}:targets", "email/main", moved).Err())

	var said []string
	done, err := f.over(t, "ba", nil).Reseal(t.Context(), prefs.Resealing{Unopened: func(err error) { said = append(said, err.Error()) }})
	require.NoError(t, err)
	require.Equal(t, prefs.Resealed{Anew: 5, Unopened: 4}, done)
	slices.Sort(said)
	require.Len(t, said, 4)
	for i, what := range []string{"email/main of user eve", "email/main/pending of user ada", "nonsense/ of user eve", "webhook/main of user eve"} {
		require.Contains(t, said[i], "open the settings of "+what)
		require.NotContains(t, said[i], "example")
	}
	require.Contains(t, said[3], "is not in TOCSIN_SECRETS_KEY")
	require.Equal(t, own, f.redis.HGet(t.Context(), "tocsin:user:{eve}:targets", "webhook/main").Val())
	targets, err := f.over(t, "x", nil).Targets(t.Context(), "eve")
	require.NoError(t, err)
	require.JSONEq(t, hookSettings, string(targets[0].Settings), "its key can be brought back")
}

func testResealOfManyUsers(t *testing.T, f fixture) {
	const many = 1100 // more than one step of SCAN
	for i := range many {
		require.NoError(t, f.PutUser(t.Context(), fmt.Sprint("u", i), prefs.Profile{Email: "u@example.com"}))
	}
	done, err := f.over(t, "ba", nil).Reseal(t.Context(), prefs.Resealing{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, done.Anew, many)
	done, err = f.over(t, "b", nil).Reseal(t.Context(), prefs.Resealing{Look: true})
	require.NoError(t, err)
	require.Zero(t, done.Anew+done.Unopened)
	require.GreaterOrEqual(t, done.Already, many)
}

// onTrips is told of each pipeline, in which the store reads and writes, before
// it is sent and after it is answered. An error takes the place of the answer.
type onTrips struct {
	before, after func(n int, cmds []redis.Cmder) error
	n             int
}

func (o *onTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (o *onTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (o *onTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "client" { // go-redis introduces itself on each new connection
			return next(ctx, cmds)
		}
		n := o.n
		o.n++
		if o.before != nil {
			if err := o.before(n, cmds); err != nil {
				return fail(cmds, err)
			}
		}
		err := next(ctx, cmds)
		if o.after != nil {
			if err := o.after(n, cmds); err != nil {
				return fail(cmds, err)
			}
		}
		return err
	}
}

func fail(cmds []redis.Cmder, err error) error {
	for _, cmd := range cmds {
		cmd.SetErr(err)
	}
	return err
}
