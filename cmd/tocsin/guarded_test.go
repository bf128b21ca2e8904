package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/channels/webhook"
	"tocsin/farend"
	"tocsin/servertest"
)

// guarded is a fleet on servers that are set up as deploy/ does it: TLS, and a
// user for each role who may do nothing else.
type guarded struct {
	*servertest.Guarded
	t          *testing.T
	partitions string
	received   farend.Log
	hook       *farend.Hook
	hipchat    *farend.HipChat
	inbox      *farend.Inbox
}

func newGuarded(t *testing.T, partitions int) *guarded {
	t.Helper()
	g := &guarded{Guarded: servertest.StartGuarded(t, partitions), t: t, partitions: strconv.Itoa(partitions)}
	var err error
	g.hook, err = farend.NewHook(&g.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.hook.Close() })
	g.hipchat, err = farend.NewHipChat(&g.received, map[string]string{"ops": "room-token"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.hipchat.Close() })
	g.inbox, err = farend.NewInbox(&g.received)
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.inbox.Close() })
	return g
}

func (g *guarded) nats(user, inbox string) []string {
	return []string{"--nats-url", g.NATSURL(user), "--nats-ca", g.CA, "--nats-inbox", inbox, "--partitions", g.partitions}
}

func (g *guarded) redis(user string) []string {
	cert, key := g.Issue(user)
	return []string{"--redis-url", g.RedisURL(user), "--redis-ca", g.CA, "--redis-cert", cert, "--redis-key", key, "--secrets-key", secretsKey}
}

func (g *guarded) role(name string) []string {
	return append(append(g.nats(name, "_INBOX_"+name), g.redis(name)...),
		"--webhook-allow", "127.0.0.0/8", "--hipchat-url", g.hipchat.URL(), "--link-key", linkKey, "--public-url", "https://notify.example.com",
		"--smtp-url", "smtp://"+g.inbox.Addr()+"?tls=none", "--smtp-from", "tocsin@example.com")
}

func (g *guarded) operator(args ...string) string {
	g.t.Helper()
	return must(g.t, "", append(args, g.nats("operator", "_INBOX_operator")...)...)
}

func (g *guarded) publish(typeName, user string) {
	g.t.Helper()
	must(g.t, "", append([]string{"publish", typeName, "--account", "acme", "--user", user, "--sample"}, g.nats("producer", "_INBOX")...)...)
}

func (g *guarded) seed() {
	g.t.Helper()
	people := map[string]any{
		"fine":  map[string]any{"email": "fine@example.com", "channels": map[string]any{"hipchat": map[string]string{"token": "room-token", "room": "ops"}}},
		"later": map[string]any{"channels": g.webhook("later")},
		"dead":  map[string]any{"channels": g.webhook("dead")},
		"gone":  map[string]any{"email": "gone@example.com", "channels": g.webhook("gone")},
	}
	document, err := json.Marshal(map[string]any{"users": people, "accounts": map[string][]string{"acme": {"fine", "later", "dead", "gone"}}})
	require.NoError(g.t, err)
	must(g.t, string(document), append([]string{"seed", "-"}, g.redis("operator")...)...)
}

func (g *guarded) webhook(path string) map[string]any {
	secret := webhook.NewSecret()
	g.hook.Verify("/"+path, secret)
	return map[string]any{"webhook": map[string]string{"url": g.hook.URL() + "/" + path, "secret": secret}}
}

// call asks web's API for something and reads the answer.
func (g *guarded) call(method, address, body string, answer any) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, address, strings.NewReader(body))
	require.NoError(g.t, err)
	r.Header.Set("Authorization", "Bearer "+webKey)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	require.NoError(g.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(g.t, err)
	require.Less(g.t, response.StatusCode, 300, "%s %s: %s", method, address, text)
	require.NoError(g.t, json.Unmarshal(text, answer), "%s", text)
}

// Deliveries, retries, dead letters, a target that is switched off and the mail
// about it, a room's pace, pages, calls and replays: all that a fleet does is
// allowed to it, and it asks for nothing else.
func TestFleetDoesItsWholeWorkWithTheLeastPermissions(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			newGuarded(t, partitions).doItsWholeWork(t)
		})
	}
}

