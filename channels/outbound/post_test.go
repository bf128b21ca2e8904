package outbound

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
	"tocsin/schema"
)

// patience is above what any machine needs for an exchange with itself.
const patience = 25 * time.Second

// loopback allows what the tests run on. Names are resolved by the given
// resolver, or the machine's if it is nil.
func loopback(resolver *net.Resolver) Policy {
	return Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Variable: "TOCSIN_ALLOW", Resolver: resolver}
}

func local(resolver *net.Resolver) *Client { return Open(loopback(resolver)) }

func post(t *testing.T, c *Client, url string) error {
	t.Helper()
	_, err := exchange(t, t.Context(), c, Request{URL: parsed(t, url)})
	return err
}

func parsed(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := CheckURL(raw)
	require.NoError(t, err)
	return u
}

func exchange(t *testing.T, ctx context.Context, c *Client, r Request) (*Answer, error) {
	t.Helper()
	if r.Header == nil {
		r.Header = http.Header{"Content-Type": {"application/json"}}
	}
	if r.Timeout == 0 {
		r.Timeout = patience
	}
	r.Body = []byte(`{"a":1}`)
	return c.Post(ctx, r)
}

func newHook(t *testing.T) (*farend.Hook, *farend.Log) {
	t.Helper()
	log := &farend.Log{}
	hook, err := farend.NewHook(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	return hook, log
}

func TestPostKeepsTheBeginningOfTheAnswer(t *testing.T) {
	t.Parallel()
	hook, log := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Status: 404, Text: "no_service", Header: http.Header{"X-Said": {"so"}}})
	answer, err := exchange(t, t.Context(), local(nil), Request{URL: parsed(t, hook.URL()+"/hook"), Keep: 5})
	require.NoError(t, err)
	require.Equal(t, 404, answer.Status)
	require.False(t, answer.Delivered())
	require.Equal(t, "no_se", string(answer.Body))
	require.Equal(t, "so", answer.Header.Get("X-Said"))
	require.EqualError(t, answer.Failure("endpoint"), "endpoint answered 404 Not Found")
	received, _ := log.Since(0)
	require.Equal(t, `{"a":1}`, received[0].Text)
}

// Secrets are looked for in each field that is shown, so these are few.
func TestOfManyFieldsSomeAreShown(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	many := http.Header{"A-First": {"1"}, "Set-Cookie": {"session=1"}}
	for range 5000 {
		many.Add("X-Many", "x")
	}
	hook.Answer("/hook", farend.HookAnswer{Status: 200, Header: many})
	request := Request{URL: parsed(t, hook.URL()+"/hook"), Header: http.Header{}, Timeout: patience}
	trial := channels.Try(t.Context(), attempt{local(nil), request}, schema.Delivery{}, channels.Target{})
	require.Equal(t, "200", trial.Status)
	seen := 0
	for _, values := range trial.Header {
		seen += len(values)
	}
	require.Equal(t, mostShown, seen)
	require.Equal(t, []string{"1"}, trial.Header["A-First"])
}

// What goes wrong on the way is one line without the URL, and may pass.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	hook.Answer("/drop", farend.HookAnswer{Drop: true})
	hook.Answer("/header", farend.HookAnswer{Header: http.Header{"X-Long": {strings.Repeat("x", 1<<20)}}})
	interim := strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100)
	c := local(serveNames(t, nil))
	for url, reason := range map[string]string{
		"http://" + closed.Addr().String() + "/x":       "connection refused",
		"http://no-such-name.example/x":                 "host name not found",
		strings.Replace(hook.URL(), "http", "https", 1): "TLS handshake failed: the far end does not speak TLS",
		hook.URL() + "/drop":                            "connection ended without a valid HTTP answer",
		hook.URL() + "/header":                          "connection ended without a valid HTTP answer",
		"http://" + serve(t, func(net.Conn) {}):         "connection (ended without a valid HTTP answer|reset by peer)|broken pipe",
		"http://" + speak(t, ""):                        "connection (ended without a valid HTTP answer|reset by peer)",
		"http://" + speak(t, interim):                   "connection ended without a valid HTTP answer",
		"http://" + speak(t, "SSH-2.0-x\r\n"):           "connection (ended without a valid HTTP answer|reset by peer)",
		"http://" + speak(t, "HTTP/1.1 200 OK\r\nX"):    "connection (ended without a valid HTTP answer|reset by peer)",
		"https://" + speak(t, ""):                       "connection (ended without a valid HTTP answer|reset by peer)",
	} {
		f := channels.FailureOf(post(t, c, url))
		require.Regexp(t, "^("+reason+")$", f.Err.Error(), url)
		require.Equal(t, channels.Temporary, f.Kind, url)
		require.Empty(t, f.Status, url)
	}
}

