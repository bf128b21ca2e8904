package webhook

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/outbound"
	"tocsin/farend"
	"tocsin/schema"
)

// local opens the channel with 127.0.0.0/8 allowed.
func local(timeout time.Duration) *channel { return open(timeout, loopback()) }

func loopback() outbound.Policy {
	return outbound.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Variable: allowVariable}
}

func target(t *testing.T, url string) channels.Target {
	t.Helper()
	return settingsOf(t, Settings{URL: url, Secret: goldenSecret})
}

func settingsOf(t *testing.T, s Settings) channels.Target {
	t.Helper()
	settings, err := json.Marshal(s)
	require.NoError(t, err)
	return channels.Target{ID: channels.MainTarget, Settings: settings}
}

func delivery() schema.Delivery {
	return schema.Delivery{
		Event: schema.Event{ID: "1", Source: "/test", Type: "stack.redeploy.ok", Account: "acme",
			Time: time.Unix(1640995200, 0), Data: []byte(`{"uid":"5999b763474b0eafa5fafb64bff0ba80"}`)},
		User: "grace", Channel: "webhook", Target: channels.MainTarget,
	}
}

func newHook(t *testing.T) (*farend.Hook, *farend.Log) {
	t.Helper()
	log := &farend.Log{}
	hook, err := farend.NewHook(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	return hook, log
}

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	hook.Verify("/hook", goldenSecret)
	require.NoError(t, local(15*time.Second).Send(t.Context(), delivery(), target(t, hook.URL()+"/hook?q=1")))
	received, _ := log.Since(0)
	require.Len(t, received, 1)
	require.Equal(t, delivery().ID(), received[0].Delivery)
	require.Equal(t, `{"timestamp":1640995200,"event_type":"stack.redeploy.ok","uid":"5999b763474b0eafa5fafb64bff0ba80"}`, received[0].Text)
	require.Contains(t, received[0].Raw, "POST /hook?q=1 HTTP/1.1\r\n")
	require.Contains(t, received[0].Raw, "Content-Type: application/json\r\n")
	require.Regexp(t, `User-Agent: Tocsin/\S+\r\n`, received[0].Raw)
	require.NotContains(t, received[0].Raw, "Tocsin-Replay")
}

func TestReceiverIsToldOfAReplay(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	d := delivery()
	d.Replays = 2
	require.NoError(t, local(15*time.Second).Send(t.Context(), d, target(t, hook.URL())))
	received, _ := log.Since(0)
	require.Len(t, received, 1)
	require.Contains(t, received[0].Raw, "Tocsin-Replay: 2\r\n")
	require.Equal(t, delivery().ID(), received[0].Delivery)
}

func TestBothSecretsSignDuringRotation(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	newest, previous := NewSecret(), NewSecret()
	hook.Verify("/newest", newest)
	hook.Verify("/previous", previous)
	for path, statuses := range map[string][2]string{"/newest": {"200", "200"}, "/previous": {"200", "401"}} {
		for i, until := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Second)} {
			raw, err := json.Marshal(Settings{URL: hook.URL() + path, Secret: newest, PreviousSecret: previous, PreviousUntil: until})
			require.NoError(t, err)
			_ = local(15*time.Second).Send(t.Context(), delivery(), channels.Target{Settings: raw})
			received, _ := log.Since(0)
			require.Equal(t, statuses[i], received[len(received)-1].Status, path)
		}
	}
}

