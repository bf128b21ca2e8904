package targets_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/console/targets"
	"tocsin/prefs"
)

func TestWebhookSecretIsMadeAndShownOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	fields := map[string]any{"url": f.hook.URL() + "/a"}
	first := f.save(t, "webhook", fields)
	secret := first.Shown["secret"]
	require.True(t, strings.HasPrefix(secret, "whsec_"))

	f.hook.Verify("/a", secret)
	report, err := f.Test(t.Context(), "ada", "webhook", "main", "job.fail")
	require.NoError(t, err)
	require.True(t, report.Delivered, "%+v", report)

	require.Empty(t, f.save(t, "webhook", fields).Shown, "saving again makes no other secret")
	report, err = f.Test(t.Context(), "ada", "webhook", "main", "job.fail")
	require.NoError(t, err)
	require.True(t, report.Delivered, "and the first goes on signing")

	told, err := json.Marshal(f.get(t, "webhook"))
	require.NoError(t, err)
	require.NotContains(t, string(told), secret)
	require.Equal(t, "••••"+secret[len(secret)-4:], f.get(t, "webhook").Targets[0].Secrets["secret"])
}

func TestSecretIsRenewedWhileThePreviousGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.save(t, "webhook", map[string]any{"url": f.hook.URL() + "/a"}).Shown["secret"]
	after, err := f.Renew(t.Context(), "ada", "webhook", "secret", "")
	require.NoError(t, err)
	require.NotEqual(t, before, after)
	for _, accepted := range []string{before, after} {
		f.hook.Verify("/a", accepted)
		report, err := f.Test(t.Context(), "ada", "webhook", "main", "job.fail")
		require.NoError(t, err)
		require.True(t, report.Delivered, "%+v", report)
	}
	public, err := f.Renew(t.Context(), "ada", "webhook", "signing_key", "")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(public, "whpk_"), "the private half is nobody's business")

	stale := f.get(t, "webhook").Targets[0].Revision
	third, err := f.Renew(t.Context(), "ada", "webhook", "secret", stale)
	require.NoError(t, err)
	_, err = f.Renew(t.Context(), "ada", "webhook", "secret", stale)
	require.ErrorIs(t, err, prefs.ErrChanged, "a second click does not end what the far end verifies with")
	for _, accepted := range []string{after, third} {
		f.hook.Verify("/a", accepted)
		require.True(t, f.try(t, "webhook").Delivered)
	}

	for field, want := range map[string]error{"url": targets.ErrNoField, "x": targets.ErrNoField} {
		_, err := f.Renew(t.Context(), "ada", "webhook", field, "")
		require.ErrorIs(t, err, want, field)
	}
	_, err = f.Renew(t.Context(), "bob", "webhook", "secret", "")
	require.ErrorIs(t, err, prefs.ErrNoTarget)
	_, err = f.Renew(t.Context(), "ada", "pigeon", "secret", "")
	require.ErrorIs(t, err, targets.ErrNoChannel)
}

