package ops_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/channels/email"
	"tocsin/channels/webhook"
	"tocsin/console/browsertest"
	"tocsin/console/links"
	"tocsin/console/ops"
	"tocsin/console/site"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
	"tocsin/servertest"
)

const (
	linkKey    = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	operateKey = "the-key-of-ada-0123456789"
	viewKey    = "the-key-of-bob-0123456789"
	opsKeys    = "operate:ada:" + operateKey + ", view:bob:" + viewKey
)

var chromium browsertest.Chromium

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.Close()
	os.Exit(code)
}

// installation is real servers, a process that runs replays, and the console.
type installation struct {
	t       testing.TB
	url     string
	nats    *servertest.NATSServer
	queue   *queue.Queue
	replays *replay.Replays
	mux     *http.ServeMux
	redis   redis.UniversalClient
	reports *shelf
}

func install(t testing.TB, keys string) *installation {
	t.Helper()
	i := &installation{t: t, nats: servertest.NATS(t)}
	var err error
	i.queue, err = queue.Connect(queue.Options{URL: i.nats.URL(), Name: "test", Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(i.queue.Close)
	require.NoError(t, i.queue.Setup(t.Context(), 0))
	i.replays = &replay.Replays{Letters: i.queue}

	i.mux = http.NewServeMux()
	server := httptest.NewServer(i.mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	made, err := links.New(linkKey, base)
	require.NoError(t, err)
	parsed, err := ops.ParseKeys(keys)
	require.NoError(t, err)
	i.redis, err = prefs.Open(servertest.Redis(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = i.redis.Close() })
	i.reports = &shelf{}
	console, err := ops.New(ops.Options{
		Queue: i.queue, Replays: i.replays, Links: made, Keys: parsed, Log: zaptest.NewLogger(t), Reports: i.reports,
		Broken: breaker.NewIndex(i.redis), Hosts: breaker.NewHosts(i.redis), Owners: prefs.NewStore(i.redis, prefs.Keyring{}),
		Specs: []channels.Spec{email.Spec(), webhook.Spec()},
	})
	require.NoError(t, err)
	console.Register(i.mux)
	i.mux.HandleFunc("GET "+site.AssetsPath+"{file}", site.ServeAsset)
	return i
}

// serveReplays runs what is started, until the test ends.
func (i *installation) serveReplays() {
	stop, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.replays.Serve(stop, 50*time.Millisecond, zap.NewNop())
	}()
	i.t.Cleanup(func() { end(); <-done })
}

// death is how a delivery fails.
type death struct {
	user, typeName, host, status, reason string
	summary                              string
	cause                                queue.Cause
}

var deaths = []death{
	{"ada", "stack.redeploy.fail", "hooks.example.com:443", "404", "endpoint answered 404 Not Found", "Redeploy of Harbour failed", queue.Permanent},
	{"bob", "job.fail", "hooks.example.com:443", "500", "endpoint answered 500 Internal Server Error", "Job nightly failed", queue.Exhausted},
	{"eve", "server.stopped", "old.example.org:443", "", "no host of this name: old.example.org", "Server lynx stopped", queue.Exhausted},
}

// kill makes so many dead letters, by the way that a worker makes them.
func (i *installation) kill(letters int) {
	i.t.Helper()
	pool := i.queue.NewPool(time.Second)
	pool.Deliveries("webhook", 16, func(_ context.Context, d schema.Delivery) queue.Outcome {
		if d.Replays > 0 {
			d.Attempts, d.Last = 1, schema.Attempt{At: time.Now(), Status: "200", Took: 12 * time.Millisecond}
			return queue.Delivered(d)
		}
		for _, how := range deaths {
			if how.user == d.User {
				d.Attempts, d.Last = 8, schema.Attempt{At: time.Now(), Status: how.status, Reason: how.reason, Host: how.host}
				return queue.Bury(d, queue.Death{Cause: how.cause, Reason: how.reason})
			}
		}
		return queue.Done()
	})
	stop, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); pool.Run(stop) }()
	i.t.Cleanup(func() { end(); <-done })
	var plans []schema.Plan
	for n := range letters {
		how := deaths[n%len(deaths)]
		e, err := schema.Sample(how.typeName)
		require.NoError(i.t, err)
		e.ID, e.Source, e.Account, e.Time = fmt.Sprint("e", n), "/test", "acme", time.Now()
		e.Data = bytes.Replace(e.Data, []byte(`"redeploy_hook":null`), []byte(`"redeploy_hook":"https://deploy.example.com/s3cr3t"`), 1)
		sequence, _, err := i.queue.PublishEvent(i.t.Context(), e)
		require.NoError(i.t, err)
		plans = append(plans, schema.Plan{Event: e, Sequence: sequence, Summary: how.summary, User: how.user, At: time.Now(), Deliveries: []schema.Delivery{
			{Event: e, User: how.user, Channel: "webhook", Target: "main", Planned: time.Now()},
		}})
	}
	require.NoError(i.t, i.queue.PublishPlans(i.t.Context(), plans))
	i.eventually(func() bool { return i.letters() == letters })
}

func (i *installation) letters() (n int) {
	i.t.Helper()
	for _, err := range i.queue.DeadLetters(i.t.Context(), queue.LetterFilter{}, 0) {
		require.NoError(i.t, err)
		n++
	}
	return n
}

func (i *installation) eventually(is func() bool) {
	i.t.Helper()
	require.Eventually(i.t, is, 30*time.Second, 20*time.Millisecond)
}

// acts are the audit stream, newest first: who, what, on what, outcome.
func (i *installation) acts() (all []string) {
	i.t.Helper()
	for a, err := range i.queue.Acts(i.t.Context(), 0) {
		require.NoError(i.t, err)
		all = append(all, fmt.Sprint(a.Who, " ", a.What, " ", a.Outcome))
	}
	return all
}

// visitor is a browser without a screen, which follows no redirect.
type visitor struct {
	*installation
	client *http.Client
	cookie string
}

func (i *installation) visitor() *visitor {
	return &visitor{installation: i, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signedIn is a visitor who has shown a key.
func (i *installation) signedIn(key string) *visitor {
	i.t.Helper()
	v := i.visitor()
	answer, _ := v.post("/ops/sign-in", url.Values{"key": {key}})
	require.Equal(i.t, http.StatusSeeOther, answer.StatusCode)
	require.Len(i.t, answer.Cookies(), 1)
	v.cookie = answer.Cookies()[0].Value
	return v
}

func (v *visitor) get(path string) (*http.Response, string) {
	v.t.Helper()
	return v.do(http.MethodGet, path, nil, nil)
}

func (v *visitor) post(path string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	return v.do(http.MethodPost, path, strings.NewReader(form.Encode()), http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"},
	})
}

func (v *visitor) do(method, path string, body io.Reader, header http.Header) (*http.Response, string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, body)
	require.NoError(v.t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	if v.cookie != "" {
		request.AddCookie(&http.Cookie{Name: "tocsin_ops", Value: v.cookie})
	}
	answer, err := v.client.Do(request)
	require.NoError(v.t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	require.NoError(v.t, err)
	return answer, string(page)
}

// browser is a real one, signed in.
func (i *installation) browser(key string) *browsertest.Browser {
	i.t.Helper()
	b := chromium.Open(i.t)
	b.Do(chromedp.Navigate(i.url+"/ops"), chromedp.SendKeys(chromedp.CSS("#key"), key+"\r"))
	b.Until(`document.querySelector("nav")`)
	return b
}
