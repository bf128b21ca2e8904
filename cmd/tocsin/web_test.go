package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/farend"
	"tocsin/servertest"
)

const (
	webKey  = "a-key-of-the-platform-0123456789"
	linkKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
)

// openWeb starts `tocsin web` and gives its address.
func openWeb(t *testing.T, args ...string) (address string, said *daemon) {
	t.Helper()
	args = append([]string{
		"web", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--nats-url", servertest.NATS(t).URL(), "--redis-url", servertest.Redis(t),
		"--secrets-key", secretsKey, "--link-key", linkKey, "--public-url", "https://notify.example.com",
	}, args...)
	said = start(t, args...)
	found := regexp.MustCompile(`"msg":"answering","address":"([^"]+)"`).FindStringSubmatch(said.says(`"msg":"answering"`))
	require.NotNil(t, found)
	return "http://" + found[1], said
}

func get(t *testing.T, url string, headers ...string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestWebAnswersPagesAndCalls(t *testing.T) {
	t.Parallel()
	web, said := openWeb(t, "--api-keys", webKey)
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/docs": 200, "/openapi.json": 200,
		"/v1/users/ada": 401, "/settings/ada/events": 401, "/unsubscribe/x": 404, "/": 404,
	} {
		status, text := get(t, web+path)
		require.Equal(t, want, status, "%s: %s", path, text)
	}
	status, _ := get(t, web+"/v1/users/ada", "Authorization", "Bearer "+webKey)
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, exitDone, said.stop())
	require.NotContains(t, said.err.String(), webKey)
}

// A web that is started before its NATS answers what it can.
func TestWebAnswersWithoutNATS(t *testing.T) {
	t.Parallel()
	web, said := openWeb(t, "--api-keys", webKey, "--nats-url", "nats://127.0.0.1:1")
	status, _ := get(t, web+"/v1/accounts/acme/members", "Authorization", "Bearer "+webKey)
	require.Equal(t, http.StatusOK, status)
	status, text := get(t, web+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "NATS")
	status, _ = get(t, web+"/v1/events/a/b?account=acme", "Authorization", "Bearer "+webKey)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, exitDone, said.stop())
}

func TestWebSaysThatItsAPIHasNoKeys(t *testing.T) {
	t.Parallel()
	web, said := openWeb(t)
	require.Contains(t, said.err.String(), "TOCSIN_API_KEYS")
	status, text := get(t, web+"/v1/users/ada", "Authorization", "Bearer "+webKey)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "TOCSIN_API_KEYS")
}

func TestWrongConfigurationOfWebNamesTheVariable(t *testing.T) {
	t.Parallel()
	good := []string{"--secrets-key", secretsKey, "--link-key", linkKey, "--public-url", "https://notify.example.com"}
	for variable, args := range map[string][]string{
		"TOCSIN_LINK_KEY":        {"--secrets-key", secretsKey, "--public-url", "https://notify.example.com"},
		"TOCSIN_PUBLIC_URL":      {"--secrets-key", secretsKey, "--link-key", linkKey},
		"TOCSIN_SECRETS_KEY":     {"--link-key", linkKey, "--public-url", "https://notify.example.com"},
		"TOCSIN_API_KEYS":        append([]string{"--api-keys", "short"}, good...),
		"TOCSIN_API_RATE":        append([]string{"--api-rate=-1"}, good...),
		"TOCSIN_FRAME_ANCESTORS": append([]string{"--frame-ancestors", "everybody; script-src *"}, good...),
		"TOCSIN_SMTP_FROM":       append([]string{"--smtp-url", "smtp://127.0.0.1:25"}, good...),
		"TOCSIN_CHANNELS":        append([]string{"--offer", "pigeon"}, good...),
		"TOCSIN_HTTP_ADDR":       append([]string{"--http-addr", "nowhere"}, good...),
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := tocsin(t, "", append([]string{"web"}, args...)...)
			require.NotEqual(t, exitDone, code)
			require.Contains(t, stderr, variable)
			require.NotContains(t, stderr, "short")
		})
	}
	for _, args := range [][]string{{"--link-key", "c2hvcnQ=", "--public-url", "https://notify.example.com"}, {"--link-key", linkKey, "--public-url", "http://notify.example.com"}} {
		code, _, stderr := tocsin(t, "", append([]string{"web", "--secrets-key", secretsKey}, args...)...)
		require.NotEqual(t, exitDone, code)
		require.Regexp(t, "TOCSIN_(LINK_KEY|PUBLIC_URL)", stderr)
	}
}

// The calls in docs/api.md, as they stand there.
func TestDocumentedCallsSucceed(t *testing.T) {
	t.Parallel()
	hook, err := farend.NewHook(&farend.Log{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hook.Close() })
	inbox, err := farend.NewInbox(&farend.Log{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = inbox.Close() })
	web, _ := openWeb(t, "--api-keys", webKey, "--webhook-allow", "127.0.0.0/8",
		"--smtp-url", "smtp://"+inbox.Addr()+"?tls=none", "--smtp-from", "tocsin@example.com")
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 2, "how to start it, and the calls")
	script := strings.ReplaceAll(blocks[1][1], "https://example.com/hooks/tocsin", hook.URL()+"/hook")
	calls := exec.CommandContext(t.Context(), "sh", "-euc", script)
	calls.Env = append(os.Environ(), "API="+web, "KEY="+webKey)
	var failed strings.Builder
	calls.Stderr = &failed
	said, err := calls.Output()
	require.NoError(t, err, "%s%s", said, &failed)
	require.Contains(t, string(said), `"delivered":true`)
	require.Equal(t, 2, strings.Count(string(said), "whsec_"), "the first secret, and the one that is renewed")
	require.Contains(t, string(said), "https://notify.example.com/settings?link=")
}

func TestDevSaysHowToCallItsAPI(t *testing.T) {
	t.Parallel()
	d := start(t, "dev", "--data", t.TempDir(), "--http-addr", "127.0.0.1:0", "--nats-addr", "127.0.0.1:0", "--log-level", "warn")
	said := d.says("Publish an event")
	line := regexp.MustCompile(`curl -H 'Authorization: (Bearer [^']+)' (\S+)`).FindStringSubmatch(said)
	require.NotNil(t, line, said)
	status, text := get(t, line[2], "Authorization", line[1])
	require.Equal(t, http.StatusOK, status, text)
	settings := regexp.MustCompile(`http://\S+/settings\?link=\S+`).FindString(said)
	status, text = get(t, settings)
	require.NotEqual(t, http.StatusNotFound, status, fmt.Sprint(text))
}

// A client that sends a byte now and then holds no connection for ever, and one
// whose test takes its half minute is not cut off.
func TestClientsAreGivenOnlySoLong(t *testing.T) {
	t.Parallel()
	server := newServer(http.NotFoundHandler(), zap.NewNop())
	require.NotZero(t, server.ReadHeaderTimeout)
	require.NotZero(t, server.IdleTimeout)
	require.Greater(t, server.ReadTimeout, 45*time.Second)
	require.LessOrEqual(t, server.ReadTimeout, 2*time.Minute)
}
