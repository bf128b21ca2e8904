package targets_test

import (
	"context"
	"encoding/base64"
	"iter"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/email"
	"tocsin/channels/hipchat"
	"tocsin/channels/ios"
	"tocsin/channels/slack"
	"tocsin/channels/webhook"
	"tocsin/console/links"
	"tocsin/console/targets"
	"tocsin/farend"
	"tocsin/prefs"
	"tocsin/schema"
	"tocsin/servertest"
)

// fixture is the channels of an installation with local far ends, and ada, whom
// the platform gave an address.
type fixture struct {
	*targets.Channels
	received *farend.Log
	hook     *farend.Hook
	inbox    *farend.Inbox
	hipchat  *farend.HipChat
	links    *links.Links
	records  []schema.Record
	redisURL string
}

const (
	room      = "Deployments"
	roomToken = "canary-room-token-1"
	token     = "7b0f3a9c5d1e4826b7f0c3d29a5e816453d2f7a90c1b4e68d5a3f2907c6b1e84"
)

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{received: &farend.Log{}}
	var err error
	f.hook, err = farend.NewHook(f.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.hook.Close() })
	f.inbox, err = farend.NewInbox(f.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.inbox.Close() })
	f.hipchat, err = farend.NewHipChat(f.received, map[string]string{room: roomToken})
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.hipchat.Close() })
	f.links, err = links.New(key('k'), &url.URL{Scheme: "https", Host: "tocsin.example.com"})
	require.NoError(t, err)

	f.redisURL = servertest.Redis(t)
	client, err := prefs.Open(f.redisURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	keys, err := prefs.ParseKeys(key('s'))
	require.NoError(t, err)
	store := prefs.NewStore(client, keys)
	require.NoError(t, store.PutUser(t.Context(), "ada", prefs.Profile{Email: "ada@example.com", Name: "Ada"}))

	f.Channels = &targets.Channels{Store: store, Links: f.links, Offered: f.offered(t), Records: f.ledger}
	return f
}

func key(fill byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), 32)))
}

func (f *fixture) offered(t *testing.T) []targets.Offered {
	return []targets.Offered{
		opened(t, email.Spec(), &email.Config{URL: "smtp://" + f.inbox.Addr() + "?tls=none", From: "tocsin@example.com"}),
		{Spec: ios.Spec()}, // offered, and this process has no key for it
		opened(t, hipchat.Spec(), &hipchat.Config{URL: f.hipchat.URL()}),
		opened(t, slack.Spec(), &slack.Config{Offered: true, Allow: []string{"127.0.0.0/8"}}),
		opened(t, webhook.Spec(), &webhook.Config{Timeout: 5 * time.Second, Allow: []string{"127.0.0.0/8"}}),
	}
}

func opened(t *testing.T, spec channels.Spec, config channels.Config) targets.Offered {
	t.Helper()
	channel, err := config.Open()
	require.NoError(t, err)
	return targets.Offered{Spec: spec, Channel: channel}
}

func (f *fixture) ledger(context.Context, string) iter.Seq2[schema.Record, error] {
	return func(yield func(schema.Record, error) bool) {
		for _, r := range f.records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (f *fixture) get(t *testing.T, channel string) targets.View {
	t.Helper()
	view, err := f.Get(t.Context(), "ada", channel)
	require.NoError(t, err)
	return view
}

func (f *fixture) save(t *testing.T, channel string, fields map[string]any) targets.Saved {
	t.Helper()
	saved, err := f.Save(t.Context(), "ada", channel, fields, "")
	require.NoError(t, err)
	return saved
}

func requireInvalid(t *testing.T, err error, field, reason string) {
	t.Helper()
	var invalid *targets.Invalid
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, field, invalid.Field, invalid.Reason)
	require.Contains(t, invalid.Reason, reason)
}

// arrived is what the far ends have received, oldest first.
func (f *fixture) arrived() []farend.Received {
	all, _ := f.received.Since(0)
	return all
}
