package webhook

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
	"tocsin/schema"
)

// local opens the channel with 127.0.0.0/8 allowed; names are resolved by the
// given resolver, or the machine's if it is nil.
func local(timeout time.Duration, resolver *net.Resolver) *channel {
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return open(timeout, newGuard(allow, net.Dialer{Timeout: timeout, Resolver: resolver}))
}

func target(t *testing.T, url string) channels.Target {
	t.Helper()
	settings, err := json.Marshal(Settings{URL: url, Secret: goldenSecret})
	require.NoError(t, err)
	return channels.Target{ID: channels.MainTarget, Settings: settings}
}

func delivery() schema.Delivery {
	return schema.Delivery{
		Event: schema.Event{ID: "1", Source: "/test", Type: "stack.redeploy.ok", Account: "acme",
			Time: time.Unix(1640995200, 0), Data: []byte(`{"uid":"5999b763474b0eafa5fafb64bff0ba80"}`)},
		User: "grace", Channel: "webhook", Target: channels.MainTarget,
	}
}

func newHook(t *testing.T) (*farend.Hook, *farend.Log) {
	t.Helper()
	log := &farend.Log{}
	hook, err := farend.NewHook(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	return hook, log
}

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	hook.Verify("/hook", goldenSecret)
	require.NoError(t, local(15*time.Second, nil).Send(t.Context(), delivery(), target(t, hook.URL()+"/hook?q=1")))
	received, _ := log.Since(0)
	require.Len(t, received, 1)
	require.Equal(t, delivery().ID(), received[0].Delivery)
	require.Equal(t, `{"timestamp":1640995200,"event_type":"stack.redeploy.ok","uid":"5999b763474b0eafa5fafb64bff0ba80"}`, received[0].Text)
	require.Contains(t, received[0].Raw, "POST /hook?q=1 HTTP/1.1\r\n")
	require.Contains(t, received[0].Raw, "Content-Type: application/json\r\n")
	require.Regexp(t, `User-Agent: Tocsin/\S+\r\n`, received[0].Raw)
}

func TestBothSecretsSignDuringRotation(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	newest, previous := NewSecret(), NewSecret()
	hook.Verify("/newest", newest)
	hook.Verify("/previous", previous)
	for path, statuses := range map[string][2]string{"/newest": {"200", "200"}, "/previous": {"200", "401"}} {
		for i, until := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Second)} {
			raw, err := json.Marshal(Settings{hook.URL() + path, newest, previous, until})
			require.NoError(t, err)
			_ = local(15*time.Second, nil).Send(t.Context(), delivery(), channels.Target{Settings: raw})
			received, _ := log.Since(0)
			require.Equal(t, statuses[i], received[len(received)-1].Status, path)
		}
	}
}

