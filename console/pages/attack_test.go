package pages_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tocsin/console/browsertest"
	"tocsin/prefs"
	"tocsin/schema"
)

const formType = "application/x-www-form-urlencoded"

// What another site makes a browser send changes nothing, although the cookie
// comes along: as new browsers tell (Sec-Fetch-Site), and old ones (Origin).
func TestAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	for name, header := range map[string]http.Header{
		"cross-site":        {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":         {"Sec-Fetch-Site": {"same-site"}},
		"another origin":    {"Origin": {"https://evil.example"}},
		"a frame without":   {"Origin": {"null"}},
		"pretending htmx":   {"Origin": {"https://evil.example"}, "Hx-Request": {"true"}},
		"another port":      {"Origin": {"http://127.0.0.1:1"}},
		"JSON from another": {"Origin": {"https://evil.example"}, "Content-Type": {"text/plain"}},
	} {
		for _, post := range [][2]string{
			{"/settings/ada/events", "set=job.fail/email=off"},
			{"/settings/ada/channels", "channel=email&do=remove&id=main"},
			{"/settings/ada/deliveries", "delivery=x&replay=1"},
		} {
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", formType)
			}
			answer, _ := v.do(http.MethodPost, post[0], strings.NewReader(post[1]), header)
			require.Equal(t, http.StatusForbidden, answer.StatusCode, "%s: %s", name, post[0])
		}
	}
	require.True(t, i.choice("ada", "job.fail", "email").Wanted)
	require.True(t, i.choice("ada", "job.fail", "email").SetUp)
	answer, _ := v.do(http.MethodGet, "/settings/ada/events?set=job.fail/email=off", nil, nil)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.True(t, i.choice("ada", "job.fail", "email").Wanted, "a link changes nothing")
}

func TestHugeBodiesAreRefused(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	const size = 10 << 20
	for _, body := range []string{"set=" + strings.Repeat("x", size), strings.Repeat("a=b&", size/4), strings.Repeat("%", size)} {
		for _, tab := range []string{"events", "channels", "deliveries"} {
			answer, _ := v.do(http.MethodPost, "/settings/ada/"+tab, strings.NewReader(body), http.Header{"Content-Type": {formType}})
			require.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode, tab)
		}
	}
	answer, _ := i.visitor().get("/settings?link=" + strings.Repeat("A", 100_000))
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	for _, set := range []string{
		"", "x", "job.fail/email", "job.fail/email=maybe", "job.none/email=on", "channel.off/email=off", "job.fail/slack=on",
		"job.fail/email=on job.fail/email=off", "job.fail/../targets=on", "job.fail/email=on\r\nx",
	} {
		answer, _ := v.post("/settings/ada/events", url.Values{"set": {set}})
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, "%q", set)
	}
	for name, form := range map[string]url.Values{
		"nothing":         {},
		"another act":     {"do": {"explode"}, "channel": {"email"}},
		"another channel": {"do": {"save"}, "channel": {"pager"}},
		"not offered":     {"do": {"save"}, "channel": {"slack"}, "url": {"https://hooks.slack.com/services/x"}},
		"another type":    {"do": {"test"}, "channel": {"email"}, "id": {"main"}, "type": {"x"}},
		"another target":  {"do": {"test"}, "channel": {"email"}, "id": {"x"}, "type": {"job.fail"}},
		"another field":   {"do": {"renew:token"}, "channel": {"hipchat"}},
		"gone":            {"do": {"remove"}, "channel": {"webhook"}, "id": {"main"}},
		"old":             {"do": {"save"}, "channel": {"webhook"}, "url": {i.hook.URL()}, "seen": {"12345678"}},
		"header lines":    {"do": {"save"}, "channel": {"webhook"}, "url": {i.hook.URL()}, "headers": {"X-A: b\r\nHost: evil.example"}},
		"header control":  {"do": {"save"}, "channel": {"webhook"}, "url": {i.hook.URL()}, "headers": {"X-A: b\x0bc"}},
		"header in room":  {"do": {"save"}, "channel": {"hipchat"}, "token": {"t\r\nX-A: b"}, "room": {"x"}},
	} {
		answer, body := v.post("/settings/ada/channels", form)
		require.GreaterOrEqual(t, answer.StatusCode, 400, name)
		require.Less(t, answer.StatusCode, 500, name)
		require.Contains(t, body, `class="toast bad"`, name)
	}
	targets, err := i.store.Targets(t.Context(), "ada")
	require.NoError(t, err)
	require.Len(t, targets, 1, "nothing was set up")
	for _, tab := range []string{"nothing", "events/../../bob", "%2e%2e/x"} {
		answer, _ := v.get("/settings/ada/" + tab)
		require.GreaterOrEqual(t, answer.StatusCode, 300, tab)
	}
}

