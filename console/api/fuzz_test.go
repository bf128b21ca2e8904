package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzBody gives anything as the body of every call that takes one. It is done,
// or refused with a problem that says why and shows no value; nothing is our fault.
func FuzzBody(f *testing.F) {
	a := newFixture(f)
	a.ada()
	var taking []call
	for _, c := range allCalls() {
		if c.body != "" && !strings.HasSuffix(c.path, "/test") && !strings.Contains(c.path, "REPLAY") {
			f.Add(uint8(len(taking)), c.body) //nolint:gosec // there are not so many
			taking = append(taking, c)
		}
	}
	for _, hostile := range []string{
		`{"url":"https://canary:canary@example.com/#\u0000"}`, `{"timeout":"99999999999999h","url":"https://example.com"}`,
		`{"name":"\ud800","email":"a@b\u0000"}`, `{"filter":{"since":"0000-00-00"},"rate":1e400}`, `{"expires_in":"-1h"}`, strings.Repeat(`{"a":`, 9999),
	} {
		for n := range taking {
			f.Add(uint8(n), hostile) //nolint:gosec // there are not so many
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, body string) {
		i := *a
		i.t = t
		i.logged.Reset()
		c := taking[int(n)%len(taking)]
		i.judge(i.call(c.method, c.path, body))
	})
}

// judge sees that an answer is a good one, or a whole problem of the caller's.
func (f *fixture) judge(got answered) {
	f.t.Helper()
	require.Less(f.t, got.status, 500, "%s\n%s", got.text, f.logged)
	require.NotContains(f.t, got.text, apiKey)
	if got.status >= http.StatusBadRequest {
		p := got.refused(got.status)
		for _, e := range p.Errors {
			require.NotEmpty(f.t, e.Message)
		}
	}
}

// FuzzQuery gives anything as a segment of the path and as the query.
func FuzzQuery(f *testing.F) {
	a := newFixture(f)
	a.ada()
	a.records = story()
	reads := []string{"/v1/users/ID", "/v1/users/ID/deliveries", "/v1/users/ada/channels/ID", "/v1/accounts/ID/members",
		"/v1/events/ID/c1f3", "/v1/events/x/ID", "/v1/dead", "/v1/dead/ID", "/v1/replays/ID", "/v1/users/ada/deliveries"}
	for n := range reads {
		f.Add(uint8(n), "ada", "account=acme")                                         //nolint:gosec // there are not so many
		f.Add(uint8(n), "..", "since=2026-03-01T12:00:00Z&until=x&limit=-1&account=*") //nolint:gosec // there are not so many
		f.Add(uint8(n), "\x00/>", "limit=99999999999999999999&cursor=%ff&channel=a.b") //nolint:gosec // there are not so many
	}
	f.Fuzz(func(t *testing.T, n uint8, id, query string) {
		i := *a
		i.t = t
		i.logged.Reset()
		path := strings.Replace(reads[int(n)%len(reads)], "ID", url.PathEscape(id), 1)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.server.URL+path, http.NoBody)
		require.NoError(t, err)
		r.URL.RawQuery = queryOf(query)
		r.Header.Set("Authorization", "Bearer "+apiKey)
		got := i.do(r)
		require.Less(t, got.status, 500, "%s\n%s", got.text, i.logged)
	})
}

// queryOf is any text as what can stand in a request's first line.
func queryOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
}
