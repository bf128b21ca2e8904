package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/console/api"
	"tocsin/console/links"
	"tocsin/farend"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// story is the records of one event for ada and of one for bob.
func story() []schema.Record {
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	record := func(user string, kind schema.RecordKind, change func(*schema.Record)) schema.Record {
		r := schema.Record{Kind: kind, At: at, Account: "acme", User: user, Source: "/platform/deployer", Event: "c1f3", Type: "job.fail"}
		change(&r)
		return r
	}
	return []schema.Record{
		record("ada", schema.RecordPlanned, func(r *schema.Record) {
			r.Summary = "Job nightly failed"
			r.Deliveries = []schema.Planned{{ID: "d1", Channel: "webhook", Target: "main"}}
			r.Skipped = []schema.Skipped{{Channel: "email", Rule: schema.RuleChosenOff}}
		}),
		record("ada", schema.RecordFailed, func(r *schema.Record) {
			r.Delivery, r.Channel, r.Target, r.Attempt = "d1", "webhook", "main", 1
			r.Status, r.Reason, r.Took, r.Next = "503", "endpoint answered 503", 20*time.Millisecond, at.Add(2*time.Hour)
		}),
		record("bob", schema.RecordPlanned, func(*schema.Record) {}),
	}
}

func TestDeliveriesTellTheStory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	f.ok("PUT", "/v1/accounts/acme/members/ada", "")
	f.records = story()
	var got struct {
		Events []map[string]any
		More   bool
	}
	f.ok("GET", "/v1/users/ada/deliveries", "").into(&got)
	require.Len(t, got.Events, 1)
	event := got.Events[0]
	require.Equal(t, "Job nightly failed", event["summary"])
	require.Equal(t, []any{map[string]any{"channel": "email", "rule": "chosen_off", "why": "switched off by the user"}}, event["skipped"])
	delivery := event["deliveries"].([]any)[0].(map[string]any)
	require.Equal(t, "waiting", delivery["state"])
	require.EqualValues(t, 1, delivery["attempts"])
	require.NotEmpty(t, delivery["next_attempt"])
	history := delivery["history"].([]any)[0].(map[string]any)
	require.Equal(t, "endpoint answered 503", history["reason"])
	require.EqualValues(t, 20, history["milliseconds"])
	require.WithinDuration(t, time.Now().Add(-72*time.Hour), f.asked[0].Since, time.Minute)

	since := "2026-01-02T03:04:05Z"
	f.ok("GET", "/v1/users/ada/deliveries?limit=1&since="+since+"&until=2026-02-02T03:04:05Z", "")
	require.Equal(t, since, f.asked[1].Since.Format(time.RFC3339))
	f.call("GET", "/v1/users/ada/deliveries?since=yesterday", "").refused(422)
	f.call("GET", "/v1/users/ada/deliveries?limit=0", "").refused(422)
	f.call("GET", "/v1/users/ada/deliveries?limit=1001", "").refused(422)

	var members struct{ Members []struct{ User string } }
	f.ok("GET", "/v1/events/%2Fplatform%2Fdeployer/c1f3?account=acme", "").into(&members)
	require.Len(t, members.Members, 2)
	f.call("GET", "/v1/events/%2Fplatform%2Fdeployer/c1f4?account=acme", "").refused(404)
	f.call("GET", "/v1/events/%2Fplatform%2Fdeployer/c1f3?account=other", "").refused(404)
	require.Equal(t, "query.account", f.call("GET", "/v1/events/%2Fplatform%2Fdeployer/c1f3", "").refused(422).Errors[0].Location)
}