// speak accepts connections, says the same to each whatever it is asked, and
// closes it.
func speak(t *testing.T, said string) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, said)
	})
}

// serve gives each connection to a function, and closes it afterwards or when
// the test ends.
func serve(t *testing.T, each func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				context.AfterFunc(t.Context(), func() { _ = conn.Close() })
				each(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestSlowEndpointsAreCutOff(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	hook.Answer("/hang", farend.HookAnswer{Hang: true})
	headerByHeader := serve(t, func(conn net.Conn) {
		_, err := http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for ticker := time.NewTicker(10 * time.Millisecond); err == nil; <-ticker.C {
			_, err = io.WriteString(conn, "X: y\r\n")
		}
	})
	silent := serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	for _, url := range []string{hook.URL() + "/hang", "http://" + headerByHeader, "http://" + silent, "https://" + silent} {
		_, err := exchange(t, t.Context(), local(nil), Request{URL: parsed(t, url), Timeout: 300 * time.Millisecond})
		f := channels.FailureOf(err)
		require.EqualError(t, f.Err, "no answer within 300ms", url)
		require.Equal(t, channels.Temporary, f.Kind)
	}
}

// The status has been said: what becomes of the body changes nothing.
func TestBodiesWithoutEnd(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	hook.Answer("/drip", farend.HookAnswer{Drip: true}, farend.HookAnswer{Status: 500, Drip: true})
	hook.Answer("/flood", farend.HookAnswer{Body: 1 << 30})
	broken := speak(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
	switched := serve(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the client closes
	})
	for _, want := range []struct {
		url    string
		status int
	}{
		{hook.URL() + "/drip", 200}, {hook.URL() + "/drip", 500}, {hook.URL() + "/flood", 200},
		{"http://" + broken, 200}, {"http://" + switched, 101},
	} {
		answer, err := exchange(t, t.Context(), local(nil), Request{URL: parsed(t, want.url), Keep: 10})
		require.NoError(t, err, want.url)
		require.Equal(t, want.status, answer.Status, want.url)
		require.LessOrEqual(t, len(answer.Body), 10)
	}
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
	require.NoError(t, post(t, local(nil), server.URL))
	require.Less(t, <-written, int64(socketBuffers))
}

// attempt is a Channel of nothing but Post, so that it can be tried.
type attempt struct {
	client  *Client
	request Request
}

func (a attempt) Send(ctx context.Context, _ schema.Delivery, _ channels.Target) error {
	_, err := a.client.Post(ctx, a.request)
	return err
}

func TestPostNotesWhatPassed(t *testing.T) {
	t.Parallel()
	hook, _ := newHook(t)
	hook.Answer("/hook", farend.HookAnswer{Status: 422, Text: "caf\xe9 café\x00", Body: 1 << 20,
		Header: http.Header{"Set-Cookie": {"session=1"}, "X-Trace": {"7"}}})
	request := Request{URL: parsed(t, hook.URL()+"/hook"), Header: http.Header{}, Timeout: patience}
	trial := channels.Try(t.Context(), attempt{local(nil), request}, schema.Delivery{}, channels.Target{})
	require.Equal(t, "422", trial.Status)
	require.Equal(t, []string{"7"}, trial.Header["X-Trace"])
	require.NotContains(t, trial.Header, "Set-Cookie")
	require.True(t, strings.HasPrefix(trial.Excerpt, "caf café\x00...."), "%q", trial.Excerpt)
	require.LessOrEqual(t, len(trial.Excerpt), channels.ExcerptBytes)
	require.Greater(t, len(trial.Excerpt), channels.ExcerptBytes-10)
}

// A connection that the endpoint closed while it was idle costs no attempt.
func TestClosedIdleConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 1)
	address := serve(t, func(conn net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn) // until the client has noticed
		closed <- struct{}{}
	})
	c := local(nil)
	for n := range 5 {
		require.NoError(t, post(t, c, "http://"+address), fmt.Sprint("attempt ", n))
		<-closed
	}
}
