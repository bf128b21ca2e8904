package dev_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

func TestMailIsSandboxed(t *testing.T) {
	t.Parallel()
	page := newPage(logOf(
		farend.Received{Channel: "email", Text: "plain", HTML: `<!doctype html><p>Hello<script>alert(1)</script>`},
		farend.Received{Channel: "email", Text: "only <b>plain</b>"},
	))
	for path, want := range map[string]struct{ kind, body string }{
		"/mail/1": {"text/html; charset=utf-8", `<!doctype html><p>Hello<script>alert(1)</script><base target="_blank">`},
		"/mail/2": {"text/plain; charset=utf-8", "only <b>plain</b>"},
	} {
		answer := get(t, page, path)
		require.Equal(t, http.StatusOK, answer.Code, path)
		require.Equal(t, want.kind, answer.Header().Get("Content-Type"))
		require.Equal(t, want.body, answer.Body.String())
		policy := answer.Header().Get("Content-Security-Policy")
		require.Regexp(t, `^sandbox [a-z -]*; default-src 'none'; `, policy)
		require.NotContains(t, policy, "allow-scripts")
		require.NotContains(t, policy, "allow-same-origin")
		require.NotContains(t, policy, "script-src")
		require.Contains(t, policy, "frame-ancestors 'self'")
	}
	require.Contains(t, get(t, page, "/").Body.String(), `sandbox="allow-popups allow-popups-to-escape-sandbox"`)
}

func TestMailThatIsNotThere(t *testing.T) {
	t.Parallel()
	page := newPage(logOf(
		farend.Received{Channel: "webhook", Text: "{}"},
		farend.Received{Channel: "email", To: "nobody@acme.example", Status: "550"},
	))
	for _, path := range []string{"/mail/0", "/mail/-1", "/mail/1", "/mail/2", "/mail/3", "/mail/x", "/mail/99999999999999999999"} {
		answer := get(t, page, path)
		require.Equal(t, http.StatusNotFound, answer.Code, path)
		require.Equal(t, "There is no mail of this number.\n", answer.Body.String(), path)
	}
}

// Whoever names a stack, or sends to a far end, must not get to run a script
// on the page.
func TestHostileContentIsEscaped(t *testing.T) {
	t.Parallel()
	const attack = `<script>alert(1)</script><img src=x onerror=alert(2)>`
	var hostile []farend.Received
	for _, channel := range []string{"email", "ios", "hipchat", "webhook"} {
		hostile = append(hostile, farend.Received{
			Channel: channel, Delivery: attack, To: attack, Title: attack, Text: "x\n" + attack, Status: attack,
			Raw: "POST / HTTP/1.1\r\nHost: h\r\nX-Attack: " + attack + "\r\n\r\n" + attack,
		})
	}
	hostile = append(hostile,
		farend.Received{Channel: "ios", Text: `{"aps":{"alert":{"title":"` + attack + `","body":"` + attack + `"}}}`},
		farend.Received{Channel: "webhook", Text: `{"name":"` + attack + `"}`},
		farend.Received{Channel: "hipchat", HTML: `<b onclick="alert(3)">b</b><a href="javascript:alert(4)">a</a><script>alert(1)</script>` +
			`<a href="data:text/html,x">d</a><img src="x" onerror="alert(5)"/>`},
		farend.Received{Channel: "hipchat", HTML: "x", Raw: "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\r\n" +
			`{"from":"<script>","color":"red\" onclick=\"alert(6)"}`},
	)
	log := logOf(hostile...)
	page := newPage(log)
	html := get(t, page, "/").Body.String()
	require.NotRegexp(t, `<script>|<img src=x|onclick="|href="(javascript|data):`, html)
	require.Contains(t, html, "&lt;script&gt;alert(1)&lt;/script&gt;")

	for _, c := range streamed(t, page, len(hostile)) {
		require.NotRegexp(t, `<script>|<img src=x|onclick="|href="(javascript|data):`, c.HTML)
	}
}
