package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"tocsin/audit"
	"tocsin/channels"
	"tocsin/channels/email"
	"tocsin/channels/hipchat"
	"tocsin/channels/ios"
	"tocsin/channels/slack"
	"tocsin/channels/webhook"
	"tocsin/console/api"
	"tocsin/console/links"
	"tocsin/console/targets"
	"tocsin/farend"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
	"tocsin/servertest"
	"tocsin/worker"
)

const (
	apiKey    = "canary-api-key-0123456789abcdef"
	secondKey = "canary-second-key-0123456789abcdef"
	device    = "7b0f3a9c5d1e4826b7f0c3d29a5e816453d2f7a90c1b4e68d5a3f2907c6b1e84"
	room      = "Deployments"
	roomToken = "canary-room-token-1"
)

// fixture is an API with its Redis, NATS and local far ends. Its ledger is the
// records that a test gives, unless it takes the one of NATS.
type fixture struct {
	t        testing.TB
	options  api.Options
	server   *httptest.Server
	redis    *servertest.RedisServer
	nats     *servertest.NATSServer
	queue    *queue.Queue
	hook     *farend.Hook
	inbox    *farend.Inbox
	received *farend.Log
	links    *links.Links
	records  []schema.Record
	asked    []queue.LedgerQuery
	logged   *bytes.Buffer
}

func newFixture(t testing.TB, change ...func(*api.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, received: &farend.Log{}, redis: servertest.StartRedis(t), logged: &bytes.Buffer{}}
	var err error
	f.hook, err = farend.NewHook(f.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.hook.Close() })
	f.inbox, err = farend.NewInbox(f.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.inbox.Close() })
	base := &url.URL{Scheme: "https", Host: "tocsin.example.com"}
	f.links, err = links.New(key('k'), base)
	require.NoError(t, err)
	keys, err := api.ParseKeys(apiKey + ", " + secondKey)
	require.NoError(t, err)
	store := f.store()
	f.options = api.Options{
		Store: store, Ledger: f, Links: f.links, Keys: keys, PublicURL: base, Version: "test", Log: f.logger(),
		Channels: &targets.Channels{Store: store, Links: f.links, Offered: f.offered()},
	}
	f.queue = f.streams()
	f.options.Trail = audit.Trail{Stream: f.queue, Log: zap.NewNop()}
	f.options.Dead, f.options.Replays = f.queue, &replay.Replays{Letters: f.queue, Wishes: store, Routes: f.router(store)}
	for _, c := range change {
		c(&f.options)
	}
	mux := http.NewServeMux()
	require.NoError(t, api.New(f.options).Register(mux))
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fixture) streams() *queue.Queue {
	f.nats = servertest.NATS(f.t)
	q, err := queue.Connect(queue.Options{URL: f.nats.URL(), Log: zap.NewNop()})
	require.NoError(f.t, err)
	f.t.Cleanup(q.Close)
	require.NoError(f.t, q.Setup(f.t.Context(), 0))
	return q
}

func (f *fixture) router(store *prefs.Store) *worker.Router {
	validator, err := schema.NewValidator()
	require.NoError(f.t, err)
	return &worker.Router{
		Parse: validator.Parse, Claims: store, Members: store, Deliveries: f.queue, Offered: []string{"email"}, Log: zap.NewNop(),
	}
}

func (f *fixture) store() *prefs.Store {
	client, err := prefs.Open(f.redis.URL() + "?max_retries=-1")
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = client.Close() })
	keys, err := prefs.ParseKeys(key('s'))
	require.NoError(f.t, err)
	return prefs.NewStore(client, keys)
}

func (f *fixture) logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(f.logged)), zap.DebugLevel))
}

func (f *fixture) offered() []targets.Offered {
	opened := func(spec channels.Spec, config channels.Config) targets.Offered {
		channel, err := config.Open()
		require.NoError(f.t, err)
		return targets.Offered{Spec: spec, Channel: channel}
	}
	chat, err := farend.NewHipChat(f.received, map[string]string{room: roomToken})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = chat.Close() })
	local := []string{"127.0.0.0/8"}
	return []targets.Offered{
		opened(email.Spec(), &email.Config{URL: "smtp://" + f.inbox.Addr() + "?tls=none", From: "tocsin@example.com"}),
		{Spec: ios.Spec()},
		opened(hipchat.Spec(), &hipchat.Config{URL: chat.URL()}),
		opened(slack.Spec(), &slack.Config{Offered: true, Allow: local}),
		opened(webhook.Spec(), &webhook.Config{Timeout: 5 * time.Second, Allow: local}),
	}
}

func key(fill byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), 32)))
}

// Ledger yields the fixture's records that a query asks for.
func (f *fixture) Ledger(_ context.Context, q queue.LedgerQuery) iter.Seq2[schema.Record, error] {
	f.asked = append(f.asked, q)
	return func(yield func(schema.Record, error) bool) {
		for _, r := range f.records {
			if r.Account == q.Account && (q.User == "" || q.User == r.User) && !yield(r, nil) {
				return
			}
		}
	}
}

// answered is what came back.
type answered struct {
	t      testing.TB
	status int
	header http.Header
	text   string
}

// problem is what of RFC 9457 the tests look at.
type problem struct {
	Title, Detail string
	Status        int
	Errors        []struct{ Location, Message string }
}

func (f *fixture) call(method, path, body string, headers ...string) answered {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, strings.NewReader(body))
	require.NoError(f.t, err)
	r.Header.Set("Authorization", "Bearer "+apiKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return f.do(r)
}

func (f *fixture) do(r *http.Request) answered {
	f.t.Helper()
	response, err := f.server.Client().Do(r)
	require.NoError(f.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(f.t, err)
	return answered{f.t, response.StatusCode, response.Header, string(text)}
}

// ok is call for what has to succeed.
func (f *fixture) ok(method, path, body string, headers ...string) answered {
	f.t.Helper()
	a := f.call(method, path, body, headers...)
	require.Equal(f.t, 2, a.status/100, "%s %s: %d %s\n%s", method, path, a.status, a.text, f.logged)
	return a
}

func (a answered) into(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal([]byte(a.text), v), a.text)
}

// refused reads a problem, and sees that it is a whole one.
func (a answered) refused(status int) problem {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.text)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"), a.text)
	var p problem
	a.into(&p)
	require.Equal(a.t, status, p.Status)
	require.Equal(a.t, http.StatusText(status), p.Title)
	require.NotEmpty(a.t, p.Detail)
	return p
}

// ada is a user with an address and a webhook.
func (f *fixture) ada() {
	f.t.Helper()
	f.ok("PUT", "/v1/users/ada", `{"email":"ada@example.com","name":"Ada"}`)
	f.ok("PUT", "/v1/users/ada/channels/webhook", `{"url":"`+f.hook.URL()+`/a"}`)
}

// serveReplays runs replays as a process does, until the test is over.
func (f *fixture) serveReplays() {
	ctx, stop := context.WithCancel(f.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.options.Replays.Serve(ctx, 20*time.Millisecond, f.logger())
	}()
	f.t.Cleanup(func() { stop(); <-ended })
}
