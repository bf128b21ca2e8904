package ops_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tocsin/console/browsertest"
	"tocsin/queue"
	"tocsin/replay"
	"tocsin/servertest"
)

func click(selector string) browsertest.Step {
	return chromedp.Click(chromedp.CSS(selector))
}

// What somebody does after an outage, in a browser: look, narrow, plan, run, and
// find it all in the audit.
func TestDeadLettersAreReplayed(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(60)
	i.serveReplays()
	b := i.browser(operateKey)
	b.Do(chromedp.Navigate(i.url + "/ops/dead"))
	b.Until(`document.querySelectorAll(".letters tbody tr").length === 50`)
	b.Until(`document.querySelectorAll(".bars li").length === 3`)
	b.Until(`document.querySelector(".bars").innerText.includes("hooks.example.com:443 500")`)
	b.Do(chromedp.Navigate(i.url+"/ops/dead?before=11"), click(".pager a"))
	b.Until(`document.querySelectorAll(".letters tbody tr").length === 50`)

	// By the counts, to those of one host; then all of one status.
	b.Do(chromedp.Navigate(i.url+"/ops/dead"), click(`.bars li:nth-child(1) a`))
	b.Until(`document.querySelector("#f-host").value.includes("example")`)
	b.Do(chromedp.Navigate(i.url + "/ops/dead?host=hooks.example.com&reason=404"))
	b.Until(`document.querySelectorAll(".letters tbody tr").length === 20`)
	b.Do(chromedp.SetValue(chromedp.CSS("#rate"), "4"), click(`button[value="plan-all"]`))
	b.Until(`document.querySelector("#replay h2") && document.body.innerText.includes("host hooks.example.com, reason 404")`)
	b.Until(`document.querySelector("#replay .main").innerText === "Replay 20 letters"`)
	require.Equal(t, 60, i.letters(), "a plan replays nothing")

	b.Do(click(`button[value="start"]`))
	b.Until(`document.querySelector("#replay .outcome").innerText === "running"`)
	b.Do(click(`button[value="pause"]`))
	b.Until(`document.querySelector("#replay .outcome").innerText === "paused"`)
	b.Do(click(`button[value="start"]`))
	b.Until(`document.querySelector("#replay .outcome").innerText === "done"`) // by itself
	b.Until(`document.querySelector("#replay .far").innerText.includes("20 replayed")`)
	require.Equal(t, 40, i.letters())

	// Two chosen by hand are discarded, after a question.
	b.Do(chromedp.Navigate(i.url+"/ops/dead"), click(`tbody tr:nth-child(1) input`), click(`tbody tr:nth-child(3) input`), click(`button[value="discard"]`))
	b.Until(`document.querySelectorAll(".plain li").length === 2`)
	require.Equal(t, 40, i.letters())
	b.Do(click(`button[value="discard-for-good"]`))
	b.Until(`document.querySelector(".toast")?.innerText === "2 discarded."`)
	require.Equal(t, 38, i.letters())

	b.Do(chromedp.Navigate(i.url + "/ops/audit"))
	b.Until(`document.querySelectorAll(".list tbody tr").length === 6`)
	i.eventually(func() bool {
		return strings.Join(i.acts(), "; ") == "ada dead.discard done; ada dead.discard begun; ada replay.start done; ada replay.start begun; "+
			"ada replay.pause done; ada replay.pause begun; ada replay.start done; ada replay.start begun; "+
			"ada replay.plan done; ada replay.plan begun; ada sign-in done; ada sign-in begun"
	})
}

func TestFilters(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(9)
	v := i.signedIn(viewKey)
	row := regexp.MustCompile(`href="/ops/dead/\d+"`)
	for query, want := range map[string]int{
		"":                                3 * 3,
		"channel=webhook":                 9,
		"channel=email":                   0,
		"type=job.fail":                   3,
		"account=acme&user=ada":           3,
		"account=other":                   0,
		"host=hooks.example.com":          6,
		"host=old.example.org:443":        3,
		"cause=exhausted":                 6,
		"reason=404":                      3,
		"since=2026-01-01T00:00":          9,
		"since=2199-01-01T00:00":          0,
		"until=2026-01-01T00:00":          0,
		"until=2199-01-01T00:00&user=bob": 3,
	} {
		answer, body := v.get("/ops/dead?" + query)
		require.Equal(t, http.StatusOK, answer.StatusCode, query)
		require.Len(t, row.FindAllString(body, -1), want, query)
	}
	for query, says := range map[string]string{
		"type=none":     "there is no event type",
		"channel=a%20b": "is not the name of a channel",
		"since=sunday":  "Write times as",
	} {
		answer, body := v.get("/ops/dead?" + query)
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, query)
		require.Contains(t, body, says)
		answer, _ = v.get("/ops/dead/counts?" + query)
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, query)
	}
}