func TestOutcomeByStatus(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	c := local(15 * time.Second)
	retry := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	for _, want := range []struct {
		answer farend.HookAnswer
		kind   channels.Kind
		reason string
		wait   time.Duration
	}{
		{farend.HookAnswer{Status: 301, Header: http.Header{"Location": {"/other"}}}, channels.Permanent, "endpoint answered 301 Moved Permanently", 0},
		{farend.HookAnswer{Status: 302, Header: http.Header{"Location": {"http://10.0.0.1/"}}}, channels.Permanent, "endpoint answered 302 Found", 0},
		{farend.HookAnswer{Status: 400}, channels.Permanent, "endpoint answered 400 Bad Request", 0},
		{farend.HookAnswer{Status: 401, Header: retry("30")}, channels.Permanent, "endpoint answered 401 Unauthorized", 0},
		{farend.HookAnswer{Status: 404}, channels.Permanent, "endpoint answered 404 Not Found", 0},
		{farend.HookAnswer{Status: 408}, channels.Temporary, "endpoint answered 408 Request Timeout", 0},
		{farend.HookAnswer{Status: 410}, channels.Gone, "endpoint answered 410 Gone", 0},
		{farend.HookAnswer{Status: 425}, channels.Temporary, "endpoint answered 425 Too Early", 0},
		{farend.HookAnswer{Status: 429, Header: retry("90")}, channels.Temporary, "endpoint answered 429 Too Many Requests", 90 * time.Second},
		{farend.HookAnswer{Status: 500, Header: retry("7")}, channels.Temporary, "endpoint answered 500 Internal Server Error", 7 * time.Second},
		{farend.HookAnswer{Status: 503, Header: retry("172800")}, channels.Temporary, "endpoint answered 503 Service Unavailable", 24 * time.Hour},
		{farend.HookAnswer{Status: 599}, channels.Temporary, "endpoint answered 599", 0},
	} {
		hook.Answer("/hook", want.answer)
		started := time.Now()
		f := channels.FailureOf(c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
		require.EqualError(t, f.Err, want.reason)
		require.Equal(t, want.kind, f.Kind, want.reason)
		require.Equal(t, want.wait, f.Wait, want.reason)
		require.Contains(t, want.reason, f.Status)
		require.Equal(t, want.kind == channels.Gone, !f.Since.IsZero(), want.reason)
		require.False(t, f.Since.After(time.Now()))
		require.True(t, f.Since.IsZero() || !f.Since.Before(started))
	}
	for _, status := range []int{200, 201, 202, 204, 299} {
		hook.Answer("/hook", farend.HookAnswer{Status: status})
		require.NoError(t, c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
	}
}

// The receiver's own word to stop is heard on whatever answer but a success.
func TestReceiverAsksToStop(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	c := local(15 * time.Second)
	saying := func(status int, words ...string) farend.HookAnswer {
		return farend.HookAnswer{Status: status, Header: http.Header{"Webhook-Delivery": words, "Retry-After": {"30"}}}
	}
	const stop, gone = " and asked not to be sent this again", " and asked for no more webhooks"
	for _, want := range []struct {
		answer farend.HookAnswer
		kind   channels.Kind
		reason string
	}{
		{saying(503, "abort-message"), channels.Permanent, "endpoint answered 503 Service Unavailable" + stop},
		{saying(429, "Abort-Message "), channels.Permanent, "endpoint answered 429 Too Many Requests" + stop},
		{saying(400, "abort-message"), channels.Permanent, "endpoint answered 400 Bad Request" + stop},
		{saying(302, "disable"), channels.Gone, "endpoint answered 302 Found" + gone},
		{saying(500, "abort-message, disable"), channels.Gone, "endpoint answered 500 Internal Server Error" + gone},
		{saying(500, "abort-message", "disable"), channels.Gone, "endpoint answered 500 Internal Server Error" + gone},
		{saying(410, "abort-message"), channels.Gone, "endpoint answered 410 Gone"},
		{saying(500, "disabled"), channels.Temporary, "endpoint answered 500 Internal Server Error"},
	} {
		hook.Answer("/hook", want.answer)
		f := channels.FailureOf(c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
		require.EqualError(t, f.Err, want.reason)
		require.Equal(t, want.kind, f.Kind, want.reason)
		require.Equal(t, want.kind == channels.Temporary, f.Wait > 0, want.reason)
		require.Equal(t, want.kind == channels.Gone, !f.Since.IsZero(), want.reason)
	}
	hook.Answer("/hook", saying(200, "disable"))
	require.NoError(t, c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Status: 307, Header: http.Header{"Location": {hook.URL() + "/other"}}})
	require.Error(t, local(15*time.Second).Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
	received, _ := log.Since(0)
	require.Len(t, received, 1)
}

func TestOwnTimeout(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Hang: true})
	f := channels.FailureOf(local(300*time.Millisecond).Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
	require.EqualError(t, f.Err, "no answer within 300ms")
	require.Equal(t, channels.Temporary, f.Kind)
}

func TestEndpointsOwnTimeout(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Hang: true})
	to := settingsOf(t, Settings{URL: hook.URL() + "/hook", Secret: goldenSecret, Timeout: "1s"})
	require.EqualError(t, local(25*time.Second).Send(t.Context(), delivery(), to), "no answer within 1s")
}

