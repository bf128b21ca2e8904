package prefs_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
)

func testTargets(t *testing.T, f fixture) {
	f.person(t, "ada")
	before := time.Now()
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
	phone := prefs.TargetRef{Channel: "ios", ID: prefs.DeviceID("00fc13ad")}
	require.NoError(t, f.PutTarget(t.Context(), "ada", phone, []byte(`{"token":"00fc13ad"}`)))

	targets, err := f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.Len(t, targets, 3)
	require.Equal(t, []prefs.TargetRef{mail, phone, hook}, []prefs.TargetRef{targets[0].TargetRef, targets[1].TargetRef, targets[2].TargetRef})
	require.JSONEq(t, hookSettings, string(targets[2].Settings))
	require.WithinRange(t, targets[2].Since, before, time.Now())

	stored, err := f.redis.HGetAll(t.Context(), "tocsin:user:{ada}:targets").Result()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(stored), "example", "a credential lies in Redis in the clear")

	require.NoError(t, f.DeleteTarget(t.Context(), "ada", hook))
	require.ErrorIs(t, f.DeleteTarget(t.Context(), "ada", hook), prefs.ErrNoTarget)
	targets, err = f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.Len(t, targets, 2)
}

func testTargetsOfAnotherKeyAreListedAsSealed(t *testing.T, f fixture) {
	f.person(t, "ada")
	targets, err := prefs.NewStore(f.redis, keys(t, 'b')).Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, mail, targets[0].TargetRef)
	require.Nil(t, targets[0].Settings)
	require.ErrorIs(t, targets[0].Err, prefs.ErrSealed)
}

func testAUserHasBoundedTargets(t *testing.T, f fixture) {
	f.person(t, "ada") // with an e-mail target
	put := func(channel string, i int) error {
		return f.PutTarget(t.Context(), "ada", prefs.TargetRef{Channel: channel, ID: fmt.Sprint("d", i)}, []byte(`{}`))
	}
	for i := range prefs.MaxPerChannel {
		require.NoError(t, put("ios", i))
	}
	require.ErrorIs(t, put("ios", prefs.MaxPerChannel), prefs.ErrTooManyTargets)
	require.NoError(t, put("ios", 1), "one that stands can still be changed")
	for i := range prefs.MaxTargets - prefs.MaxPerChannel - 1 {
		require.NoError(t, put("other", i), "another channel has room of its own")
	}
	require.ErrorIs(t, put("webhook", 0), prefs.ErrTooManyTargets)
}

func testConcurrentEditsLoseNothing(t *testing.T, f fixture) {
	f.person(t, "ada")
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(`{}`)))
	var edits sync.WaitGroup
	const editors = 4 // each edit meets at most three others: fewer than it is tried
	for i := range editors {
		edits.Go(func() {
			err := f.EditTarget(t.Context(), "ada", hook, func(settings json.RawMessage) (json.RawMessage, error) {
				var fields map[string]bool
				if err := json.Unmarshal(settings, &fields); err != nil {
					return nil, err
				}
				fields[fmt.Sprint("f", i)] = true
				return json.Marshal(fields)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	edits.Wait()
	targets, err := f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.JSONEq(t, `{"f0":true,"f1":true,"f2":true,"f3":true}`, string(targets[1].Settings))
	require.ErrorIs(t, f.EditTarget(t.Context(), "ada", prefs.TargetRef{Channel: "hipchat", ID: "main"}, nil), prefs.ErrNoTarget)
}

func testSwitchOff(t *testing.T, f fixture) {
	f.person(t, "ada")
	put := func() { require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings))) }
	off := func(savedBefore time.Time) bool {
		did, err := f.SwitchOff(t.Context(), "ada", hook, "the endpoint said\n410 Gone", savedBefore)
		require.NoError(t, err)
		return did
	}
	require.False(t, off(time.Time{}), "what is not set up")
	put()
	require.False(t, off(time.Now().Add(-time.Hour)), "what was set up later than the far end says")
	require.True(t, off(time.Now().Add(time.Hour)))
	require.False(t, off(time.Time{}), "what is off already")

	targets, err := f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.True(t, targets[1].Off)
	require.Equal(t, "the endpoint said 410 Gone", targets[1].Reason)
	require.JSONEq(t, hookSettings, string(targets[1].Settings), "the owner can look at it and mend it")

	put()
	targets, err = f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.False(t, targets[1].Off, "saving it again switches it on")
	require.True(t, off(time.Time{}))
}

func TestDeviceID(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^[0-9a-f]{16}$`, prefs.DeviceID("00FC13AD"))
	require.Equal(t, prefs.DeviceID("00fc13ad"), prefs.DeviceID("00FC13AD"))
	require.NotEqual(t, prefs.DeviceID("00fc13ad"), prefs.DeviceID("00fc13ae"))
	require.Equal(t, prefs.DeviceID("00fc13ad"), prefs.DeviceID("<00fc 13ad>"), "as iOS described it once")
	require.True(t, schema.ValidID(prefs.DeviceID("x")))
}