func TestOutcomeByStatus(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	c := local(15*time.Second, nil)
	retry := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	for _, want := range []struct {
		answer farend.HookAnswer
		kind   channels.Kind
		reason string
		wait   time.Duration
	}{
		{farend.HookAnswer{Status: 301, Header: http.Header{"Location": {"/other"}}}, channels.Permanent, "endpoint answered 301 Moved Permanently", 0},
		{farend.HookAnswer{Status: 302, Header: http.Header{"Location": {"http://10.0.0.1/"}}}, channels.Permanent, "endpoint answered 302 Found", 0},
		{farend.HookAnswer{Status: 400}, channels.Permanent, "endpoint answered 400 Bad Request", 0},
		{farend.HookAnswer{Status: 401, Header: retry("30")}, channels.Permanent, "endpoint answered 401 Unauthorized", 0},
		{farend.HookAnswer{Status: 404}, channels.Permanent, "endpoint answered 404 Not Found", 0},
		{farend.HookAnswer{Status: 408}, channels.Temporary, "endpoint answered 408 Request Timeout", 0},
		{farend.HookAnswer{Status: 410}, channels.Gone, "endpoint answered 410 Gone", 0},
		{farend.HookAnswer{Status: 425}, channels.Temporary, "endpoint answered 425 Too Early", 0},
		{farend.HookAnswer{Status: 429, Header: retry("90")}, channels.Temporary, "endpoint answered 429 Too Many Requests", 90 * time.Second},
		{farend.HookAnswer{Status: 500, Header: retry("7")}, channels.Temporary, "endpoint answered 500 Internal Server Error", 7 * time.Second},
		{farend.HookAnswer{Status: 503, Header: retry("172800")}, channels.Temporary, "endpoint answered 503 Service Unavailable", 24 * time.Hour},
		{farend.HookAnswer{Status: 599}, channels.Temporary, "endpoint answered 599", 0},
	} {
		hook.Answer("/hook", want.answer)
		started := time.Now()
		f := channels.FailureOf(c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
		require.EqualError(t, f.Err, want.reason)
		require.Equal(t, want.kind, f.Kind, want.reason)
		require.Equal(t, want.wait, f.Wait, want.reason)
		require.Contains(t, want.reason, f.Status)
		require.Equal(t, want.kind == channels.Gone, !f.Since.IsZero(), want.reason)
		require.False(t, f.Since.After(time.Now()))
		require.True(t, f.Since.IsZero() || !f.Since.Before(started))
	}
	for _, status := range []int{200, 201, 202, 204, 299} {
		hook.Answer("/hook", farend.HookAnswer{Status: status})
		require.NoError(t, c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Status: 307, Header: http.Header{"Location": {hook.URL() + "/other"}}})
	require.Error(t, local(15*time.Second, nil).Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
	received, _ := log.Since(0)
	require.Len(t, received, 1)
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = silent
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	resolver := serveNames(t, nil)

	hook.Answer("/drop", farend.HookAnswer{Drop: true})
	hook.Answer("/header", farend.HookAnswer{Header: http.Header{"X-Long": {strings.Repeat("x", 1<<20)}}})
	for url, reason := range map[string]string{
		"http://" + closed.Addr().String() + "/x":                   "connection refused",
		"http://no-such-name.example/x":                             "host name not found",
		untrusted.URL:                                               "TLS certificate is signed by an unknown authority",
		strings.Replace(hook.URL(), "http", "https", 1):             "TLS handshake failed: the far end does not speak TLS",
		hook.URL() + "/drop":                                        "connection ended without a valid HTTP answer",
		hook.URL() + "/header":                                      "connection ended without a valid HTTP answer",
		strings.Replace(untrusted.URL, "127.0.0.1", "127.0.0.2", 1): "connection refused",
	} {
		f := channels.FailureOf(local(15*time.Second, resolver).Send(t.Context(), delivery(), target(t, url)))
		require.EqualError(t, f.Err, reason, url)
		require.Equal(t, channels.Temporary, f.Kind, url)
		require.Empty(t, f.Status, url)
	}
}

func TestOwnTimeout(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Hang: true})
	f := channels.FailureOf(local(300*time.Millisecond, nil).Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
	require.EqualError(t, f.Err, "no answer within 300ms")
	require.Equal(t, channels.Temporary, f.Kind)
}

// A body that drips is cut off; the status has been said.
func TestEndlessBodies(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Drip: true}, farend.HookAnswer{Status: 500, Drip: true})
	c := local(25*time.Second, nil)
	require.NoError(t, c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")))
	require.EqualError(t, c.Send(t.Context(), delivery(), target(t, hook.URL()+"/hook")), "endpoint answered 500 Internal Server Error")
}

// What the sockets hold of a huge body is sent before the endpoint notices
// that nobody reads on.
func TestHugeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	const socketBuffers = 32 << 20
	written := make(chan int64, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var sent int64
		for chunk := make([]byte, 64<<10); sent < 1<<30; sent += int64(len(chunk)) {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
		written <- sent
	}))
	t.Cleanup(server.Close)
	require.NoError(t, local(25*time.Second, nil).Send(t.Context(), delivery(), target(t, server.URL)))
	require.Less(t, <-written, int64(socketBuffers))
}

func TestHTTP2OverTLS(t *testing.T) {
	t.Parallel()
	var major, connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		major.Store(int32(r.ProtoMajor))
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	c := local(15*time.Second, nil)
	trust(c, server)
	for range 3 {
		require.NoError(t, c.Send(t.Context(), delivery(), target(t, server.URL)))
	}
	require.EqualValues(t, 2, major.Load())
	require.EqualValues(t, 1, connections.Load())
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = silent
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	server.StartTLS()
	t.Cleanup(server.Close)
	c := local(15*time.Second, nil)
	trust(c, server)
	f := channels.FailureOf(c.Send(t.Context(), delivery(), target(t, server.URL)))
	require.ErrorContains(t, f.Err, "TLS handshake failed")
	require.Equal(t, channels.Temporary, f.Kind)
}

// silent keeps the handshakes that a server is meant to complain about out of
// the test's output.
var silent = log.New(io.Discard, "", 0)

func trust(c *channel, server *httptest.Server) {
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots
}
