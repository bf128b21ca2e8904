package pages_test

import (
	"context"
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
	"go.uber.org/zap/zaptest"

	"tocsin/channels"
	"tocsin/channels/email"
	"tocsin/channels/hipchat"
	"tocsin/channels/ios"
	"tocsin/channels/slack"
	"tocsin/channels/unsubscribe"
	"tocsin/channels/webhook"
	"tocsin/console/links"
	"tocsin/console/pages"
	"tocsin/console/targets"
	"tocsin/farend"
	"tocsin/pace"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
	"tocsin/worker"
)

const (
	key     = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	account = "acme"
	room    = "Deployments"
)

// installation is all that users meet: real servers, local far ends, a worker,
// and the pages. Slack is not offered, and iOS offered but not configured here.
type installation struct {
	t     testing.TB
	url   string
	store *prefs.Store
	queue *queue.Queue
	links *links.Links
	mux   *http.ServeMux

	received *farend.Log
	hook     *farend.Hook
	redis    *servertest.RedisServer
}

// publicly is what differs from one installation to the next.
type publicly struct {
	base      string // public URL; empty: where the server listens
	ancestors []string
}

func install(t testing.TB, with publicly) *installation {
	t.Helper()
	i := &installation{t: t, received: &farend.Log{}}
	i.redis = servertest.StartRedis(t)
	client, err := prefs.Open(i.redis.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	keys, err := prefs.ParseKeys(key)
	require.NoError(t, err)
	i.store = prefs.NewStore(client, keys)
	i.queue, err = queue.Connect(queue.Options{URL: servertest.NATS(t).URL(), Name: "test", Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(i.queue.Close)
	require.NoError(t, i.queue.Setup(t.Context(), 0))

	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url, i.mux = server.URL, mux
	if with.base == "" {
		with.base = server.URL
	}
	base, err := url.Parse(with.base)
	require.NoError(t, err)
	i.links, err = links.New(key, base)
	require.NoError(t, err)
	offered := i.farEnds()
	p, err := pages.New(pages.Options{
		Store: i.store, Queue: i.queue, Links: i.links, FrameAncestors: with.ancestors, Log: zaptest.NewLogger(t),
		Channels: &targets.Channels{Store: i.store, Offered: offered, Links: i.links, Records: i.records},
		Specs:    []channels.Spec{email.Spec(), ios.Spec(), hipchat.Spec(), slack.Spec(), webhook.Spec()},
	})
	require.NoError(t, err)
	p.Register(mux)
	mux.Handle(unsubscribe.Path, i.unsubscribe())
	i.person("ada")
	i.work(offered, pace.New(client))
	return i
}

func (i *installation) unsubscribe() http.Handler {
	signer, err := unsubscribe.NewSigner(key)
	require.NoError(i.t, err)
	off := func(ctx context.Context, user, typeName string) error {
		no := false
		return i.store.SetChoices(ctx, user, map[prefs.Cell]*bool{{Type: typeName, Channel: "email"}: &no})
	}
	return unsubscribe.Handler(signer, off, func(string) string { return "" })
}

func (i *installation) farEnds() []targets.Offered {
	inbox, err := farend.NewInbox(i.received)
	require.NoError(i.t, err)
	chat, err := farend.NewHipChat(i.received, map[string]string{room: "room-token"})
	require.NoError(i.t, err)
	i.hook, err = farend.NewHook(i.received)
	require.NoError(i.t, err)
	i.t.Cleanup(func() { _, _, _ = inbox.Close(), chat.Close(), i.hook.Close() })
	open := func(spec channels.Spec, config channels.Config) targets.Offered {
		channel, err := config.Open()
		require.NoError(i.t, err)
		return targets.Offered{Spec: spec, Channel: channel}
	}
	return []targets.Offered{
		open(email.Spec(), &email.Config{URL: "smtp://" + inbox.Addr() + "?tls=none", From: "Tocsin <tocsin@example.com>"}),
		{Spec: ios.Spec()},
		open(hipchat.Spec(), &hipchat.Config{URL: chat.URL()}),
		open(webhook.Spec(), &webhook.Config{Timeout: 10 * time.Second, Allow: []string{"127.0.0.0/8"}}),
	}
}

func (i *installation) records(ctx context.Context, user string) iter.Seq2[schema.Record, error] {
	return i.queue.Ledger(ctx, queue.LedgerQuery{Account: account, User: user})
}

// work runs a worker until the test ends.
func (i *installation) work(offered []targets.Offered, pacer *pace.Pacer) {
	validator, err := schema.NewValidator()
	require.NoError(i.t, err)
	w := worker.Worker{Queue: i.queue, RouteSlots: 4, Drain: 5 * time.Second, Router: &worker.Router{
		Parse: validator.Parse, Claims: i.store, Members: i.store, Deliveries: i.queue,
		Offered: []string{"email", "ios", "hipchat", "webhook"}, Log: zaptest.NewLogger(i.t),
	}}
	for _, o := range offered {
		if o.Channel != nil {
			w.Deliverers = append(w.Deliverers, &worker.Deliverer{
				Channel: o.Channel, Spec: o.Spec, Targets: i.store, Pacer: pacer, Notices: i.queue, Slots: 4, Log: zaptest.NewLogger(i.t),
				Policy: worker.Policy{Initial: time.Hour, Multiplier: 3, Max: time.Hour, Window: 72 * time.Hour},
			})
		}
	}
	stop, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Run(stop); close(done) }()
	i.t.Cleanup(func() { end(); <-done })
}

func (i *installation) person(user string) {
	i.t.Helper()
	require.NoError(i.t, i.store.PutUser(i.t.Context(), user, prefs.Profile{
		Email: user + "@example.com", Name: strings.ToUpper(user[:1]) + user[1:], TimeZone: "Europe/London",
	}))
	require.NoError(i.t, i.store.AddMember(i.t.Context(), account, user))
}

func (i *installation) target(user, channel, id string, settings any) {
	i.t.Helper()
	raw, err := json.Marshal(settings)
	require.NoError(i.t, err)
	require.NoError(i.t, i.store.PutTarget(i.t.Context(), user, prefs.TargetRef{Channel: channel, ID: id}, raw))
}

// publish gives the platform's event of a type.
func (i *installation) publish(typeName, id string, change ...func(*schema.Event)) {
	i.t.Helper()
	e, err := schema.Sample(typeName)
	require.NoError(i.t, err)
	e.ID, e.Source, e.Account, e.Time = id, "/test", account, time.Now()
	for _, f := range change {
		f(&e)
	}
	_, _, err = i.queue.PublishEvent(i.t.Context(), e)
	require.NoError(i.t, err)
}

// settled waits until so many deliveries of a user have ended or wait for
// another attempt.
func (i *installation) settled(user string, deliveries int) {
	i.t.Helper()
	require.Eventually(i.t, func() bool {
		ended := map[string]bool{}
		for r, err := range i.records(i.t.Context(), user) {
			require.NoError(i.t, err)
			if r.Kind.Ends() || r.Kind == schema.RecordFailed {
				ended[r.Delivery] = true
			}
		}
		return len(ended) >= deliveries
	}, 30*time.Second, 20*time.Millisecond, "%d deliveries of %s", deliveries, user)
}

// visitor is a browser without a screen: it keeps cookies as RFC 6265 says, and
// follows no redirect.
type visitor struct {
	*installation
	client *http.Client
}

func (i *installation) visitor() *visitor {
	return &visitor{i, &http.Client{
		Jar:           &jar{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// opened is a visitor who has come by a user's link.
func (i *installation) opened(user string) *visitor {
	i.t.Helper()
	v := i.visitor()
	answer, _ := v.get(i.link(user))
	require.Equal(i.t, http.StatusSeeOther, answer.StatusCode)
	return v
}

func (i *installation) link(user string) string {
	return i.links.Settings(user, time.Now().Add(10*time.Minute))
}

func (v *visitor) get(address string) (*http.Response, string) {
	v.t.Helper()
	return v.do(http.MethodGet, address, nil, nil)
}

func (v *visitor) post(address string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	return v.do(http.MethodPost, address, strings.NewReader(form.Encode()), http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"},
	})
}

// do takes an address with or without the host.
func (v *visitor) do(method, address string, body io.Reader, header http.Header) (*http.Response, string) {
	v.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = v.url + address
	}
	request, err := http.NewRequestWithContext(v.t.Context(), method, address, body)
	require.NoError(v.t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	answer, err := v.client.Do(request)
	require.NoError(v.t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	require.NoError(v.t, err)
	return answer, string(page)
}

// jar keeps the cookies of one host, each for its path.
type jar struct{ cookies []*http.Cookie }

func (j *jar) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	j.cookies = append(j.cookies, cookies...)
}

func (j *jar) Cookies(u *url.URL) []*http.Cookie {
	var sent []*http.Cookie
	for _, c := range j.cookies {
		if u.Path == c.Path || strings.HasPrefix(u.Path, c.Path+"/") {
			sent = append(sent, &http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return sent
}

func (i *installation) now() time.Time { return time.Now().Add(time.Second) }