func TestPreferencesTellDefaultsFromChoices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	type square struct {
		On, Default, Chosen bool
		SetUp               bool      `json:"set_up"`
		ChosenAt            time.Time `json:"chosen_at"`
	}
	var table struct {
		Channels []string
		Types    []struct {
			Type, Meaning, Group string
			Channels             map[string]square
		}
	}
	before := f.ok("GET", "/v1/users/ada/preferences", "")
	before.into(&table)
	require.Equal(t, []string{"email", "ios", "hipchat", "slack", "webhook"}, table.Channels)
	require.Len(t, table.Types, 13)
	require.Equal(t, "Stack redeployed successfully", table.Types[2].Meaning)
	require.Equal(t, square{On: true, Default: true, SetUp: true}, table.Types[2].Channels["email"])
	require.Equal(t, square{On: true, Default: true}, table.Types[2].Channels["ios"])

	const change = `{"stack.redeploy.ok":{"email":false,"webhook":true},"stack.deploy.started":{"email":true}}`
	after := f.ok("PATCH", "/v1/users/ada/preferences", change, "If-Match", before.header.Get("ETag"))
	after.into(&table)
	got := table.Types[2].Channels["email"]
	require.WithinDuration(t, time.Now(), got.ChosenAt, time.Minute)
	require.False(t, got.On)
	require.True(t, got.Chosen && table.Types[12].Channels["email"].On)
	require.NotEqual(t, before.header.Get("ETag"), after.header.Get("ETag"))

	again := f.ok("PATCH", "/v1/users/ada/preferences", change)
	require.Equal(t, after.header.Get("ETag"), again.header.Get("ETag"), "the same again changes nothing")
	f.call("PATCH", "/v1/users/ada/preferences", change, "If-Match", before.header.Get("ETag")).refused(412)
	f.call("DELETE", "/v1/users/ada/preferences", "", "If-Match", before.header.Get("ETag")).refused(412)
	for _, tag := range []string{"x", "*", `W/"x"`, `"a","b"`, `"a b"`} {
		require.Equal(t, "header.If-Match", f.call("PATCH", "/v1/users/ada/preferences", change, "If-Match", tag).refused(422).Errors[0].Location)
	}
	f.ok("DELETE", "/v1/users/ada/preferences", "", "If-Match", after.header.Get("ETag"))
	require.Equal(t, before.header.Get("ETag"), f.ok("GET", "/v1/users/ada/preferences", "").header.Get("ETag"))

	p := f.call("PATCH", "/v1/users/ada/preferences", `{"moon.full":{"email":true},"job.fail":{"pigeon":true,"email":false}}`).refused(422)
	require.Equal(t, "body.job.fail.pigeon", p.Errors[0].Location)
	require.Equal(t, "body.moon.full", p.Errors[1].Location)
	for _, body := range []string{`{"job.fail":{"email":"no"}}`, `{"job.fail":{"email":1}}`, `{"job.fail":true}`} {
		f.call("PATCH", "/v1/users/ada/preferences", body).refused(422)
	}
	require.Equal(t, before.text, f.ok("GET", "/v1/users/ada/preferences", "").text, "nothing of what was refused is done")
}

func TestPersonIsReplacedAsItWasSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.ok("PUT", "/v1/users/ada", `{"name":"Ada"}`)
	require.Equal(t, first.header.Get("ETag"), f.ok("GET", "/v1/users/ada", "").header.Get("ETag"))
	f.ok("PUT", "/v1/users/ada", `{"name":"Ada Lovelace"}`, "If-Match", first.header.Get("ETag"))
	f.call("PUT", "/v1/users/ada", `{"name":"Augusta"}`, "If-Match", first.header.Get("ETag")).refused(412)
	f.call("PUT", "/v1/users/bob", `{}`, "If-Match", first.header.Get("ETag")).refused(404)

	p := f.call("PUT", "/v1/users/ada", `{"email":"ada","time_zone":"Moon/Tranquility","locale":"!","name":"a\r\nBcc: x"}`).refused(422)
	var fields []string
	for _, e := range p.Errors {
		fields = append(fields, e.Location)
	}
	slices.Sort(fields)
	require.Equal(t, []string{"body.email", "body.locale", "body.name", "body.time_zone"}, fields)
	require.JSONEq(t, `{"name":"Ada Lovelace"}`, f.ok("GET", "/v1/users/ada", "").text)
}

func TestMembersAreListedByPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 25 {
		f.ok("PUT", fmt.Sprintf("/v1/users/u%02d", i), `{}`)
		f.ok("PUT", fmt.Sprintf("/v1/accounts/acme/members/u%02d", i), "")
	}
	var page struct {
		Members []string
		Next    string
	}
	var all []string
	for after := ""; ; after = "&after=" + page.Next {
		page.Next = ""
		f.ok("GET", "/v1/accounts/acme/members?limit=10"+after, "").into(&page)
		all = append(all, page.Members...)
		if page.Next == "" {
			break
		}
	}
	require.Len(t, all, 25)
	require.True(t, slices.IsSorted(all))
	require.JSONEq(t, `{"members":[]}`, f.ok("GET", "/v1/accounts/nobody/members", "").text)
}

func TestWebhookSecretIsToldOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ok("PUT", "/v1/users/ada", `{}`)
	body := `{"url":"` + f.hook.URL() + `/a"}`
	var saved struct{ Made map[string]string }
	first := f.ok("PUT", "/v1/users/ada/channels/webhook", body)
	first.into(&saved)
	secret := saved.Made["secret"]
	require.True(t, strings.HasPrefix(secret, "whsec_"))
	for _, again := range []answered{f.ok("PUT", "/v1/users/ada/channels/webhook", body), f.ok("GET", "/v1/users/ada/channels/webhook", "")} {
		require.NotContains(t, again.text, secret)
		require.NotContains(t, again.text, "made")
	}
	f.call("PUT", "/v1/users/ada/channels/webhook", body, "If-Match", first.header.Get("ETag")).refused(412)

	seen := f.ok("GET", "/v1/users/ada/channels/webhook", "").header.Get("ETag")
	require.NotEmpty(t, seen)
	f.call("POST", "/v1/users/ada/channels/webhook/secret", "", "If-Match", seen).into(&saved)
	f.call("POST", "/v1/users/ada/channels/webhook/secret", "", "If-Match", seen).refused(412)
	require.NotEqual(t, secret, saved.Made["secret"])
	for _, accepted := range []string{secret, saved.Made["secret"]} {
		f.hook.Verify("/a", accepted)
		require.Contains(t, f.ok("POST", "/v1/users/ada/channels/webhook/test", "").text, `"delivered":true`)
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	for _, headers := range []string{
		`{"X-A":"b\r\nX-Evil: 1"}`, `{"X-A\r\nX-Evil":"1"}`, `{"X-A: b\nX-Evil":"1"}`, `{"X-A":"b\u0000"}`, `{"Host":"x"}`, `{"Content-Length":"1"}`,
		`"X-A: b\rX-Evil: 1"`, `"Webhook-Signature: x"`, `["X-A: b"]`, `{"X-A":["b"]}`,
	} {
		p := f.call("PUT", "/v1/users/ada/channels/webhook", `{"url":"https://example.com/","headers":`+headers+`}`).refused(422)
		require.Contains(t, p.Errors[0].Location, "body.headers", headers)
	}
}

func TestAnotherAddressWaitsForItsOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	a := f.call("PUT", "/v1/users/ada/channels/email", `{"address":"work@example.org"}`)
	require.Equal(t, http.StatusAccepted, a.status, a.text)
	require.Contains(t, a.text, `"pending":{"address":"work@example.org"`)
	f.ok("PUT", "/v1/users/ada/channels/email", `{"address":"ada@example.com"}`)
	for i := range 5 {
		f.call("PUT", "/v1/users/ada/channels/email", fmt.Sprintf(`{"address":"a%d@example.org"}`, i))
	}
	a = f.call("PUT", "/v1/users/ada/channels/email", `{"address":"one-more@example.org"}`)
	a.refused(429)
	require.NotEmpty(t, a.header.Get("Retry-After"))

	require.NoError(t, f.inbox.Close())
	f.ok("PUT", "/v1/users/bob", `{}`)
	a = f.call("PUT", "/v1/users/bob/channels/email", `{"address":"bob@example.org"}`)
	a.refused(503)
	require.NotEmpty(t, a.header.Get("Retry-After"))
}

func TestSettingsLinks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	for body, good := range map[string]time.Duration{``: 10 * time.Minute, `{}`: 10 * time.Minute, `{"expires_in":"24h"}`: 24 * time.Hour} {
		var link struct {
			URL     string
			Expires time.Time `json:"expires_at"`
		}
		f.ok("POST", "/v1/users/ada/settings-link", body).into(&link)
		require.WithinDuration(t, time.Now().Add(good), link.Expires, time.Minute)
		page, err := url.Parse(link.URL)
		require.NoError(t, err)
		require.Equal(t, "https://tocsin.example.com"+links.SettingsPath, "https://"+page.Host+path.Clean(page.Path))
		claim, err := f.links.OpenSettings(page.Query().Get(links.TokenParameter))
		require.NoError(t, err)
		require.Equal(t, "ada", claim.User)
	}
	for _, wrong := range []string{`"1s"`, `"25h"`, `"soon"`, `"-10m"`, `600`} {
		p := f.call("POST", "/v1/users/ada/settings-link", `{"expires_in":`+wrong+`}`).refused(422)
		require.Equal(t, "body.expires_in", p.Errors[0].Location)
	}
	without := newFixture(t, func(o *api.Options) { o.Links = nil })
	without.ada()
	require.Contains(t, without.call("POST", "/v1/users/ada/settings-link", "").refused(501).Detail, "TOCSIN_PUBLIC_URL")
}

func TestRateIsEachKeysOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *api.Options) { o.Rate = 3 })
	refused := 0
	for range 20 {
		if a := f.call("GET", "/v1/accounts/acme/members", ""); a.status == http.StatusTooManyRequests {
			a.refused(429)
			require.Equal(t, "1", a.header.Get("Retry-After"))
			refused++
		}
	}
	require.Positive(t, refused)
	f.ok("GET", "/v1/accounts/acme/members", "", "Authorization", "bearer "+secondKey)
}

func TestWithoutKeysNothingIsAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *api.Options) { o.Keys = api.Keys{} })
	for _, c := range allCalls() {
		require.Contains(t, f.call(c.method, c.path, c.body).refused(403).Detail, "TOCSIN_API_KEYS")
	}
	require.Contains(t, f.call("GET", "/openapi.json", "").text, `"3.1.0"`)
}

