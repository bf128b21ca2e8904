package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/console/api"
	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
	"tocsin/servertest"
)

type call struct {
	method, path, body string
	status             int
	template           string // of the path in the OpenAPI document
}

// calls are a good request of every call, in an order in which each succeeds.
var calls = []call{
	{"PUT", "/v1/users/ada", `{"email":"ada@example.com","name":"Ada","time_zone":"Europe/London","locale":"en-GB"}`, 200, "/v1/users/{user}"},
	{"GET", "/v1/users/ada", "", 200, "/v1/users/{user}"},
	{"PUT", "/v1/accounts/acme/members/ada", "", 204, "/v1/accounts/{account}/members/{user}"},
	{"GET", "/v1/accounts/acme/members", "", 200, "/v1/accounts/{account}/members"},
	{"GET", "/v1/users/ada/preferences", "", 200, "/v1/users/{user}/preferences"},
	{"PATCH", "/v1/users/ada/preferences", `{"job.fail":{"email":false,"webhook":null}}`, 200, "/v1/users/{user}/preferences"},
	{"DELETE", "/v1/users/ada/preferences", "", 204, "/v1/users/{user}/preferences"},
	{"PUT", "/v1/users/ada/channels/email", `{"address":"ada@example.com"}`, 200, "/v1/users/{user}/channels/email"},
	{"PUT", "/v1/users/ada/channels/hipchat", `{"token":"abcdef","room":"Deployments","api_version":"2"}`, 200, "/v1/users/{user}/channels/hipchat"},
	{"PUT", "/v1/users/ada/channels/slack", `{"url":"https://hooks.slack.com/services/T0/B0/x"}`, 200, "/v1/users/{user}/channels/slack"},
	{"PUT", "/v1/users/ada/channels/webhook", `{"url":"https://example.com/hook","headers":{"X-Team":"harbour"},"timeout":"5s"}`, 200, "/v1/users/{user}/channels/webhook"},
	{"POST", "/v1/users/ada/channels/webhook/secret", "", 200, "/v1/users/{user}/channels/webhook/secret"},
	{"POST", "/v1/users/ada/channels/webhook/signing_key", "", 200, "/v1/users/{user}/channels/webhook/signing_key"},
	{"GET", "/v1/users/ada/channels", "", 200, "/v1/users/{user}/channels"},
	{"GET", "/v1/users/ada/channels/webhook", "", 200, "/v1/users/{user}/channels/{channel}"},
	{"POST", "/v1/users/ada/channels/email/test", `{"type":"job.fail"}`, 200, "/v1/users/{user}/channels/{channel}/test"},
	{"DELETE", "/v1/users/ada/channels/slack", "", 204, "/v1/users/{user}/channels/{channel}"},
	{"POST", "/v1/users/ada/devices", `{"token":"` + device + `","name":"Ada's iPhone","environment":"sandbox"}`, 200, "/v1/users/{user}/devices"},
	{"GET", "/v1/users/ada/devices", "", 200, "/v1/users/{user}/devices"},
	{"DELETE", "/v1/users/ada/devices/DEVICE", "", 204, "/v1/users/{user}/devices/{device}"},
	{"GET", "/v1/users/ada/deliveries", "", 200, "/v1/users/{user}/deliveries"},
	{"GET", "/v1/events/%2Fplatform%2Fdeployer/c1f3?account=acme", "", 200, "/v1/events/{source}/{id}"},
	{"POST", "/v1/users/ada/settings-link", `{"expires_in":"10m"}`, 201, "/v1/users/{user}/settings-link"},
	{"DELETE", "/v1/accounts/acme/members/ada", "", 204, "/v1/accounts/{account}/members/{user}"},
	{"DELETE", "/v1/users/ada", "", 204, "/v1/users/{user}"},
}

// opsCalls are those about the whole installation. DEVICE, LETTER and REPLAY in a
// path stand for what was made before.
var opsCalls = []call{
	{"GET", "/v1/dead", "", 200, "/v1/dead"},
	{"GET", "/v1/dead/LETTER", "", 200, "/v1/dead/{seq}"},
	{"POST", "/v1/replays", `{"filter":{"channel":"webhook"},"rate":10}`, 201, "/v1/replays"},
	{"GET", "/v1/replays", "", 200, "/v1/replays"},
	{"GET", "/v1/replays/REPLAY", "", 200, "/v1/replays/{id}"},
	{"POST", "/v1/replays/REPLAY", `{"action":"start"}`, 200, "/v1/replays/{id}"},
	{"DELETE", "/v1/replays/REPLAY", "", 204, "/v1/replays/{id}"},
}

func allCalls() []call { return slices.Concat(calls, opsCalls) }

func TestEveryCallSucceeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withDeadLetter(t))
	f.records = story()
	for _, c := range allCalls() {
		path := f.filled(c.path)
		a := f.call(c.method, path, c.body)
		require.Equal(t, c.status, a.status, "%s %s: %s", c.method, path, a.text)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		require.Equal(t, c.status == http.StatusNoContent, a.text == "", "%s %s", c.method, path)
	}
}

// filled puts ids of what is there into a path.
func (f *fixture) filled(path string) string {
	for _, made := range []struct{ placeholder, list, member, id string }{
		{"DEVICE", "/v1/users/ada/devices", "devices", "id"},
		{"LETTER", "/v1/dead", "letters", "seq"},
		{"REPLAY", "/v1/replays", "replays", "id"},
	} {
		if strings.Contains(path, made.placeholder) {
			var list map[string][]map[string]any
			f.ok("GET", made.list, "").into(&list)
			path = strings.Replace(path, made.placeholder, fmt.Sprint(list[made.member][0][made.id]), 1)
		}
	}
	return path
}

