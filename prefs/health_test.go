package prefs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/breaker"
	"tocsin/prefs"
)

// fares notes a state over whatever is noted.
func (f fixture) fares(t *testing.T, s breaker.State) {
	t.Helper()
	now, err := f.Resolve(t.Context(), delivery("job.fail"))
	require.NoError(t, err)
	_, swapped, err := f.SwapFare(t.Context(), "ada", hook, now.Fares, breaker.RecordOf(s))
	require.NoError(t, err)
	require.True(t, swapped)
}

func (f fixture) hooked(t *testing.T) {
	t.Helper()
	f.person(t, "ada", "acme")
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
}

func testAnAttemptSeesHowItsTargetFares(t *testing.T, f fixture) {
	f.hooked(t)
	resolution, err := f.Resolve(t.Context(), delivery("job.fail"))
	require.NoError(t, err)
	require.Zero(t, resolution.Fares, "of a target that has never failed nothing is noted")

	open := breaker.State{Phase: breaker.Open, Opened: 2, Until: noon, Failing: noon, Error: "endpoint answered 503"}
	f.fares(t, open)
	f.trips.reset()
	resolution, err = f.Resolve(t.Context(), delivery("job.fail"))
	require.NoError(t, err)
	require.Equal(t, open, resolution.Fares.State)
	_, pipelines := f.trips.sent()
	require.Len(t, pipelines, 1, "in the same round trip")
}

func testOfTwoWhoNoteHowATargetFaresOneDoes(t *testing.T, f fixture) {
	f.hooked(t)
	read := breaker.Record{}
	first := breaker.RecordOf(breaker.State{Fails: 1, Failing: noon})
	now, swapped, err := f.SwapFare(t.Context(), "ada", hook, read, first)
	require.NoError(t, err)
	require.True(t, swapped)
	require.Equal(t, first, now)

	now, swapped, err = f.SwapFare(t.Context(), "ada", hook, read, breaker.RecordOf(breaker.State{Fails: 9}))
	require.NoError(t, err)
	require.False(t, swapped)
	require.Equal(t, first, now, "the other learns what the first has noted")
}

func testHowATargetFaredIsForgottenWithIt(t *testing.T, f fixture) {
	f.hooked(t)
	failing := breaker.State{Fails: 1, Failing: noon}
	noted := func() int {
		fields, err := f.redis.HGetAll(t.Context(), "tocsin:user:{ada}:health").Result()
		require.NoError(t, err)
		return len(fields)
	}
	f.fares(t, failing)
	require.Equal(t, 1, noted())
	require.NoError(t, f.PutTarget(t.Context(), "ada", hook, []byte(hookSettings)))
	require.Zero(t, noted(), "it may have been mended")

	f.fares(t, failing)
	require.NoError(t, f.DeleteTarget(t.Context(), "ada", hook))
	require.Zero(t, noted())
	_, _, err := f.SwapFare(t.Context(), "ada", hook, breaker.Record{}, breaker.RecordOf(failing))
	require.NoError(t, err)
	require.Zero(t, noted(), "an attempt that ends after it leaves nothing behind")
}

func testTheOwnerSeesHowATargetFares(t *testing.T, f fixture) {
	f.hooked(t)
	health := func() prefs.Health {
		targets, err := f.Targets(t.Context(), "ada")
		require.NoError(t, err)
		require.Equal(t, hook, targets[1].TargetRef)
		return targets[1].Health
	}
	saved := health()
	require.Equal(t, prefs.Working, saved.Status)
	require.WithinDuration(t, time.Now(), saved.Since, time.Minute, "since it was set up")

	now := time.Now().UTC().Truncate(time.Millisecond)
	soon, since := now.Add(time.Hour), now.Add(-time.Hour)
	for _, c := range []struct {
		state breaker.State
		want  prefs.Health
	}{
		{breaker.State{Fails: 1, Failing: since, Error: "503"}, prefs.Health{Status: prefs.Failing, Since: since, Error: "503"}},
		{breaker.State{Phase: breaker.Open, Failing: since, Error: "503", Until: soon}, prefs.Health{Status: prefs.Paused, Since: since, Error: "503", Next: soon}},
		{breaker.State{Phase: breaker.Open, Failing: since, Error: "503", Until: since}, prefs.Health{Status: prefs.Probing, Since: since, Error: "503", Next: since}},
		{breaker.State{Phase: breaker.HalfOpen, Failing: since, Error: "503", Until: soon}, prefs.Health{Status: prefs.Probing, Since: since, Error: "503", Next: soon}},
		{breaker.State{Phase: breaker.Recovering, Failing: since, Error: "404"}, prefs.Health{Status: prefs.Failing, Since: since, Error: "404"}},
		{breaker.State{Phase: breaker.Recovering, Changed: soon}, prefs.Health{Status: prefs.Working, Since: soon}},
	} {
		f.fares(t, c.state)
		require.Equal(t, c.want, health())
	}

	_, err := f.SwitchOff(t.Context(), "ada", hook, "failed for five days", time.Time{})
	require.NoError(t, err)
	off := health()
	require.Equal(t, prefs.Off, off.Status)
	require.Equal(t, "failed for five days", off.Error)
}