func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "  ": "", apiKey: "", apiKey + "," + secondKey: "",
		apiKey + ",": "key 2 of 2: it is empty", "short": "key 1 of 1: it has 5 characters",
		apiKey + "," + "with a space in the middle": "key 2 of 2: it holds a character", strings.Repeat("ü", 30): "holds a character",
	} {
		_, err := api.ParseKeys(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestRedisAwayIsSaidSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	f.redis.Stop()
	t.Run("away", func(t *testing.T) {
		for _, c := range calls {
			t.Run(c.method+" "+c.template, func(t *testing.T) {
				for _, path := range []string{"/v1/events", "/v1/dead", "/v1/replays"} {
					if strings.HasPrefix(c.path, path) {
						return // asks NATS alone
					}
				}
				t.Parallel()
				f := *f
				f.t = t
				a := f.call(c.method, c.path, c.body)
				a.refused(503)
				require.Equal(t, "5", a.header.Get("Retry-After"))
				require.NotContains(t, a.text, "127.0.0.1")
			})
		}
	})
	f.redis.Start()
	require.Eventually(t, func() bool { return f.call("PUT", "/v1/users/ada", `{}`).status == 200 }, 30*time.Second, 50*time.Millisecond)
}

func TestLedgerAwayIsSaidSo(t *testing.T) {
	t.Parallel()
	nats := servertest.NATS(t)
	q, err := queue.Connect(queue.Options{URL: nats.URL(), Name: "test", Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	f := newFixture(t, func(o *api.Options) { o.Ledger = q })
	f.ada()
	f.ok("PUT", "/v1/accounts/acme/members/ada", "")
	require.JSONEq(t, `{"events":[],"more":false}`, f.ok("GET", "/v1/users/ada/deliveries", "").text)
	nats.Stop()
	f.call("GET", "/v1/users/ada/deliveries", "").refused(503)
	f.call("GET", "/v1/events/a/b?account=acme", "").refused(503)
	f.ok("GET", "/v1/users/ada/channels", "")
}

// Whatever happens, no credential is in an answer, but for the one that is told
// once, and none in the log.
func TestNoCredentialIsToldOrLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	canaries := []string{apiKey, secondKey, "canary-bearer", "canary-path", roomToken, device, "canary-misplaced"}
	var answers strings.Builder
	call := func(method, path, body string) { answers.WriteString(f.call(method, path, body).text + "\n") }
	call("PUT", "/v1/users/ada/channels/webhook", `{"url":"`+f.hook.URL()+`/a","headers":{"Authorization":"Bearer canary-bearer"}}`)
	call("PUT", "/v1/users/ada/channels/slack", `{"url":"`+f.hook.URL()+`/canary-path"}`)
	call("PUT", "/v1/users/ada/channels/hipchat", `{"token":"`+roomToken+`","room":"Nowhere"}`)
	call("POST", "/v1/users/ada/devices", `{"token":"`+device+`"}`)
	for _, channel := range []string{"webhook", "slack", "hipchat", "email"} {
		f.hook.Answer("/a", farend.HookAnswer{Status: 500, Text: "you sent Bearer canary-bearer"})
		f.hook.Answer("/canary-path", farend.HookAnswer{Status: 404, Text: "no such /canary-path"})
		call("POST", "/v1/users/ada/channels/"+channel+"/test", "")
		call("GET", "/v1/users/ada/channels/"+channel, "")
	}
	call("GET", "/v1/users/ada/channels", "")
	call("GET", "/v1/users/ada/devices", "")
	for _, body := range []string{
		`{"token":"canary-misplaced"}`, `{"url":"canary-misplaced"}`, `{"url":["canary-misplaced"]}`, `"canary-misplaced"`, `canary-misplaced`,
		`{"url":"https://canary-misplaced@example.com/"}`, `{"secret":"canary-misplaced","url":"https://example.com/"}`,
		`{"url":"https://example.com/","signing_key":"canary-misplaced"}`, `{"url":"https://example.com/","client_key":"canary-misplaced","client_cert":"canary-misplaced"}`,
	} {
		for _, channel := range []string{"webhook", "slack", "hipchat", "email"} {
			call("PUT", "/v1/users/ada/channels/"+channel, body)
		}
		call("POST", "/v1/users/ada/devices", body)
	}
	f.redis.Stop()
	call("PUT", "/v1/users/ada/channels/slack", `{"url":"`+f.hook.URL()+`/canary-path"}`)
	for _, canary := range canaries {
		require.NotContains(t, answers.String(), canary)
		require.NotContains(t, f.logged.String(), canary)
	}
	require.Contains(t, answers.String(), "you sent …")
}