// Every page of the list leads to the next, and no letter is on two.
func TestPages(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(120)
	v, seen := i.signedIn(viewKey), map[string]bool{}
	path := "/ops/dead"
	for pages := 1; ; pages++ {
		_, body := v.get(path)
		for _, letter := range regexp.MustCompile(`href="(/ops/dead/\d+)"`).FindAllStringSubmatch(body, -1) {
			require.False(t, seen[letter[1]], "%s is there twice", letter[1])
			seen[letter[1]] = true
		}
		older := regexp.MustCompile(`href="(/ops/dead\?before=\d+)"`).FindStringSubmatch(body)
		if older == nil {
			require.Equal(t, 3, pages)
			break
		}
		path = older[1]
	}
	require.Len(t, seen, 120)
}

func TestALetterIsShownWithoutCredentials(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(3)
	v := i.signedIn(viewKey)
	_, body := v.get("/ops/dead?user=ada")
	_, body = v.get(regexp.MustCompile(`/ops/dead/\d+`).FindString(body))
	for _, text := range []string{"endpoint answered 404 Not Found", "hooks.example.com:443", "ada", "acme", "redeploy_hook"} {
		require.Contains(t, body, text)
	}
	require.Regexp(t, `redeploy_hook&#34;: ?&#34;…&#34;`, body)
	require.NotContains(t, body, "s3cr3t")
	require.NotContains(t, body, "Discard", "the role view sees no buttons")
	answer, _ := v.get("/ops/dead/99")
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	answer, _ = v.get("/ops/dead/nonsense")
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
}

// The role view changes nothing, whatever it sends, and that it tried is recorded.
func TestTheRoleViewOnlyLooks(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(3)
	job, err := i.replays.Plan(t.Context(), queue.LetterFilter{}, 1)
	require.NoError(t, err)
	v := i.signedIn(viewKey)
	for _, try := range []struct {
		path, do, what string
	}{
		{"/ops/dead", "plan-all", "replay.plan"}, {"/ops/dead", "plan", "replay.plan"}, {"/ops/dead", "discard-for-good", "dead.discard"},
		{"/ops/replays/" + job.ID, "start", "replay.start"}, {"/ops/replays/" + job.ID, "pause", "replay.pause"}, {"/ops/replays/" + job.ID, "cancel", "replay.cancel"},
	} {
		answer, body := v.post(try.path, url.Values{"do": {try.do}, "seq": {"1"}, "rate": {"10"}})
		require.Equal(t, http.StatusForbidden, answer.StatusCode, try)
		require.Contains(t, body, "Your key may only look")
		require.Equal(t, "bob "+try.what+" refused", i.acts()[0])
	}
	require.Equal(t, 3, i.letters())
	job, err = i.replays.Get(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, replay.Planned, job.State)
}

func TestAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(3)
	v := i.signedIn(operateKey)
	for name, header := range map[string]http.Header{
		"cross-site": {"Sec-Fetch-Site": {"cross-site"}},
		"old":        {"Origin": {"https://evil.example"}},
	} {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, path := range []string{"/ops/dead", "/ops/sign-in", "/ops/replays/X"} {
			answer, body := v.do(http.MethodPost, path, strings.NewReader("do=discard-for-good&seq=1&key="+operateKey), header)
			require.Equal(t, http.StatusForbidden, answer.StatusCode, "%s to %s", name, path)
			require.Contains(t, body, "Another site sent this")
		}
	}
	require.Equal(t, 3, i.letters())
}

func TestFormsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(3)
	v := i.signedIn(operateKey)
	many := make([]string, 1001)
	for n := range many {
		many[n] = fmt.Sprint(n)
	}
	for name, form := range map[string]url.Values{
		"nothing":       {},
		"nothing to do": {"seq": {"1"}},
		"no letters":    {"do": {"discard"}},
		"no number":     {"do": {"discard"}, "seq": {"one"}},
		"too many":      {"do": {"discard"}, "seq": many},
		"rate":          {"do": {"plan"}, "seq": {"1"}, "rate": {"fast"}},
		"negative rate": {"do": {"plan-all"}, "rate": {"-1"}},
		"no rate":       {"do": {"plan-all"}, "rate": {"NaN"}},
		"filter":        {"do": {"plan-all"}, "rate": {"1"}, "type": {"none"}},
	} {
		answer, body := v.post("/ops/dead", form)
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, name)
		require.Contains(t, body, "toast bad", name)
	}
	for name, form := range map[string]url.Values{
		"gone":           {"do": {"discard"}, "seq": {"77"}},
		"gone, to plan":  {"do": {"plan"}, "seq": {"77"}, "rate": {"1"}},
		"matches nobody": {"do": {"plan-all"}, "rate": {"1"}, "user": {"nobody"}},
	} {
		answer, _ := v.post("/ops/dead", form)
		require.Equal(t, http.StatusConflict, answer.StatusCode, name)
	}
	answer, _ := v.post("/ops/dead", url.Values{"seq": {strings.Repeat("1", 70_000)}})
	require.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode)
	answer, _ = v.post("/ops/replays/NONE", url.Values{"do": {"start"}})
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.Equal(t, 3, i.letters())
}

// What cannot be recorded is not done.
func TestNothingIsDoneWithoutTheAuditStream(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(3)
	v := i.signedIn(operateKey)
	js := servertest.JetStream(t, i.nats.URL())
	require.NoError(t, js.DeleteStream(t.Context(), queue.AuditStream))
	answer, body := v.post("/ops/dead", url.Values{"do": {"discard-for-good"}, "seq": {"1"}})
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.Contains(t, body, "so nothing was done")
	require.Equal(t, 3, i.letters())
}

// A plan over everything takes long: its page says how far it is, and has no
// button that starts what nobody has seen.
func TestALongPlanIsFollowed(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(6)
	plan := func() string {
		t.Helper()
		job, err := i.replays.PlanWithin(t.Context(), 0, queue.LetterFilter{}, 0)
		require.NoError(t, err)
		return "/ops/replays/" + job.ID
	}
	at, unwanted := plan(), plan()
	v := i.signedIn(operateKey)
	_, body := v.get(at)
	require.Contains(t, body, "looked at 0 letters")
	require.Contains(t, body, `value="cancel"`)
	require.NotContains(t, body, `value="start"`)
	require.Contains(t, body, `<noscript><p><a href="`+at)
	answer, body := v.post(at, url.Values{"do": {"start"}})
	require.Equal(t, http.StatusConflict, answer.StatusCode)
	require.Contains(t, body, "The replay is still being planned")
	answer, _ = v.post(unwanted, url.Values{"do": {"cancel"}})
	require.Equal(t, http.StatusSeeOther, answer.StatusCode)

	b := i.browser(operateKey)
	b.Do(chromedp.Navigate(i.url + at))
	b.Until(`document.querySelector("#replay .outcome").innerText === "planning"`)
	i.serveReplays()
	b.Until(`document.querySelector("#start").innerText === "Replay 6 letters"`) // by itself
	_, body = v.get(unwanted)
	require.Contains(t, body, ">cancelled<")
	require.Equal(t, 6, i.letters())
}

// Clicked twice, a replay is started once, and one that has ended says so.
func TestTwiceIsOnce(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.kill(6)
	i.serveReplays()
	v := i.signedIn(operateKey)
	answer, _ := v.post("/ops/dead", url.Values{"do": {"plan-all"}, "rate": {"0"}})
	at := answer.Header.Get("Location")
	require.Regexp(t, `^/ops/replays/\w+$`, at)
	for range 2 {
		v.post(at, url.Values{"do": {"start"}})
	}
	i.eventually(func() bool {
		_, body := v.get(at)
		return strings.Contains(body, "6 replayed") && strings.Contains(body, ">done<")
	})
	answer, body := v.post(at, url.Values{"do": {"cancel"}})
	require.Equal(t, http.StatusConflict, answer.StatusCode)
	require.Contains(t, body, "The replay has ended")
	require.Zero(t, i.letters())
}
