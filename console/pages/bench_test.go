package pages_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
)

var users = flag.Int("users", 10_000, "how many users Redis holds while pages are measured")

// copies lets Redis itself make users out of one, which takes seconds where
// saving a million of them would take minutes. Only the one can be opened.
const copies = `for n = ARGV[1], ARGV[2] do
  for _, part in ipairs({"profile", "prefs", "targets", "accounts"}) do
    redis.call("COPY", "tocsin:user:{u0}:" .. part, "tocsin:user:{c" .. n .. "}:" .. part)
  end
end
return 1`

// BenchmarkPage measures an answer from the request to its last byte, without
// the network before it: go test ./console/pages -run xx -bench Page -users 1000000
func BenchmarkPage(b *testing.B) {
	i := install(b, publicly{})
	const real = 100
	for n := range real {
		user := fmt.Sprint("u", n)
		i.person(user)
		i.target(user, "webhook", "main", map[string]string{"url": "https://example.com/hook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
		i.target(user, "hipchat", "main", map[string]string{"token": "room-token", "room": room})
		i.target(user, "ios", "device", map[string]string{"token": strings.Repeat("ab", 32), "name": "iPhone"})
		off := false
		require.NoError(b, i.store.SetChoices(b.Context(), user, map[prefs.Cell]*bool{{Type: "job.fail", Channel: "email"}: &off}))
	}
	i.crowd(*users - real)
	i.history("u0", 200)
	for _, tab := range []string{"events", "channels", "deliveries"} {
		b.Run(tab, func(b *testing.B) {
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				user := fmt.Sprint("u", len(took)%real)
				if tab != "events" {
					user = "u0"
				}
				request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/settings/"+user+"/"+tab, nil)
				request.AddCookie(&http.Cookie{Name: "tocsin_session", Value: i.links.Session(user, time.Now().Add(time.Hour))})
				answer := httptest.NewRecorder()
				began := time.Now()
				i.mux.ServeHTTP(answer, request)
				took = append(took, time.Since(began))
				require.Equal(b, http.StatusOK, answer.Code)
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
		})
	}
}

// crowd fills Redis with users.
func (i *installation) crowd(n int) {
	i.t.Helper()
	client, err := prefs.Open(i.redis.URL())
	require.NoError(i.t, err)
	defer client.Close()
	const step = 10_000
	for from := 0; from < n; from += step {
		require.NoError(i.t, client.Eval(i.t.Context(), copies, nil, from, min(from+step, n)-1).Err())
	}
	require.GreaterOrEqual(i.t, client.DBSize(i.t.Context()).Val(), int64(4*n), "four keys of each")
}

// history is so many events of which the ledger tells.
func (i *installation) history(user string, events int) {
	i.t.Helper()
	for n := range events {
		e, err := schema.Sample("stack.redeploy.fail")
		require.NoError(i.t, err)
		e.ID, e.Source, e.Account, e.Time = fmt.Sprint(n), "/bench", account, time.Now()
		plan := schema.Plan{Event: e, Sequence: 1, Summary: "Redeploy of Harbour failed", User: user, At: time.Now(),
			Skipped: []schema.Skipped{{Channel: "ios", Rule: schema.RuleNotSetUp}}}
		require.NoError(i.t, i.queue.PublishPlans(i.t.Context(), []schema.Plan{plan}))
	}
}