// withDeadLetter gives an API a NATS with a dead letter.
func withDeadLetter(t *testing.T) func(*api.Options) {
	t.Helper()
	q, err := queue.Connect(queue.Options{URL: servertest.NATS(t).URL(), Name: "test", Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 1, func(_ context.Context, d schema.Delivery) queue.Outcome {
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "endpoint answered 404"})
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); pool.Run(ctx) }()
	event, err := schema.Sample("job.fail")
	require.NoError(t, err)
	event.ID, event.Account, event.Time = "e1", "acme", time.Now()
	d := schema.Delivery{Event: event, User: "ada", Channel: "webhook", Target: "main", Planned: event.Time}
	require.NoError(t, q.PublishPlans(t.Context(), []schema.Plan{schema.PlanOf(d, "")}))
	require.Eventually(t, func() bool {
		for _, err := range q.DeadLetters(t.Context(), queue.LetterFilter{}, 0) {
			return err == nil
		}
		return false
	}, 30*time.Second, 10*time.Millisecond)
	stop()
	<-ended
	return func(o *api.Options) { o.Dead, o.Replays = q, &replay.Replays{Letters: q, Wishes: o.Store} }
}

// What is wrong with a request is found before anything is done, whatever the
// call.
func TestEveryCallRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	for _, c := range allCalls() {
		t.Run(c.method+" "+c.template, func(t *testing.T) {
			f := *f
			f.t = t
			for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer x", "Basic " + apiKey, apiKey, "Bearer " + apiKey + "x", "Bearer " + apiKey[1:]} {
				p := f.call(c.method, c.path, c.body, "Authorization", authorization).refused(401)
				require.NotContains(t, p.Detail, "canary")
			}
			long := strings.Replace(c.path, "ada", strings.Repeat("a", 65), 1)
			for _, id := range []string{strings.Replace(c.path, "ada", "a.b", 1), strings.Replace(c.path, "ada", "a%2Fb", 1), long} {
				if id != c.path {
					p := f.call(c.method, id, c.body).refused(422)
					require.Equal(t, "path.user", p.Errors[0].Location)
				}
			}
			p := f.call(c.method, strings.TrimSuffix(c.path, "?account=acme")+"?moon=full", c.body).refused(422)
			require.Equal(t, "query.moon", p.Errors[0].Location)
			f.call(c.method, c.path, strings.Repeat(" ", 70_000)).refused(413)
			if c.body != "" {
				f.refusesBodies(c.method, c.path)
			}
		})
	}
}

func (f *fixture) refusesBodies(method, path string) {
	f.t.Helper()
	f.call(method, path, `{"canary`).refused(400)
	f.call(method, path, `{} {}`).refused(400)
	f.call(method, path, `{}`, "Content-Type", "text/xml").refused(415)
	f.call(method, path, `[]`).refused(422)
	f.call(method, path, `null`).refused(422)
	p := f.call(method, path, `{"canary_field":"canary value"}`).refused(422)
	require.Contains(f.t, p.Errors[0].Location+p.Errors[len(p.Errors)-1].Location, "canary_field")
	require.NotContains(f.t, p.Errors[0].Message, "canary value")
	chunked, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, http.NoBody)
	require.NoError(f.t, err)
	chunked.Header.Set("Authorization", "Bearer "+apiKey)
	chunked.Body, chunked.ContentLength = http.MaxBytesReader(nil, endless{}, 100_000), -1
	response, err := f.server.Client().Do(chunked)
	if err == nil { // else the server has closed while we wrote
		require.Equal(f.t, 413, response.StatusCode)
		require.NoError(f.t, response.Body.Close())
	}
}

// endless is spaces without end.
type endless struct{}

func (endless) Close() error { return nil }
func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Whoever is not known, or has not set a thing up, is told so.
func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range calls {
		idempotent := map[string]bool{"PUT /v1/users/ada": true, "DELETE /v1/users/ada": true,
			"DELETE /v1/accounts/acme/members/ada": true, "GET /v1/accounts/acme/members": true}
		if !idempotent[c.method+" "+c.path] {
			f.call(c.method, c.path, c.body).refused(404)
		}
	}
	f.ok("PUT", "/v1/users/ada", `{}`)
	for _, c := range [][2]string{
		{"DELETE", "/v1/users/ada/channels/webhook"}, {"POST", "/v1/users/ada/channels/webhook/secret"},
		{"POST", "/v1/users/ada/channels/webhook/test"}, {"DELETE", "/v1/users/ada/devices/x"},
		{"GET", "/v1/users/ada/channels/pigeon"}, {"DELETE", "/v1/users/ada/channels/pigeon"}, {"POST", "/v1/users/ada/channels/pigeon/test"},
		{"GET", "/v1/moon"}, {"GET", "/v1/"}, {"POST", "/v1/users/ada/channels/webhook/url"},
	} {
		f.call(c[0], c[1], "").refused(404)
	}
	a := f.call("POST", "/v1/users/ada", "")
	a.refused(405)
	require.Equal(t, "DELETE, GET, HEAD, PUT", a.header.Get("Allow"))
}
