package hipchat_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/hipchat"
	"tocsin/farend"
	"tocsin/schema"
)

func delivery(eventType, name string) schema.Delivery {
	data, err := json.Marshal(map[string]string{"uid": "5999b763", "name": name, "environment": "production"})
	if err != nil {
		panic(err)
	}
	return schema.Delivery{Event: schema.Event{ID: "1", Source: "/test", Type: eventType, Account: "acme",
		Time: time.Unix(1640995200, 0).UTC(), Link: "https://app.example.com/?a=1&b=2", Data: data}}
}

func TestMessageInTheRoom(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "1", "2"} {
		for eventType, want := range map[string]struct {
			color  string
			notify bool
		}{
			"stack.redeploy.ok":    {"green", false},
			"stack.redeploy.fail":  {"red", true},
			"stack.deploy.started": {"yellow", false},
		} {
			log := &farend.Log{}
			channel := openAt(t, newServer(t, log).URL())
			require.NoError(t, channel.Send(t.Context(), delivery(eventType, `<b>"R&D"</b>`), target(t, version)))
			received, _ := log.Since(0)
			require.Len(t, received, 1)
			require.Equal(t, room, received[0].To)
			require.Equal(t, channels.Describe(delivery(eventType, `<b>"R&D"</b>`).Event).Title, received[0].Title)
			require.Contains(t, received[0].HTML, `&lt;b&gt;&#34;R&amp;D&#34;&lt;/b&gt;`)
			require.Contains(t, received[0].HTML, `<a href="https://app.example.com/?a=1&amp;b=2">`)
			require.Equal(t, shown{"Tocsin", "html", want.color, want.notify}, shownBy(t, version, received[0].Raw))
		}
	}
}

// shown is how the request asks for the message to be shown.
type shown struct {
	From   string `json:"from"`
	Format string `json:"message_format"`
	Color  string `json:"color"`
	Notify bool   `json:"notify"`
}

func shownBy(t *testing.T, version, raw string) shown {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	if version == "2" {
		require.Contains(t, head, "POST /v2/room/Ops%20%2F%20night/notification HTTP/1.1")
		require.Contains(t, head, "Authorization: Bearer "+token)
		var s shown
		require.NoError(t, json.Unmarshal([]byte(body), &s))
		return s
	}
	require.Contains(t, head, "POST /v1/rooms/message HTTP/1.1")
	require.NotContains(t, head, token, "neither the query nor a header carries the token")
	form, err := url.ParseQuery(body)
	require.NoError(t, err)
	return shown{form.Get("from"), form.Get("message_format"), form.Get("color"), form.Get("notify") == "1"}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	soon := strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)
	past := strconv.FormatInt(time.Now().Add(-time.Minute).Unix(), 10)
	far := "99999999999"
	for name, c := range map[string]struct {
		version    string
		answer     farend.HookAnswer
		kind       channels.Kind
		from, upTo time.Duration
	}{
		"200 that is not HipChat's":    {"1", farend.HookAnswer{Status: 200, Body: 100}, channels.Temporary, 0, 0},
		"v2 with the success of v1":    {"2", farend.HookAnswer{Status: 200}, channels.Temporary, 0, 0},
		"redirect":                     {"1", farend.HookAnswer{Status: 302, Header: http.Header{"Location": {"/"}}}, channels.Permanent, 0, 0},
		"bad parameters":               {"1", farend.HookAnswer{Status: 400}, channels.Permanent, 0, 0},
		"unknown token":                {"2", farend.HookAnswer{Status: 401}, channels.Permanent, 0, 0},
		"token that may not send":      {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "57", soon)}, channels.Permanent, 0, 0},
		"403 without headers":          {"1", farend.HookAnswer{Status: 403}, channels.Permanent, 0, 0},
		"rate limit":                   {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", soon)}, channels.Temporary, time.Second, time.Minute},
		"rate limit that has passed":   {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", past)}, channels.Temporary, 0, 0},
		"rate limit without end":       {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", "soon")}, channels.Temporary, 0, 0},
		"rate limit of years":          {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", far)}, channels.Temporary, 24 * time.Hour, 24 * time.Hour},
		"429":                          {"2", farend.HookAnswer{Status: 429, Header: rateHeader("X-RateLimit-", "0", soon)}, channels.Temporary, time.Second, time.Minute},
		"429 with Retry-After":         {"2", farend.HookAnswer{Status: 429, Header: http.Header{"Retry-After": {"90"}}}, channels.Temporary, 90 * time.Second, 90 * time.Second},
		"flood, and requests are left": {"2", farend.HookAnswer{Status: 429, Header: rateHeader("X-RateLimit-", "57", far)}, channels.Temporary, 0, 0},
		"server error":                 {"1", farend.HookAnswer{Status: 500}, channels.Temporary, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, &farend.Log{})
			server.Answer(room, c.answer)
			f := channels.FailureOf(openAt(t, server.URL()).Send(t.Context(), delivery("job.fail", "nightly"), target(t, c.version)))
			require.Error(t, f.Err)
			require.Equal(t, c.kind, f.Kind, f.Err)
			require.Equal(t, strconv.Itoa(c.answer.Status), f.Status)
			require.GreaterOrEqual(t, f.Wait, c.from)
			require.LessOrEqual(t, f.Wait, c.upTo)
		})
	}
}

