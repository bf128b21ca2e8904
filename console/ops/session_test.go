package ops_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/console/ops"
)

func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"ada:0123456789012345678901234":          "role:name:key",
		"admin:ada:0123456789012345678901234":    "view or operate",
		"view:a b:0123456789012345678901234":     "the name",
		"view:ada:short":                         "can be guessed",
		"view:ada:":                              "empty",
		"view:ada:0123456789012345678901234, ":   "key 2 of 2",
		"view:ada:012345678901234567890\n123456": "character",
	} {
		_, err := ops.ParseKeys(text)
		require.ErrorContains(t, err, says, text)
		require.NotContains(t, err.Error(), "0123", "nothing of the key")
	}
	none, err := ops.ParseKeys(" ")
	require.NoError(t, err)
	require.True(t, none.None())
}

func TestNobodyIsInWithoutAKey(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	v := i.visitor()
	for _, path := range []string{"/ops/dead", "/ops/dead/1", "/ops/dead/counts", "/ops/replays", "/ops/replays/X", "/ops/audit"} {
		answer, body := v.get(path + "?channel=webhook")
		require.Equal(t, http.StatusSeeOther, answer.StatusCode, path)
		require.Equal(t, "/ops/sign-in?to="+url.QueryEscape(path[len("/ops"):]+"?channel=webhook"), answer.Header.Get("Location"))
		require.NotContains(t, body, "Dead letters")
	}
	for _, path := range []string{"/ops/dead", "/ops/replays/X", "/ops/sign-out"} {
		answer, _ := v.post(path, url.Values{"do": {"plan-all"}, "rate": {"1"}})
		require.Equal(t, "/ops/sign-in", answer.Header.Get("Location"), path)
	}
	for name, cookie := range map[string]string{"none": "", "nonsense": "abc", "long": strings.Repeat("A", 4000)} {
		v.cookie = cookie
		answer, _ := v.get("/ops/dead")
		require.Equal(t, http.StatusSeeOther, answer.StatusCode, name)
	}
	require.Empty(t, i.acts())
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	v := i.visitor()
	answer, body := v.post("/ops/sign-in", url.Values{"key": {"the-key-of-eve-0123456789"}})
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	require.Contains(t, body, "No key of this installation is like this")
	require.NotContains(t, body, "eve", "the key does not come back")

	for to, location := range map[string]string{
		"/dead?channel=webhook": "/ops/dead?channel=webhook", "": "/ops", "//evil.example": "/ops", "https://evil.example/": "/ops",
		"/../settings": "/ops", `/\evil.example`: "/ops", "@evil.example": "/ops",
	} {
		answer, _ = v.post("/ops/sign-in", url.Values{"key": {" " + operateKey + "\n"}, "to": {to}})
		require.Equal(t, http.StatusSeeOther, answer.StatusCode)
		require.Equal(t, location, answer.Header.Get("Location"), to)
		require.Regexp(t, `^tocsin_ops=[\w-]+; Path=/ops; Max-Age=28800; HttpOnly; SameSite=Lax$`, answer.Header.Get("Set-Cookie"))
		require.NotContains(t, answer.Header.Get("Set-Cookie"), operateKey)
	}
	require.Contains(t, i.acts(), "ada sign-in done")

	in := i.signedIn(operateKey)
	answer, body = in.get("/ops/dead")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Contains(t, body, "ada")
	require.Contains(t, answer.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	answer, _ = in.post("/ops/sign-out", nil)
	require.Contains(t, answer.Header.Get("Set-Cookie"), "Max-Age=0")
}

// A key that is taken away ends the sessions that it has opened, and nothing else
// does.
func TestASessionLivesAsLongAsItsKey(t *testing.T) {
	t.Parallel()
	before := install(t, opsKeys)
	ada, bob := before.signedIn(operateKey), before.signedIn(viewKey)
	after := install(t, "view:carol:the-key-of-carol-0123456789,view:bob:"+viewKey)
	for v, code := range map[*visitor]int{ada: http.StatusSeeOther, bob: http.StatusOK} {
		v.installation = after
		answer, _ := v.get("/ops/dead")
		require.Equal(t, code, answer.StatusCode)
	}
}

func TestWrongKeysAreTriedSeldom(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	v, codes := i.visitor(), map[int]int{}
	for range 30 {
		answer, _ := v.post("/ops/sign-in", url.Values{"key": {"a-guess-0123456789-0123456789"}})
		codes[answer.StatusCode]++
	}
	require.GreaterOrEqual(t, codes[http.StatusTooManyRequests], 18)
	require.GreaterOrEqual(t, codes[http.StatusUnauthorized], 10)
	answer, body := v.post("/ops/sign-in", url.Values{"key": {operateKey}})
	require.Equal(t, http.StatusTooManyRequests, answer.StatusCode, "a right one tells a guesser nothing")
	require.Contains(t, body, "Wait a minute")
}

func TestWithoutKeysTheConsoleIsClosed(t *testing.T) {
	t.Parallel()
	i := install(t, "")
	answer, body := i.visitor().get("/ops/sign-in")
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	require.Contains(t, body, "TOCSIN_OPS_KEYS")
	answer, _ = i.visitor().post("/ops/sign-in", url.Values{"key": {""}})
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	require.Empty(t, answer.Cookies())
}