func (g *guarded) doItsWholeWork(t *testing.T) {
	g.hook.Answer("/later", farend.HookAnswer{Status: 503}, farend.HookAnswer{Status: 200})
	g.hook.Answer("/dead", farend.HookAnswer{Status: 404}, farend.HookAnswer{Status: 200})
	g.hook.Answer("/gone", farend.HookAnswer{Status: 410})
	g.operator("setup")
	g.seed()
	worker := start(t, append(append([]string{"worker"}, g.role("worker")...), "--metrics-addr", "127.0.0.1:0", "--retry-initial", "100ms", "--log-level", "debug")...)
	web := start(t, append(append([]string{"web"}, g.role("web")...), "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--api-keys", webKey, "--ops-keys", "operate:ada:"+opsKey)...)
	api := "http://" + regexp.MustCompile(`"msg":"answering","address":"([^"]+)"`).FindStringSubmatch(web.says(`"msg":"answering",`))[1]
	worker.says(`"working"`)

	for _, user := range []string{"fine", "later", "dead", "gone"} {
		g.publish("server.stopped", user)
	}
	g.publish("server.backon", "fine")
	g.arrive(4*2 + 2) // two mails and two messages of fine, later twice, dead, gone and their two mails

	g.replay(api)
	g.arrive(4*2 + 3)
	g.browse(api)
	g.look(api)
	g.operator("pause", "webhook")
	g.operator("resume", "webhook")
	require.Contains(t, g.operator("ledger", "audit", "--since", "1h"), "0 missing")
	require.Contains(t, g.operator(append([]string{"doctor"}, g.redis("operator")...)...), "nothing is evicted")

	for _, d := range []*daemon{worker, web} {
		require.Equal(t, exitDone, d.stop())
		require.NotRegexp(t, "(?i)permission|NOPERM|can't access", d.err.String())
	}
	rotate := append([]string{"secrets", "rotate", "--yes"}, g.redis("operator")...)
	require.Contains(t, g.operator(append(rotate, "--secrets-key", newKey+","+secretsKey)...), "not needed any more")
	g.nothingWasRefused()
}

func (g *guarded) arrive(n int) {
	g.t.Helper()
	require.Eventually(g.t, func() bool {
		received, _ := g.received.Since(0)
		return len(received) >= n
	}, 60*time.Second, 20*time.Millisecond, "it arrives")
}

// replay has the API replay the dead letter.
func (g *guarded) replay(api string) {
	g.t.Helper()
	var letters struct{ Letters []any }
	require.Eventually(g.t, func() bool {
		g.call("GET", api+"/v1/dead", "", &letters)
		return len(letters.Letters) == 2
	}, 20*time.Second, 50*time.Millisecond)
	var job struct{ ID, State string }
	g.call("POST", api+"/v1/replays", `{"filter": {"user": "dead"}}`, &job)
	g.call("POST", api+"/v1/replays/"+job.ID, `{"action": "start"}`, &job)
	require.Eventually(g.t, func() bool {
		g.call("GET", api+"/v1/replays/"+job.ID, "", &job)
		return job.State == "done"
	}, 20*time.Second, 50*time.Millisecond)
	var all struct{ Replays []any }
	g.call("GET", api+"/v1/replays", "", &all)
	require.Len(g.t, all.Replays, 1)
}

// browse makes the calls of docs/api.md, and opens a settings page.
func (g *guarded) browse(api string) {
	g.t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(g.t, err)
	script := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)[1][1]
	calls := exec.CommandContext(g.t.Context(), "sh", "-euc", strings.ReplaceAll(script, "https://example.com/hooks/tocsin", g.hook.URL()+"/ada"))
	calls.Env = append(os.Environ(), "API="+api, "KEY="+webKey)
	said, err := calls.CombinedOutput()
	require.NoError(g.t, err, "%s", said)
	link := regexp.MustCompile(`https://notify.example.com/settings\?link=[^"]+`).FindString(string(said))
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, strings.Replace(link, "https://notify.example.com", api, 1), nil)
	require.NoError(g.t, err)
	opened, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(g.t, err)
	defer opened.Body.Close()
	require.NotEmpty(g.t, opened.Cookies())
	for _, page := range []string{"events", "channels", "deliveries"} {
		status, text := get(g.t, api+"/settings/ada/"+page, "Cookie", opened.Cookies()[0].String())
		require.Equal(g.t, http.StatusOK, status, text)
	}
}

const opsKey = "a-key-of-the-console-0123456789ab"

// look signs in to the ops console, opens its first page, and follows every link there.
func (g *guarded) look(api string) {
	g.t.Helper()
	form := strings.NewReader(url.Values{"key": {opsKey}}.Encode())
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, api+"/ops/sign-in", form)
	require.NoError(g.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	entered, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(g.t, err)
	defer entered.Body.Close()
	require.Equal(g.t, http.StatusSeeOther, entered.StatusCode)
	cookie := entered.Cookies()[0].String()
	_, first := get(g.t, api+entered.Header.Get("Location"), "Cookie", cookie)
	links := regexp.MustCompile(`href="(/ops[^"?#]*)`).FindAllStringSubmatch(first, -1)
	require.NotEmpty(g.t, links, first)
	for _, link := range links {
		status, text := get(g.t, api+link[1], "Cookie", cookie)
		require.Equal(g.t, http.StatusOK, status, "%s: %s", link[1], text)
	}
}

// nothingWasRefused reads what Redis notes of commands that it has refused.
func (g *guarded) nothingWasRefused() {
	g.t.Helper()
	client, err := redisFlags{RedisURL: g.RedisURL("operator"), RedisCA: g.CA}.withCertificate(g).client()
	require.NoError(g.t, err)
	defer client.Close()
	refused, err := client.(*redis.Client).ACLLog(g.t.Context(), 10).Result()
	require.NoError(g.t, err)
	require.Empty(g.t, refused, fmt.Sprint(refused))
}

func (f redisFlags) withCertificate(g *guarded) redisFlags {
	f.RedisCert, f.RedisKey = g.Issue("test")
	return f
}