func TestStaticHeaders(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	hook.Verify("/hook", goldenSecret)
	to := settingsOf(t, Settings{URL: hook.URL() + "/hook", Secret: goldenSecret,
		Headers: Headers{"authorization": "Bearer t0ken", "X-Team": "Ops, night"}})
	require.NoError(t, local(15*time.Second).Send(t.Context(), delivery(), to))
	received, _ := log.Since(0)
	require.Contains(t, received[0].Raw, "Authorization: Bearer t0ken\r\n")
	require.Contains(t, received[0].Raw, "X-Team: Ops, night\r\n")
}

// A receiver that knows only one kind of key finds its signature among both.
func TestSecretAndSigningKeyBothSign(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	secret := NewSecret()
	private, public := NewSigningKey()
	_, another := NewSigningKey()
	hook.Verify("/v1", secret)
	hook.Verify("/v1a", public)
	hook.Verify("/another", another)
	for path, statuses := range map[string][3]string{"/v1": {"200", "200", "401"}, "/v1a": {"200", "401", "200"}, "/another": {"401", "401", "401"}} {
		for i, keys := range []Settings{{Secret: secret, SigningKey: private}, {Secret: secret}, {SigningKey: private}} {
			keys.URL = hook.URL() + path
			_ = local(15*time.Second).Send(t.Context(), delivery(), settingsOf(t, keys))
			received, _ := log.Since(0)
			require.Equal(t, statuses[i], received[len(received)-1].Status, "%s with keys %d", path, i)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	hook, authority, err := farend.NewTLSHook(log, farend.HookTLS{Mutual: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	certificate, key, err := authority.NewClient("tocsin")
	require.NoError(t, err)
	policy := loopback()
	policy.Roots = authority.Roots()
	c := open(15*time.Second, policy)
	s := Settings{URL: hook.URL() + "/hook", Secret: goldenSecret}
	require.Equal(t, channels.Temporary, channels.FailureOf(c.Send(t.Context(), delivery(), settingsOf(t, s))).Kind)
	s.ClientCert, s.ClientKey = certificate, key
	require.NoError(t, c.Send(t.Context(), delivery(), settingsOf(t, s)))
	received, _ := log.Since(0)
	require.Len(t, received, 1)
}

func TestTrialShowsWhatWasSigned(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Status: 201, Text: "taken", Header: http.Header{"Set-Cookie": {"a=b"}}})
	trial := channels.Try(t.Context(), local(15*time.Second), delivery(), target(t, hook.URL()+"/hook"))
	require.NoError(t, trial.Err)
	require.Equal(t, "201", trial.Status)
	require.Equal(t, "taken", trial.Excerpt)
	require.NotContains(t, trial.Header, "Set-Cookie")
	received, _ := log.Since(0)
	require.Regexp(t, `^`+delivery().ID()+`\.\d{10}\.`, trial.Signed)
	require.True(t, strings.HasSuffix(trial.Signed, "."+received[0].Text), trial.Signed)

	long := delivery()
	long.Event.Data = []byte(`{"text":"` + strings.Repeat("ü", channels.ExcerptBytes) + `"}`)
	trial = channels.Try(t.Context(), local(15*time.Second), long, target(t, hook.URL()+"/hook"))
	require.LessOrEqual(t, len(trial.Signed), channels.ExcerptBytes)
	require.True(t, utf8.ValidString(trial.Signed))
}

// What the fleet knows beside the event is for people: the body stays the data.
func TestBodyHoldsNothingOfTheOutage(t *testing.T) {
	t.Parallel()
	d := delivery()
	d.Event.Type = "server.backon"
	plain, err := newMessage(d, d.Event.Time)
	require.NoError(t, err)
	d.Since = d.Event.Time.Add(-time.Hour)
	known, err := newMessage(d, d.Event.Time)
	require.NoError(t, err)
	require.Equal(t, plain, known)
}
