package prefs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
)

const workAddress = `{"address":"work@example.com"}`

func testPendingSettingsWaitForTheirProof(t *testing.T, f fixture) {
	f.person(t, "ada")
	_, err := f.Pending(t.Context(), "ada", mail)
	require.ErrorIs(t, err, prefs.ErrNoPending)
	require.ErrorIs(t, f.Confirm(t.Context(), "ada", mail, "x"), prefs.ErrNoPending)

	require.NoError(t, f.PutPending(t.Context(), "ada", mail, []byte(workAddress), time.Hour))
	first, err := f.Pending(t.Context(), "ada", mail)
	require.NoError(t, err)
	require.JSONEq(t, workAddress, string(first.Settings))
	require.WithinDuration(t, time.Now().Add(time.Hour), first.Until, time.Minute)
	require.JSONEq(t, `{}`, string(f.target(t, mail).Settings), "not used yet")

	require.NoError(t, f.PutPending(t.Context(), "ada", mail, []byte(`{"address":"home@example.com"}`), time.Hour))
	require.ErrorIs(t, f.Confirm(t.Context(), "ada", mail, first.Revision), prefs.ErrChanged)
	second, err := f.Pending(t.Context(), "ada", mail)
	require.NoError(t, err)
	require.NoError(t, f.Confirm(t.Context(), "ada", mail, second.Revision))
	require.JSONEq(t, `{"address":"home@example.com"}`, string(f.target(t, mail).Settings))
	require.ErrorIs(t, f.Confirm(t.Context(), "ada", mail, second.Revision), prefs.ErrNoPending, "once")

	require.NoError(t, f.PutPending(t.Context(), "ada", mail, []byte(workAddress), time.Hour))
	require.NoError(t, f.DropPending(t.Context(), "ada", mail))
	require.NoError(t, f.DropPending(t.Context(), "ada", mail))
	_, err = f.Pending(t.Context(), "ada", mail)
	require.ErrorIs(t, err, prefs.ErrNoPending)

	require.NoError(t, f.PutPending(t.Context(), "ada", mail, []byte(workAddress), time.Hour))
	require.NoError(t, f.DeleteTarget(t.Context(), "ada", mail))
	_, err = f.Pending(t.Context(), "ada", mail)
	require.ErrorIs(t, err, prefs.ErrNoPending, "the user wants no mails at all")
}

func (f fixture) target(t testing.TB, ref prefs.TargetRef) prefs.Target {
	targets, err := f.Targets(t.Context(), "ada")
	require.NoError(t, err)
	for _, target := range targets {
		if target.TargetRef == ref {
			return target
		}
	}
	t.Fatalf("%s is not set up", ref)
	return prefs.Target{}
}

func testPendingSettingsExpire(t *testing.T, f fixture) {
	f.person(t, "ada")
	require.NoError(t, f.PutPending(t.Context(), "ada", mail, []byte(workAddress), time.Hour))
	left, err := f.redis.PTTL(t.Context(), "tocsin:user:{ada}:pending/email/main").Result()
	require.NoError(t, err)
	require.InDelta(t, time.Hour, left, float64(time.Minute))
}

func testPendingSettingsOpenNowhereElse(t *testing.T, f fixture) {
	f.person(t, "ada")
	require.NoError(t, f.PutPending(t.Context(), "ada", mail, []byte(workAddress), time.Hour))
	key := "tocsin:user:{ada}:pending/email/main"
	sealed, err := f.redis.Get(t.Context(), key).Result()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(sealed), "example")
	require.NoError(t, f.redis.HSet(t.Context(), "tocsin:user:{ada}:targets", "email/main", sealed).Err())
	require.ErrorIs(t, f.target(t, mail).Err, prefs.ErrSealed, "nobody confirms by moving it")
}

func testAQuotaIsTheWholeInstallations(t *testing.T, f fixture) {
	for range 3 {
		wait, err := f.Take(t.Context(), "mails/ada", 3, time.Hour)
		require.NoError(t, err)
		require.Zero(t, wait)
	}
	wait, err := f.Take(t.Context(), "mails/ada", 3, time.Hour)
	require.NoError(t, err)
	require.InDelta(t, time.Hour, wait, float64(time.Minute))
	wait, err = f.Take(t.Context(), "mails/bob", 3, time.Hour)
	require.NoError(t, err)
	require.Zero(t, wait)
}
