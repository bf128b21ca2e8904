package slack

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/outbound"
	"tocsin/farend"
	"tocsin/schema"
)

func newSlack(t *testing.T) (*farend.Slack, *farend.Log) {
	t.Helper()
	log := &farend.Log{}
	server, err := farend.NewSlack(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server, log
}

func local() *channel {
	return open(outbound.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Variable: allowVariable})
}

func target(t *testing.T, url string) channels.Target {
	t.Helper()
	settings, err := json.Marshal(Settings{URL: url})
	require.NoError(t, err)
	return channels.Target{ID: channels.MainTarget, Settings: settings}
}

func delivery(eventType, name string) schema.Delivery {
	data, err := json.Marshal(map[string]string{"uid": "5999b763", "name": name, "environment": "production"})
	if err != nil {
		panic(err)
	}
	return schema.Delivery{Event: schema.Event{ID: "1", Source: "/test", Type: eventType, Account: "acme",
		Time: time.Unix(1640995200, 0).UTC(), Link: "https://app.example.com/?a=1&b=2", Data: data}}
}

func TestMessageInTheChannel(t *testing.T) {
	t.Parallel()
	server, log := newSlack(t)
	for _, path := range []string{farend.SlackHook, farend.MattermostHook, farend.DiscordHook} {
		require.NoError(t, local().Send(t.Context(), delivery("stack.redeploy.fail", `<!channel> R&D`), target(t, server.URL()+path)), path)
		received, _ := log.Since(0)
		last := received[len(received)-1]
		require.Equal(t, "Redeploy of <!channel> R&D failed", last.Title)
		require.Contains(t, last.Text, "\nEnvironment: production\n")
		require.Contains(t, last.Raw, "Content-Type: application/json\r\n")
		require.Regexp(t, `User-Agent: Tocsin/\S+\r\n`, last.Raw)
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	server, _ := newSlack(t)
	c := local()
	to := target(t, server.URL()+farend.SlackHook)
	text := func(status int, text string) farend.HookAnswer { return farend.HookAnswer{Status: status, Text: text} }
	after := func(seconds, body string) farend.HookAnswer {
		return farend.HookAnswer{Status: 429, Text: body, Header: http.Header{"Retry-After": {seconds}}}
	}
	for _, want := range []struct {
		answer farend.HookAnswer
		kind   channels.Kind
		status string
		reason string
		wait   time.Duration
	}{
		{text(302, ""), channels.Permanent, "302", "chat server answered 302 Found", 0},
		{text(400, "invalid_payload"), channels.Permanent, "400 invalid_payload", "chat server answered 400 Bad Request: invalid_payload", 0},
		{text(400, "no_text\n"), channels.Permanent, "400 no_text", "chat server answered 400 Bad Request: no_text", 0},
		{text(400, farend.SlackHook), channels.Permanent, "400", "chat server answered 400 Bad Request", 0},
		{text(401, ""), channels.Gone, "401", "chat server answered 401 Unauthorized", 0},
		{text(403, "action_prohibited"), channels.Permanent, "403 action_prohibited", "chat server answered 403 Forbidden: action_prohibited", 0},
		{text(403, "invalid_token"), channels.Gone, "403 invalid_token", "chat server answered 403 Forbidden: invalid_token", 0},
		{text(404, "channel_not_found"), channels.Permanent, "404 channel_not_found", "chat server answered 404 Not Found: channel_not_found", 0},
		{text(404, "no_service"), channels.Gone, "404 no_service", "chat server answered 404 Not Found: no_service", 0},
		{text(404, "<html>"), channels.Gone, "404", "chat server answered 404 Not Found", 0},
		{text(410, "channel_is_archived"), channels.Gone, "410 channel_is_archived", "chat server answered 410 Gone: channel_is_archived", 0},
		{text(413, ""), channels.Permanent, "413", "chat server answered 413 Request Entity Too Large", 0},
		{text(500, "rollup_error"), channels.Temporary, "500 rollup_error", "chat server answered 500 Internal Server Error: rollup_error", 0},
		{text(503, ""), channels.Temporary, "503", "chat server answered 503 Service Unavailable", 0},
		{after("30", "rate_limited"), channels.Temporary, "429 rate_limited", "chat server answered 429 Too Many Requests: rate_limited", 30 * time.Second},
		{after("64", `{"message":"x","retry_after":64.57,"global":false}`), channels.Temporary, "429", "chat server answered 429 Too Many Requests", 65 * time.Second},
		{after("90", `{"retry_after":0.3}`), channels.Temporary, "429", "chat server answered 429 Too Many Requests", 90 * time.Second},
	} {
		server.Answer(farend.SlackHook, want.answer)
		f := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "nightly"), to))
		require.EqualError(t, f.Err, want.reason)
		require.Equal(t, want.kind, f.Kind, want.reason)
		require.Equal(t, want.status, f.Status)
		require.Equal(t, want.wait, f.Wait, want.reason)
		require.Equal(t, want.kind == channels.Gone, !f.Since.IsZero(), want.reason)
	}
	for _, status := range []int{200, 204} {
		server.Answer(farend.SlackHook, farend.HookAnswer{Status: status})
		require.NoError(t, c.Send(t.Context(), delivery("job.fail", "nightly"), to))
	}
}