// script is what would run if anything showed it as it is.
const script = `"><script>document.title="owned"</script><img src=x onerror=document.title="owned">`

// Names, rooms, URLs, events and what a far end answers come from anybody.
func TestStoredScriptDoesNotRun(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Evil", script)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(script))
	}))
	t.Cleanup(evil.Close)
	require.NoError(t, i.store.PutUser(t.Context(), "ada", prefs.Profile{Email: "ada@example.com", Name: script}))
	i.target("ada", "hipchat", "main", map[string]string{"token": "room-token", "room": script})
	i.target("ada", "ios", "device", map[string]string{"token": strings.Repeat("ab", 32), "name": script})
	i.target("ada", "webhook", "main", map[string]string{"url": evil.URL + "/?" + url.QueryEscape(script), "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	_, err := i.store.SwitchOff(t.Context(), "ada", prefs.TargetRef{Channel: "ios", ID: "device"}, script, i.now())
	require.NoError(t, err)
	i.publish("stack.redeploy.ok", "evil", func(e *schema.Event) { e.ResourceName, e.StackName, e.Link = script, script, "javascript:alert(1)" })
	i.settled("ada", 3)

	b := i.browser(chromedp.Navigate(i.link("ada")))
	for _, tab := range []string{"events", "channels", "deliveries?show=" + url.QueryEscape(script)} {
		b.Do(chromedp.Navigate(i.url + "/settings/ada/" + tab))
		b.unharmed()
	}
	b.Do(chromedp.Navigate(i.url+"/settings/ada/channels"), click("#webhook .test button"))
	b.says("#webhook .report", "Not delivered")
	b.says("#webhook .report pre", "<script>")
	b.unharmed()
}

// unharmed sees that no script of others ran, and that none is there to run.
func (b *browser) unharmed() {
	b.t.Helper()
	require.NotEqual(b.t, "owned", get(b, chromedp.Title()))
	require.Zero(b.t, get(b, chromedp.Evaluate[int](`document.querySelectorAll("script:not([src]), img[src=x], [onerror], a[href^='javascript:']").length`)))
}

// Every answer forbids what no page of ours needs, whatever is answered.
func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	for _, address := range []string{
		"/settings", "/settings/ada", "/settings/ada/events", "/settings/ada/channels", "/settings/ada/deliveries", "/settings/bob/events",
		"/settings/ada/none", "/confirm/x", "/settings-assets/page.css", "/settings-assets/none",
	} {
		answer, body := v.get(address)
		policy := answer.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'; script-src 'self'; style-src 'self'", address)
		require.Contains(t, policy, "frame-ancestors 'none'", address)
		require.NotContains(t, policy, "unsafe", address)
		require.Equal(t, "same-origin", answer.Header.Get("Referrer-Policy"), address)
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"), address)
		require.NotContains(t, body, " style=", address)
		require.NotContains(t, strings.ToLower(body), "<script>", address)
	}
}

// Whoever is linked to learns neither the link nor the page that they came from.
func TestNoReferer(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	came := make(chan http.Header, 8)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			came <- r.Header
		}
	}))
	t.Cleanup(elsewhere.Close)
	b := i.browser(chromedp.Navigate(i.link("ada")))
	for _, address := range []string{i.url + "/settings/ada/events", i.link("ada"), i.url + "/settings?link=expired"} {
		b.Do(chromedp.Navigate(address))
		browsertest.Get(b.Browser, chromedp.Evaluate[bool](`{ const a = document.createElement("a"); a.href = "`+elsewhere.URL+`"; document.body.append(a); a.click(); true }`))
		ctx, cancel := context.WithTimeout(t.Context(), browsertest.Patience)
		select {
		case header := <-came:
			require.Empty(t, header.Get("Referer"), address)
			b.Until(`location.origin == "` + elsewhere.URL + `" && document.readyState == "complete"`) // or it is cut off by the next
		case <-ctx.Done():
			t.Fatal("nobody came from " + address)
		}
		cancel()
	}
}