// The server's own refusals, by its rules and in its words.
func TestServerRefuses(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2"} {
		server := newServer(t, &farend.Log{})
		channel := openAt(t, server.URL())
		for status, settings := range map[string]hipchat.Settings{
			"401": {Token: "unknown", Room: room, APIVersion: version},
			"404": {Token: token, Room: "nowhere", APIVersion: version},
		} {
			raw, err := json.Marshal(settings)
			require.NoError(t, err)
			f := channels.FailureOf(channel.Send(t.Context(), delivery("job.fail", "nightly"), channels.Target{Settings: raw}))
			require.Equal(t, channels.Permanent, f.Kind)
			require.Equal(t, status, f.Status)
		}
		server.Limit(1, 5*time.Minute)
		require.NoError(t, channel.Send(t.Context(), delivery("job.fail", "nightly"), target(t, version)))
		f := channels.FailureOf(channel.Send(t.Context(), delivery("job.fail", "nightly"), target(t, version)))
		require.Equal(t, channels.Temporary, f.Kind)
		require.Positive(t, f.Wait)
		require.LessOrEqual(t, f.Wait, 5*time.Minute)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	require.False(t, (&hipchat.Config{}).Present())
	for _, bad := range []string{"", "chat.example.com", "ftp://chat.example.com", "https://u:p@chat.example.com", "https://chat.example.com/?a=b", "https://", "https://chat.example.com/#x", "://"} {
		_, err := (&hipchat.Config{URL: bad}).Open()
		require.ErrorContains(t, err, "TOCSIN_HIPCHAT_URL", bad)
	}
	for _, good := range []string{"https://chat.example.com", "http://10.0.0.1:8080/hipchat/"} {
		_, err := (&hipchat.Config{URL: good}).Open()
		require.NoError(t, err, good)
		require.True(t, (&hipchat.Config{URL: good}).Present())
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for settings, why := range map[string]string{
		`{"token":"t","room":"Ops"}`:                   "",
		`{"token":"t","room":"Ops","api_version":"2"}`: "",
		`{"token":"t","room":"Ops","api_version":"3"}`: "API version must be 1 or 2",
		`{"token":"t","room":"Ops","api_version":2}`:   "not an object of texts",
		`{"token":"t t","room":"Ops"}`:                 "token holds a character",
		`{"token":"t\n","room":"Ops"}`:                 "token holds a character",
		`{"room":"Ops"}`:                               "token is needed",
		`{"token":"t","room":" "}`:                     "room is needed",
		`{"token":"t","room":".."}`:                    "not a room's name",
		`{"token":"t","room":"a\nb"}`:                  "not a room's name",
	} {
		err := hipchat.Spec().Check(json.RawMessage(settings))
		if why == "" {
			require.NoError(t, err, settings)
			continue
		}
		require.ErrorContains(t, err, why, settings)
	}
}
