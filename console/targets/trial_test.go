package targets_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/console/targets"
	"tocsin/farend"
	"tocsin/prefs"
)

func (f *fixture) try(t *testing.T, channel string) targets.Report {
	t.Helper()
	report, err := f.Test(t.Context(), "ada", channel, "main", "stack.redeploy.fail")
	require.NoError(t, err)
	return report
}

func TestTestTellsWhatPassed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": f.hook.URL() + "/a"})
	f.hook.Answer("/a", farend.HookAnswer{Status: 202, Text: "thank you", Header: http.Header{"X-Served-By": {"web-1"}}})
	report := f.try(t, "webhook")
	require.True(t, report.Delivered)
	require.Equal(t, "202", report.Status)
	require.Equal(t, "thank you", report.Excerpt)
	require.Equal(t, []string{"web-1"}, report.Headers["X-Served-By"])
	require.Contains(t, report.Signed, `"event_type":"stack.redeploy.fail"`)
	require.Empty(t, report.Error+report.Advice)

	report = f.try(t, "email")
	require.True(t, report.Delivered, "%+v", report)
	require.True(t, strings.HasPrefix(report.Status, "250"), report.Status)

	f.save(t, "hipchat", map[string]any{"token": roomToken, "room": room})
	require.True(t, f.try(t, "hipchat").Delivered)
}

func TestTestSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": f.hook.URL() + "/a"})
	for advice, answer := range map[string]farend.HookAnswer{
		"credentials":           {Status: 401},
		"nothing at this":       {Status: 404},
		"takes no POST":         {Status: 405},
		"no more":               {Status: 410},
		"too large":             {Status: 413},
		"too often":             {Status: 429},
		"redirects are not":     {Status: 302, Header: http.Header{"Location": {"https://example.com/"}}},
		"a fault of its own":    {Status: 500},
		"gave no answer":        {Drop: true},
		"Trying again would no": {Status: 400},
	} {
		f.hook.Answer("/a", answer)
		report, err := f.Test(t.Context(), "ada", "webhook", "main", "job.fail")
		if too := (*targets.TooOften)(nil); err != nil {
			require.ErrorAs(t, err, &too)
			break
		}
		require.False(t, report.Delivered)
		require.NotEmpty(t, report.Error)
		require.Contains(t, report.Advice, advice, "%+v", answer)
	}
	view := f.get(t, "webhook")
	require.NotEqual(t, targets.Off, view.Targets[0].Health.State, "a test switches nothing off")
}

func TestTestsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": f.hook.URL() + "/a"})
	for range 10 {
		f.try(t, "webhook")
	}
	_, err := f.Test(t.Context(), "ada", "webhook", "main", "job.fail")
	var often *targets.TooOften
	require.ErrorAs(t, err, &often)
	require.Positive(t, often.Wait)
	require.Len(t, f.arrived(), 10)
}

// A receiver that repeats what it is sent gives no credential to the page.
func TestTestShowsNoCredential(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const bearer = "canary-bearer-token"
	secret := f.save(t, "webhook", map[string]any{
		"url": f.hook.URL() + "/a", "headers": "Authorization: Bearer " + bearer + "\nX-Key: canary-second-key",
	}).Shown["secret"]
	f.hook.Answer("/a", farend.HookAnswer{Status: 500, Text: "got Bearer " + bearer + " canary-second-key " + secret, Header: http.Header{"X-Echo": {bearer}}})
	report, err := json.Marshal(f.try(t, "webhook"))
	require.NoError(t, err)
	for _, canary := range []string{bearer, "canary-second-key", secret} {
		require.NotContains(t, string(report), canary)
	}
	require.Contains(t, string(report), "got … … …")

	f.save(t, "slack", map[string]any{"url": f.hook.URL() + "/services/canary-path"})
	f.hook.Answer("/services/canary-path", farend.HookAnswer{Status: 404, Text: "no /services/canary-path"})
	report, err = json.Marshal(f.try(t, "slack"))
	require.NoError(t, err)
	require.NotContains(t, string(report), "canary-path")
}

func TestTestOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Test(t.Context(), "ada", "webhook", "main", "job.fail")
	require.ErrorIs(t, err, prefs.ErrNoTarget)
	_, err = f.Test(t.Context(), "nobody", "webhook", "main", "job.fail")
	require.ErrorIs(t, err, prefs.ErrNoUser)
	_, err = f.Test(t.Context(), "ada", "ios", "main", "job.fail")
	require.ErrorIs(t, err, targets.ErrNotHere)
	_, err = f.Test(t.Context(), "ada", "webhook", "main", "moon.full")
	requireInvalid(t, err, "type", "not an event type")
}