// While a server behind is away, pages say so, and tell nothing of it.
func TestServersThatAreAway(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	i.redis.Stop()
	for _, address := range []string{"/settings/ada/events", i.link("ada")} {
		answer, body := v.get(address)
		require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
		require.Equal(t, "60", answer.Header.Get("Retry-After"))
		require.NotContains(t, body, "127.0.0.1")
		require.NotContains(t, body, "redis")
	}
}

// A problem is said beside what was entered, not in its place.
func TestWhatWasEnteredOutlivesAProblem(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	b := i.browser(chromedp.Navigate(i.link("ada")), chromedp.Navigate(i.url+"/settings/ada/channels#set-up-webhook"))
	b.Until(`document.querySelector("#webhook-url")?.checkVisibility()`)
	b.Do(chromedp.SendKeys(chromedp.CSS("#webhook-url"), "https://example.com/hook"))
	i.redis.Stop()
	b.Do(click("#set-up-webhook button[value=save]"))
	b.says("#status", "Please try again in a minute.")
	b.Until(`document.querySelector("#webhook-url").value == "https://example.com/hook"`)
	i.redis.Start()
	i.person("ada") // its memory is gone
	b.Until(`!document.querySelector("#set-up-webhook button[value=save]").disabled`)
	b.Do(click("#set-up-webhook button[value=save]"))
	b.says("#webhook .once", "whsec_")
}

// A second click, or a page that is older than the secret, does not end the one
// that the far end still verifies with.
func TestRenewingFromAnOldPage(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.target("ada", "webhook", "main", map[string]string{"url": i.hook.URL() + "/hook", "secret": hookSecret})
	v := i.opened("ada")
	_, page := v.get("/settings/ada/channels")
	_, renewal, found := strings.Cut(page, `class="renew"`)
	require.True(t, found)
	seen := regexp.MustCompile(`name="seen" value="([^"]+)"`).FindStringSubmatch(renewal)
	require.NotNil(t, seen)
	form := url.Values{"do": {"renew:secret"}, "channel": {"webhook"}, "seen": {seen[1]}}
	answer, page := v.post("/settings/ada/channels", form)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Contains(t, page, "whsec_")
	answer, page = v.post("/settings/ada/channels", form)
	require.Equal(t, http.StatusConflict, answer.StatusCode)
	require.Contains(t, page, "It was changed meanwhile")
}

// A form of an old browser, which names no site, is told from another site's by
// its origin, which our own policy must not hide.
func TestFormsOfOurOwnNameTheirOrigin(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	origins := make(chan string, 1)
	i.mux.HandleFunc("POST /origin", func(_ http.ResponseWriter, r *http.Request) { origins <- r.Header.Get("Origin") })
	b := i.browser(chromedp.Navigate(i.link("ada")))
	browsertest.Get(b.Browser, chromedp.Evaluate[bool](`{ const f = document.createElement("form"); f.method = "post"; f.action = "/origin"; document.body.append(f); f.submit(); true }`))
	select {
	case origin := <-origins:
		require.Equal(t, i.url, origin)
	case <-time.After(browsertest.Patience):
		t.Fatal("no form came")
	}
}

// What costs a walk through the ledger is bounded for each user.
func TestDeliveriesAreAskedForSoOften(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	i.person("bob")
	for name, ask := range map[string]func() *http.Response{
		"looks": func() *http.Response { answer, _ := v.get("/settings/ada/deliveries"); return answer },
		"sending again": func() *http.Response {
			answer, _ := v.post("/settings/ada/deliveries", url.Values{"delivery": {"x"}, "replay": {"1"}})
			return answer
		},
	} {
		answer := ask()
		for asked := 1; answer.StatusCode != http.StatusTooManyRequests; asked++ {
			require.Less(t, asked, 200, name)
			answer = ask()
		}
		require.NotEmpty(t, answer.Header.Get("Retry-After"), name)
	}
	answer, _ := i.opened("bob").get("/settings/bob/deliveries")
	require.Equal(t, http.StatusOK, answer.StatusCode, "another's are another's")
}
