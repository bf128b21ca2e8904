package hipchat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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
		"redirect":                     {"1", farend.HookAnswer{Status: 302, Header: http.Header{"Location": {"/"}}}, channels.Misconfigured, 0, 0},
		"401 of a proxy":               {"2", farend.HookAnswer{Status: 401, Text: "<html>"}, channels.Misconfigured, 0, 0},
		"404 of another server":        {"1", farend.HookAnswer{Status: 404}, channels.Misconfigured, 0, 0},
		"405 of another server":        {"1", farend.HookAnswer{Status: 405}, channels.Misconfigured, 0, 0},
		"404 without such a method":    {"1", farend.HookAnswer{Status: 404, Text: envelope(404, "Method not found")}, channels.Misconfigured, 0, 0},
		"404 that says 403":            {"1", farend.HookAnswer{Status: 404, Text: envelope(403, "")}, channels.Misconfigured, 0, 0},
		"unknown room":                 {"1", farend.HookAnswer{Status: 404, Text: envelope(404, "Room not found")}, channels.Gone, 0, 0},
		"unknown token":                {"2", farend.HookAnswer{Status: 401, Text: envelope(401, "Invalid OAuth session")}, channels.Gone, 0, 0},
		"bad parameters":               {"1", farend.HookAnswer{Status: 400}, channels.Permanent, 0, 0},
		"token that may not send":      {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "57", soon)}, channels.Permanent, 0, 0},
		"403 without headers":          {"1", farend.HookAnswer{Status: 403}, channels.Permanent, 0, 0},
		"rate limit in words":          {"1", farend.HookAnswer{Status: 403, Text: envelope(403, "Rate limit exceeded")}, channels.Temporary, 0, 0},
		"rate limit":                   {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", soon)}, channels.Temporary, time.Second, time.Minute},
		"rate limit that has passed":   {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", past)}, channels.Temporary, 0, 0},
		"rate limit without end":       {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", "soon")}, channels.Temporary, 0, 0},
		"rate limit of years":          {"1", farend.HookAnswer{Status: 403, Header: rateHeader("X-RateLimit-", "0", far)}, channels.Temporary, 24 * time.Hour, 24 * time.Hour},
		"flood":                        {"2", farend.HookAnswer{Status: 429, Header: rateHeader("X-FloodControl-", "0", soon)}, channels.Temporary, time.Second, time.Minute},
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
			require.LessOrEqual(t, f.Wait, c.upTo+time.Second) // the server names whole seconds
			require.Equal(t, f.Kind == channels.Gone, !f.Since.IsZero(), "a room saved later is kept")
		})
	}
}

func envelope(code int, message string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"type":"x","message":%q}}`, code, message)
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
			require.Equal(t, channels.Gone, f.Kind)
			require.Equal(t, status, f.Status)
			require.False(t, f.Since.After(time.Now()))
		}
		server.Limit(1, 5*time.Minute)
		require.NoError(t, channel.Send(t.Context(), delivery("job.fail", "nightly"), target(t, version)))
		f := channels.FailureOf(channel.Send(t.Context(), delivery("job.fail", "nightly"), target(t, version)))
		require.Equal(t, channels.Temporary, f.Kind)
		require.Positive(t, f.Wait)
		require.LessOrEqual(t, f.Wait, 5*time.Minute+time.Second)
	}
}

// A room takes thirty messages a minute; the next one is told when to come.
func TestFloodControl(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	channel := openAt(t, newServer(t, log).URL())
	for range hipchat.Spec().Rate.Messages {
		require.NoError(t, channel.Send(t.Context(), delivery("job.fail", "nightly"), target(t, "2")))
	}
	f := channels.FailureOf(channel.Send(t.Context(), delivery("job.fail", "nightly"), target(t, "2")))
	require.Equal(t, channels.Temporary, f.Kind)
	require.Positive(t, f.Wait)
	require.LessOrEqual(t, f.Wait, hipchat.Spec().Rate.Per+time.Second)
}

func TestDigestInTheRoom(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2"} {
		log := &farend.Log{}
		digester, ok := openAt(t, newServer(t, log).URL()).(channels.Digester)
		require.True(t, ok)
		also := []channels.Brief{{Text: "Job <nightly> failed", Outcome: schema.Bad}, {Text: "Server web-1 is back", Outcome: schema.Good}}
		require.NoError(t, digester.SendDigest(t.Context(), delivery("stack.redeploy.ok", "Ledger"), also, target(t, version)))
		received, _ := log.Since(0)
		require.Len(t, received, 1)
		require.Equal(t, "200", map[string]string{"1": received[0].Status, "2": "200"}[version])
		require.Equal(t, "Redeploy of Ledger succeeded", received[0].Title)
		require.Contains(t, received[0].Text, "\n• Job <nightly> failed\n• Server web-1 is back")
		require.Equal(t, shown{"Tocsin", "html", "red", true}, shownBy(t, version, received[0].Raw))
		require.NotContains(t, received[0].Raw, `"card"`, "clients would show it in place of the message")
	}
}

func TestCardInTheRoom(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	d := delivery("stack.redeploy.fail", "Ledger")
	require.NoError(t, openAt(t, newServer(t, log).URL()).Send(t.Context(), d, target(t, "2")))
	received, _ := log.Since(0)
	_, body, _ := strings.Cut(received[0].Raw, "\r\n\r\n")
	var sent struct {
		Card struct {
			ID, Style, Title, URL string
			Attributes            []struct {
				Label string
				Value struct{ Label string }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &sent))
	n := channels.Describe(d.Event)
	require.Equal(t, []string{d.ID(), "application", n.Title, n.Link}, []string{sent.Card.ID, sent.Card.Style, sent.Card.Title, sent.Card.URL})
	require.Len(t, sent.Card.Attributes, len(n.Facts))
	for i, fact := range n.Facts {
		require.Equal(t, []string{fact.Label, fact.Value}, []string{sent.Card.Attributes[i].Label, sent.Card.Attributes[i].Value.Label})
	}
}

func TestServerWithoutCardsGetsTheMessage(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	server := newServer(t, log)
	server.Answer(room, farend.HookAnswer{Status: 400})
	require.NoError(t, openAt(t, server.URL()).Send(t.Context(), delivery("job.fail", "nightly"), target(t, "2")))
	received, _ := log.Since(0)
	require.Len(t, received, 2)
	require.Contains(t, received[0].Raw, `"card"`)
	require.NotContains(t, received[1].Raw, `"card"`)
}

func TestTrialIsObserved(t *testing.T) {
	t.Parallel()
	server := newServer(t, &farend.Log{})
	channel := openAt(t, server.URL())
	trial := channels.Try(t.Context(), channel, delivery("job.fail", "nightly"), target(t, "1"))
	require.NoError(t, trial.Err)
	require.Equal(t, "200", trial.Status)
	require.JSONEq(t, `{"status":"sent"}`, trial.Excerpt)
	require.Equal(t, []string{"99"}, trial.Header["X-Ratelimit-Remaining"])

	server.Answer(room, farend.HookAnswer{Status: 403, Text: "token " + token + strings.Repeat("é", 2000)})
	trial = channels.Try(t.Context(), channel, delivery("job.fail", "nightly"), target(t, "1"))
	require.Error(t, trial.Err)
	require.Equal(t, "403", trial.Status)
	require.True(t, strings.HasPrefix(trial.Excerpt, "token …é"))
	require.LessOrEqual(t, len(trial.Excerpt), channels.ExcerptBytes)
	require.True(t, utf8.ValidString(trial.Excerpt))
}
