package dev_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/dev"
	"tocsin/farend"
	"tocsin/schema"
)

// published remembers what the page published.
type published struct {
	mu    sync.Mutex
	types []string
}

func (p *published) publish(_ context.Context, typeName string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.types = append(p.types, typeName)
	return nil
}

func newPage(log *farend.Log) http.Handler {
	return dev.NewPage(log, new(published).publish, about)
}

var about = dev.About{
	Account:     "acme",
	User:        "rosa",
	NATSURL:     "nats://127.0.0.1:4222",
	RedisURL:    "redis://127.0.0.1:6379/0",
	PublishLine: "tocsin publish job.fail --account acme --sample",
	Version:     "1.2.3",
}

// one received of each channel, as the far ends record them.
func received() []farend.Received {
	at := time.Date(2026, 3, 9, 14, 21, 7, 0, time.UTC)
	return []farend.Received{
		{At: at, Channel: "email", Delivery: "id-mail", To: "rosa@acme.example", Title: "Redeploy of Harbour failed",
			Text: "Redeploy of Harbour failed\r\n\r\nStack: Harbour\r\nBranch: main\r\n-- \r\nbecause", HTML: "<h1>Harbour</h1>", Status: "250"},
		{At: at, Channel: "ios", Delivery: "id-push", To: "a1b2", Title: "Redeploy of Harbour failed", Status: "200",
			Text: `{"aps":{"alert":{"title":"Redeploy of Harbour failed","subtitle":"Harbour","body":"Branch main"}}}`},
		{At: at, Channel: "hipchat", To: "Operations", Title: "Redeploy of Harbour failed", Status: "204",
			Text: "Redeploy of Harbour failed\nOpen", HTML: `<b>Redeploy of Harbour failed</b><br/><a href="https://paas.example.com/x">Open</a>`,
			Raw: "POST /v2/room/Operations/notification HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\r\n" +
				`{"from":"Watch","color":"red","message":"x"}`},
		{At: at, Channel: "webhook", Delivery: "id-hook", To: "/hooks/main", Title: "stack.redeploy.fail", Status: "503",
			Text: `{"event_type":"stack.redeploy.fail","name":"Harbour"}`,
			Raw:  "POST /hooks/main HTTP/1.1\r\nHost: h\r\nWebhook-Id: id-hook\r\nUser-Agent: Tocsin/dev\r\n\r\n{}"},
	}
}

func logOf(received ...farend.Received) *farend.Log {
	log := new(farend.Log)
	for _, r := range received {
		log.Record(r)
	}
	return log
}

func get(t *testing.T, page http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:8025"+path, nil))
}

func ask(page http.Handler, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	page.ServeHTTP(answer, r)
	return answer
}

func TestPageOffersEveryType(t *testing.T) {
	t.Parallel()
	answer := get(t, newPage(new(farend.Log)), "/")
	require.Equal(t, http.StatusOK, answer.Code)
	html := answer.Body.String()
	for _, kind := range schema.Types() {
		require.Contains(t, html, `<form method="post" action="/publish/`+kind.Name+`">`)
		require.Contains(t, html, kind.Meaning)
	}
	require.Equal(t, 1, strings.Count(html, "off by default"))
	require.Equal(t, 4, strings.Count(html, `class="empty"`))
	for _, told := range []string{about.Account, about.User, about.NATSURL, about.RedisURL, about.PublishLine, about.Version} {
		require.Contains(t, html, told)
	}
}

func TestPageShowsWhatArrived(t *testing.T) {
	t.Parallel()
	html := get(t, newPage(logOf(received()...)), "/").Body.String()
	for what, want := range map[string]string{
		"mail opened":        `src="/mail/1"`,
		"mail preview":       "Stack: Harbour · Branch: main",
		"mail status":        "✓ 250",
		"mail delivery":      "id-mail",
		"push subtitle":      "<p>Harbour</p>",
		"push body":          "<p>Branch main</p>",
		"push delivery":      "id-push",
		"room sender":        "Watch",
		"room color":         `class="say red"`,
		"room bold":          "<b>Redeploy of Harbour failed</b>",
		"room link":          `<a href="https://paas.example.com/x" target="_blank" rel="noreferrer">Open</a>`,
		"webhook method":     "POST /hooks/main",
		"webhook header":     `<th scope="row">User-Agent</th><td>Tocsin/dev</td>`,
		"webhook body":       "{\n  &#34;event_type&#34;: &#34;stack.redeploy.fail&#34;,\n",
		"webhook status":     "✕ 503",
		"webhook delivery":   "id-hook",
		"position to follow": `data-last="4"`,
	} {
		require.Contains(t, html, want, what)
	}
}

func TestPageShowsTheNewestFirstAndNotAll(t *testing.T) {
	t.Parallel()
	log := new(farend.Log)
	for range 60 {
		log.Record(received()[0])
	}
	html := get(t, newPage(log), "/").Body.String()
	require.Equal(t, 50, strings.Count(html, `<li class="mail"`))
	require.Contains(t, html, `<span class="total">60</span>`)
	require.Less(t, strings.Index(html, `data-seq="60"`), strings.Index(html, `data-seq="59"`))
	require.NotContains(t, html, `data-seq="10"`)
}

func TestPageShowsWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	html := get(t, newPage(logOf(
		farend.Received{Channel: "email", Status: "550 5.1.1"},
		farend.Received{Channel: "ios", Text: "not JSON"},
		farend.Received{Channel: "hipchat", HTML: "<b>not well-formed", Raw: "nothing"},
		farend.Received{Channel: "webhook", Text: "not JSON", Raw: "nothing"},
		farend.Received{Channel: "pager", Title: "of another kind"},
	)), "/").Body.String()
	require.Contains(t, html, "The recipient was refused")
	require.Contains(t, html, "✕ 550 5.1.1")
	require.Contains(t, html, "✕ no answer")
	require.Contains(t, html, "&lt;b&gt;not well-formed")
	require.NotContains(t, html, "of another kind")
	require.NotContains(t, html, `src="/mail/`)
}

func TestPageRunsNoScriptButItsOwn(t *testing.T) {
	t.Parallel()
	page := newPage(logOf(received()...))
	for _, path := range []string{"/", "/received", "/assets/page.js", "/assets/page.css", "/assets/bell.svg", "/healthz"} {
		answer := get(t, page, path)
		require.Equal(t, http.StatusOK, answer.Code, path)
		policy := answer.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", path)
		require.NotContains(t, policy, "unsafe", path)
		require.NotContains(t, policy, "http", path)
		require.Equal(t, "nosniff", answer.Header().Get("X-Content-Type-Options"), path)
	}
	html := get(t, page, "/").Body.String()
	require.NotRegexp(t, `<script(>| [^s])|<style|\sstyle=|\son[a-z]+=`, html)
	require.NotRegexp(t, `(src|action)="(https?:)?//`, html)
}

func TestPageAnswersOnlyToLocalNames(t *testing.T) {
	t.Parallel()
	listening := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 8025}
	for host, want := range map[string]int{
		"localhost:8025":       http.StatusOK,
		"LOCALHOST":            http.StatusOK,
		"tocsin.localhost":     http.StatusOK,
		"127.0.0.1:8025":       http.StatusOK,
		"127.8.9.1":            http.StatusOK,
		"[::1]:8025":           http.StatusOK,
		"[::1]":                http.StatusOK,
		"[::ffff:127.0.0.1]":   http.StatusOK,
		"192.0.2.7:8025":       http.StatusOK,
		"192.0.2.8:8025":       http.StatusForbidden,
		"attacker.example":     http.StatusForbidden,
		"localhost.example":    http.StatusForbidden,
		"127.0.0.1.nip.io":     http.StatusForbidden,
		"notlocalhost:8025":    http.StatusForbidden,
		"0.0.0.0:8025":         http.StatusForbidden,
		"":                     http.StatusForbidden,
		"attacker.example:::1": http.StatusForbidden,
	} {
		ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(listening))
		for _, path := range []string{"/", "/received", "/stream", "/mail/1"} {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
			r.Host = host
			if path == "/stream" && want == http.StatusOK {
				continue // has no end; TestStream reads it
			}
			wanted := want
			if path == "/mail/1" && want == http.StatusOK {
				wanted = http.StatusNotFound
			}
			require.Equal(t, wanted, ask(newPage(new(farend.Log)), r).Code, "%s of %q", path, host)
		}
	}
}

func TestHealthz(t *testing.T) {
	t.Parallel()
	answer := get(t, newPage(new(farend.Log)), "/healthz")
	require.Equal(t, http.StatusOK, answer.Code)
	require.Equal(t, "ok\n", answer.Body.String())
}

func TestAssetsStaySmall(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"page.css": 250, "page.js": 200} {
		text, err := os.ReadFile("assets/" + name)
		require.NoError(t, err)
		require.LessOrEqual(t, strings.Count(string(text), "\n"), most, name)
	}
}

// Each click is a link of its own, since one is good once.
func TestOpensSettings(t *testing.T) {
	t.Parallel()
	made := 0
	with := about
	with.Settings = func() string { made++; return fmt.Sprint("http://127.0.0.1/settings?link=", made) }
	page := dev.NewPage(new(farend.Log), new(published).publish, with)
	require.Contains(t, get(t, page, "/").Body.String(), `href="/open-settings"`)
	for n := range 2 {
		answer := get(t, page, "/open-settings")
		require.Equal(t, http.StatusSeeOther, answer.Code)
		require.Equal(t, fmt.Sprint("http://127.0.0.1/settings?link=", n+1), answer.Header().Get("Location"))
	}
	without := dev.NewPage(new(farend.Log), new(published).publish, about)
	require.NotContains(t, get(t, without, "/").Body.String(), "open-settings")
	require.Equal(t, http.StatusNotFound, get(t, without, "/open-settings").Code)
}