// A webhook that was removed is gone, however its server says so.
func TestRemovedWebhooks(t *testing.T) {
	t.Parallel()
	server, _ := newSlack(t)
	for _, path := range []string{farend.SlackHook, farend.MattermostHook, farend.DiscordHook} {
		server.Remove(path)
	}
	for path, status := range map[string]string{
		farend.SlackHook:      "404 no_service",
		"/services/T9/B9/x":   "404 no_team",
		farend.MattermostHook: "400 web.incoming_webhook.invalid.app_error",
		farend.DiscordHook:    "404",
		strings.Replace(farend.DiscordHook, "X", "Y", 1): "401",
	} {
		f := channels.FailureOf(local().Send(t.Context(), delivery("job.fail", "nightly"), target(t, server.URL()+path)))
		require.Equal(t, channels.Gone, f.Kind, path)
		require.Equal(t, status, f.Status, path)
	}
}

func TestRateLimitIsWaitedFor(t *testing.T) {
	t.Parallel()
	server, _ := newSlack(t)
	server.Limit(1, time.Hour)
	for _, path := range []string{farend.SlackHook, farend.MattermostHook, farend.DiscordHook} {
		require.NoError(t, local().Send(t.Context(), delivery("job.fail", "nightly"), target(t, server.URL()+path)))
		f := channels.FailureOf(local().Send(t.Context(), delivery("job.fail", "nightly"), target(t, server.URL()+path)))
		require.Equal(t, channels.Temporary, f.Kind)
		require.InDelta(t, time.Hour.Seconds(), f.Wait.Seconds(), 60, path)
	}
}

func TestTrialShowsTheAnswer(t *testing.T) {
	t.Parallel()
	server, _ := newSlack(t)
	server.Answer(farend.SlackHook, farend.HookAnswer{Status: 400, Text: "invalid_blocks"})
	trial := channels.Try(t.Context(), local(), delivery("job.fail", "nightly"), target(t, server.URL()+farend.SlackHook))
	require.Error(t, trial.Err)
	require.Equal(t, "400", trial.Status)
	require.Equal(t, "invalid_blocks", trial.Excerpt)
	require.Empty(t, trial.Signed)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	require.False(t, (&Config{}).Present(), "not offered unless it is wanted")
	require.True(t, (&Config{Offered: true}).Present())
	_, err := (&Config{Allow: []string{"intranet"}}).Open()
	require.ErrorContains(t, err, "TOCSIN_SLACK_ALLOW")
	c, err := (&Config{Allow: []string{"10.0.0.0/8"}}).Open()
	require.NoError(t, err)
	f := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "nightly"), target(t, "http://127.0.0.1:8065/hooks/x")))
	require.EqualError(t, f.Err, "refused: 127.0.0.1 is not a public address; the operator can allow it with TOCSIN_SLACK_ALLOW")
	require.Equal(t, channels.Permanent, f.Kind)
	require.EqualError(t, Spec().Check(json.RawMessage(`{"url":"https://hooks.example.com:25/x"}`)), "the URL's port belongs to another protocol than HTTP")
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{`{"retry_after":64.57}`, `{"retry_after":1e308}`, `{"retry_after":-1}`, `{"retry_after":"5"}`, `{"retry_after":1e-9}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		wait := retryAfter(body)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, 24*time.Hour)
		require.Zero(t, wait%time.Second)
	})
}

func TestBackOnSaysHowLongItWasDown(t *testing.T) {
	t.Parallel()
	server, log := newSlack(t)
	d := delivery("server.backon", "web-1")
	d.Since = d.Event.Time.Add(-134 * time.Minute)
	require.NoError(t, local().Send(t.Context(), d, target(t, server.URL()+farend.SlackHook)))
	received, _ := log.Since(0)
	require.Contains(t, received[0].Text, "Down for: 2 h 14 min\n")
}

// All three servers take the longest digest.
func TestDigestInTheChannel(t *testing.T) {
	t.Parallel()
	server, log := newSlack(t)
	also := slices.Repeat([]channels.Brief{{Text: strings.Repeat("&", 200), Outcome: schema.Bad, Time: time.Unix(0, 0)}}, channels.MostBriefs)
	for _, path := range []string{farend.SlackHook, farend.MattermostHook, farend.DiscordHook} {
		require.NoError(t, local().SendDigest(t.Context(), delivery("stack.redeploy.fail", "Ledger"), also, target(t, server.URL()+path)), path)
		received, _ := log.Since(0)
		require.Equal(t, channels.MostBriefs, strings.Count(received[len(received)-1].Text, "00:00 UTC &"), path)
	}
}
