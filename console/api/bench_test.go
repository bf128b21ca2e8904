package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/channels/email"
	"tocsin/channels/hipchat"
	"tocsin/channels/ios"
	"tocsin/channels/webhook"
	"tocsin/console/api"
	"tocsin/console/targets"
	"tocsin/prefs"
	"tocsin/servertest"
)

// asked is how many of the users are asked for.
const asked = 1000

// BenchmarkReads asks for preferences and channels of one user after another,
// in a Redis with so many users as TOCSIN_BENCH_USERS says (10,000), each with
// an address, a webhook, a device and four choices. The figures in docs/api.md
// are of a million.
func BenchmarkReads(b *testing.B) {
	users := 10_000
	if text := os.Getenv("TOCSIN_BENCH_USERS"); text != "" {
		var err error
		users, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	client, err := prefs.Open(servertest.Redis(b))
	require.NoError(b, err)
	b.Cleanup(func() { _ = client.Close() })
	keys, err := prefs.ParseKeys(key('s'))
	require.NoError(b, err)
	store := prefs.NewStore(client, keys)
	populate(b, store, client, users)
	opened, err := api.ParseKeys(apiKey)
	require.NoError(b, err)
	mux := http.NewServeMux()
	require.NoError(b, api.New(api.Options{
		Store: store, Keys: opened, Log: zap.NewNop(),
		Channels: &targets.Channels{Store: store, Offered: []targets.Offered{
			{Spec: email.Spec()}, {Spec: ios.Spec()}, {Spec: hipchat.Spec()}, {Spec: webhook.Spec()},
		}},
	}).Register(mux))
	for _, what := range []string{"", "preferences", "channels"} {
		b.Run("GET "+strings.TrimSuffix("user/"+what, "/"), func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = (n + 1) % asked
				path := strings.TrimSuffix(fmt.Sprintf("/v1/users/u%d/%s", n*(users/asked), what), "/")
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
				r.Header.Set("Authorization", "Bearer "+apiKey)
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				require.Equal(b, http.StatusOK, w.Code)
			}
		})
	}
	used, err := client.Info(b.Context(), "memory").Result()
	require.NoError(b, err)
	for line := range strings.Lines(used) {
		if bytes, found := strings.CutPrefix(line, "used_memory:"); found {
			b.Logf("Redis holds %d users in %s bytes", users, strings.TrimSpace(bytes))
		}
	}
}

// populate saves those who are asked for, and copies what the store has written
// for one of them to all others: it is a hundred times as fast, and the same to
// Redis. Settings that were copied do not open, because they are sealed for
// their user.
func populate(b *testing.B, store *prefs.Store, client redis.UniversalClient, users int) {
	ctx := b.Context()
	for i := range asked {
		save(b, store, fmt.Sprint("u", i*(users/asked)))
	}
	template := map[string]string{}
	for _, part := range []string{"profile", "prefs", "targets"} {
		var err error
		template[part], err = client.Dump(ctx, "tocsin:user:{u0}:"+part).Result()
		require.NoError(b, err)
	}
	for from := 1; from < users; from += 5000 {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error { return copies(ctx, p, template, from, min(from+5000, users), users) })
		require.NoError(b, err)
	}
}

func save(b *testing.B, store *prefs.Store, user string) {
	ctx := b.Context()
	require.NoError(b, store.PutUser(ctx, user, prefs.Profile{Email: user + "@example.com", Name: "Ada", TimeZone: "Europe/London"}))
	hook, err := json.Marshal(map[string]string{"url": "https://example.com/hooks/tocsin", "secret": webhook.NewSecret()})
	require.NoError(b, err)
	require.NoError(b, store.PutTarget(ctx, user, prefs.TargetRef{Channel: "webhook", ID: "main"}, hook))
	phone := prefs.TargetRef{Channel: "ios", ID: prefs.DeviceID(device)}
	require.NoError(b, store.PutTarget(ctx, user, phone, json.RawMessage(`{"token":"`+device+`"}`)))
	on, off := true, false
	require.NoError(b, store.SetChoices(ctx, user, map[prefs.Cell]*bool{
		{Type: "stack.redeploy.ok", Channel: "email"}: &off, {Type: "stack.redeploy.ok", Channel: "webhook"}: &on,
		{Type: "job.backon", Channel: "email"}: &off, {Type: "stack.deploy.started", Channel: "ios"}: &on,
	}))
}

func copies(ctx context.Context, p redis.Pipeliner, template map[string]string, from, to, users int) error {
	for i := from; i < to; i++ {
		if i%(users/asked) == 0 {
			continue
		}
		for part, dump := range template {
			p.Restore(ctx, fmt.Sprintf("tocsin:user:{u%d}:%s", i, part), 0, dump)
		}
	}
	return nil
}