func TestSettingsThatCannotBeNameTheirField(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, test := range map[string]struct {
		channel       string
		fields        map[string]any
		field, reason string
	}{
		"missing":           {"webhook", map[string]any{}, "url", "needed"},
		"empty":             {"webhook", map[string]any{"url": ""}, "url", "needed"},
		"unknown":           {"webhook", map[string]any{"url": "https://example.com", "urll": "x"}, "urll", "no such setting"},
		"not ours":          {"webhook", map[string]any{"url": "https://example.com", "previous_secret": "x"}, "previous_secret", "no such setting"},
		"scheme":            {"webhook", map[string]any{"url": "ftp://example.com"}, "url", "http"},
		"no text":           {"webhook", map[string]any{"url": 7}, "url", "texts"},
		"login in URL":      {"webhook", map[string]any{"url": "https://u:p@example.com/"}, "url", "user name"},
		"secret":            {"webhook", map[string]any{"url": "https://example.com/", "secret": "hunter2"}, "secret", "whsec_"},
		"timeout":           {"webhook", map[string]any{"url": "https://example.com/", "timeout": "1h"}, "timeout", "1s to 30s"},
		"reserved header":   {"webhook", map[string]any{"url": "https://example.com/", "headers": "Host: x"}, "headers", "Host"},
		"header injection":  {"webhook", map[string]any{"url": "https://example.com/", "headers": map[string]string{"X-A": "b\r\nX-C: d"}}, "headers", "printable"},
		"name injection":    {"webhook", map[string]any{"url": "https://example.com/", "headers": map[string]string{"X-A: b\r\nX-C": "d"}}, "headers", "name"},
		"certificate":       {"webhook", map[string]any{"url": "https://example.com/", "client_cert": "x", "client_key": "y"}, "client_key", "certificate"},
		"too long":          {"webhook", map[string]any{"url": "https://example.com/" + strings.Repeat("x", 40_000)}, "", "bytes"},
		"room":              {"hipchat", map[string]any{"token": "abc"}, "room", "needed"},
		"blank room":        {"hipchat", map[string]any{"token": "abc", "room": "  "}, "room", "needed"},
		"version":           {"hipchat", map[string]any{"token": "abc", "room": "a", "api_version": "3"}, "api_version", "1 or 2"},
		"token injection":   {"hipchat", map[string]any{"token": "a\r\nX: y", "room": "a"}, "token", "character"},
		"device":            {"ios", map[string]any{}, "token", "needed"},
		"device of Android": {"ios", map[string]any{"token": "abc:def"}, "token", "Firebase"},
		"environment":       {"ios", map[string]any{"token": token, "environment": "moon"}, "environment", "neither"},
		"address":           {"email", map[string]any{"address": "ada"}, "address", "not an email address"},
		"mail injection":    {"email", map[string]any{"address": "ada@example.com\r\nBcc: x@example.com"}, "address", "not an email address"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Save(t.Context(), "ada", test.channel, test.fields, "")
			requireInvalid(t, err, test.field, test.reason)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	_, err := f.Save(t.Context(), "ada", "pigeon", nil, "")
	require.ErrorIs(t, err, targets.ErrNoChannel)
	_, err = f.Save(t.Context(), "nobody", "webhook", map[string]any{"url": "https://example.com"}, "")
	require.ErrorIs(t, err, prefs.ErrNoUser)
}

func TestCredentialsAreKeptUntilTheyAreRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": "https://example.com/a", "headers": "Authorization: Bearer canary-1", "timeout": "5s"})
	f.save(t, "webhook", map[string]any{"url": "https://example.com/b"})
	got := f.get(t, "webhook").Targets[0]
	require.Equal(t, map[string]string{"url": "https://example.com/b"}, got.Fields, "what can be seen is replaced as a whole")
	require.Contains(t, got.Secrets, "headers")
	require.Contains(t, got.Secrets, "secret")
	f.save(t, "webhook", map[string]any{"url": "https://example.com/b", "headers": ""})
	require.NotContains(t, f.get(t, "webhook").Targets[0].Secrets, "headers")
}

// Whoever has got hold of a session must not be able to have a saved header sent
// to a host of their own.
func TestKeptCredentialsDoNotGoToAnotherHost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": "https://example.com/a", "headers": "Authorization: Bearer x"})
	f.save(t, "webhook", map[string]any{"url": "https://example.com/b"}) // the same host
	elsewhere := map[string]any{"url": "https://attacker.example/a"}
	_, err := f.Save(t.Context(), "ada", "webhook", elsewhere, "")
	invalid, ok := errors.AsType[*targets.Invalid](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "headers", invalid.Field)
	require.Equal(t, "https://example.com/b", f.get(t, "webhook").Targets[0].Fields["url"], "nothing was saved")

	elsewhere["headers"] = ""
	f.save(t, "webhook", elsewhere)
	elsewhere["url"] = "https://third.example/a"
	delete(elsewhere, "headers")
	require.Empty(t, f.save(t, "webhook", elsewhere).Shown, "the signing secret stays: it is never sent")
}

func TestTwoWindowsDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": "https://example.com/a"})
	seen := f.get(t, "webhook").Targets[0].Revision
	_, err := f.Save(t.Context(), "ada", "webhook", map[string]any{"url": "https://example.com/b"}, seen)
	require.NoError(t, err)
	_, err = f.Save(t.Context(), "ada", "webhook", map[string]any{"url": "https://example.com/c"}, seen)
	require.ErrorIs(t, err, prefs.ErrChanged)
	require.Equal(t, "https://example.com/b", f.get(t, "webhook").Targets[0].Fields["url"])

	_, err = f.Save(t.Context(), "ada", "email", map[string]any{}, "another")
	require.ErrorIs(t, err, prefs.ErrChanged)
}

// Two clicks at once: one secret is made, and who is shown one is shown that.
func TestTwoFirstSavesMakeOneSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var clicks sync.WaitGroup
	var shown atomic.Int32
	for range 4 {
		clicks.Go(func() {
			saved, err := f.Save(t.Context(), "ada", "webhook", map[string]any{"url": "https://example.com/a"}, "")
			if err != nil {
				t.Error(err)
			}
			shown.Add(int32(len(saved.Shown)))
		})
	}
	clicks.Wait()
	require.EqualValues(t, 1, shown.Load())
}

func TestDevices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	saved := f.save(t, "ios", map[string]any{"token": token, "name": "Ada's iPhone"})
	again := f.save(t, "ios", map[string]any{"token": "<" + strings.ToUpper(token[:8]) + " " + token[8:] + ">", "name": "Ada's new iPhone"})
	require.Equal(t, saved.ID, again.ID, "the same device")
	f.save(t, "ios", map[string]any{"token": strings.Repeat("ab", 32), "environment": "sandbox"})
	view := f.get(t, "ios")
	require.Len(t, view.Targets, 2)
	require.False(t, view.Test)
	told, err := json.Marshal(view)
	require.NoError(t, err)
	require.NotContains(t, string(told), token)
	require.Contains(t, string(told), "Ada's new iPhone")

	require.NoError(t, f.Delete(t.Context(), "ada", "ios", saved.ID))
	require.ErrorIs(t, f.Delete(t.Context(), "ada", "ios", saved.ID), prefs.ErrNoTarget)
	require.ErrorIs(t, f.Delete(t.Context(), "ada", "pigeon", "main"), targets.ErrNoChannel)
	for i := range prefs.MaxPerChannel - 1 {
		f.save(t, "ios", map[string]any{"token": fmt.Sprintf("%064x", i)})
	}
	_, err = f.Save(t.Context(), "ada", "ios", map[string]any{"token": strings.Repeat("cd", 32)}, "")
	require.ErrorIs(t, err, prefs.ErrTooManyTargets)
}
