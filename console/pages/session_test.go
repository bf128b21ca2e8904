package pages_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/console/links"
)

func TestLinkIsExchangedForASession(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.visitor()
	answer, body := v.get(i.link("ada"))
	require.Equal(t, http.StatusSeeOther, answer.StatusCode)
	require.Equal(t, "/settings/ada/events", answer.Header.Get("Location"), "without the signature")
	require.Equal(t, "same-origin", answer.Header.Get("Referrer-Policy"))
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	require.NotContains(t, body, "link=")
	require.Len(t, answer.Cookies(), 1)
	c := answer.Cookies()[0]
	require.Equal(t, "/settings/ada", c.Path)
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.False(t, c.Secure, "over http a browser would not keep it")

	answer, body = v.get("/settings/ada/events")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Contains(t, body, `<p>Ada</p>`)
}

// Behind https, and in a frame on the platform's own page.
func TestCookiesAndFramesByConfiguration(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		with      publicly
		cookie    string
		ancestors string
	}{
		"https": {publicly{base: "https://tocsin.example.com/notify/"},
			"; Path=/notify/settings/ada; Max-Age=28800; HttpOnly; Secure; SameSite=Lax", "frame-ancestors 'none'"},
		"framed": {publicly{base: "https://tocsin.example.com", ancestors: []string{"https://platform.example.com"}},
			"; Path=/settings/ada; Max-Age=28800; HttpOnly; Secure; SameSite=None; Partitioned", "frame-ancestors 'self' https://platform.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install(t, test.with)
			link, err := url.Parse(i.link("ada"))
			require.NoError(t, err)
			answer, _ := i.visitor().get("/settings?" + link.RawQuery) // a proxy takes the path away
			require.Equal(t, http.StatusSeeOther, answer.StatusCode)
			cookie := answer.Header.Get("Set-Cookie")
			require.True(t, strings.HasSuffix(cookie, test.cookie), cookie)
			require.Contains(t, answer.Header.Get("Content-Security-Policy"), test.ancestors)
			require.True(t, strings.HasPrefix(answer.Header.Get("Location"), strings.TrimSuffix(i.links.Base().Path, "/")+"/settings/ada/"))
		})
	}
}

func TestLinksThatOpenNothing(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	good := i.link("ada")
	last := good[len(good)-1:]
	changed := good[:len(good)-1] + map[bool]string{true: "B", false: "A"}[last == "A"]
	for name, test := range map[string]struct {
		link string
		code int
		says string
	}{
		"changed":         {changed, http.StatusForbidden, "This link does not work"},
		"cut":             {good[:len(good)-9], http.StatusForbidden, "This link does not work"},
		"none":            {i.url + "/settings", http.StatusForbidden, "This link does not work"},
		"expired":         {i.links.Settings("ada", time.Now().Add(-time.Second)), http.StatusGone, "This link has expired"},
		"a confirmation":  {i.url + "/settings?link=" + i.links.Confirm("ada", "", time.Now().Add(time.Hour))[len(i.url+"/confirm/"):], http.StatusForbidden, "This link does not work"},
		"a session":       {i.url + "/settings?link=" + i.links.Session("ada", time.Now().Add(time.Hour)), http.StatusForbidden, "This link does not work"},
		"injected header": {i.links.Settings("ada\r\nSet-Cookie: x=y", time.Now().Add(time.Hour)), http.StatusForbidden, "This link does not work"},
		"injected path":   {i.links.Settings("../evil", time.Now().Add(time.Hour)), http.StatusForbidden, "This link does not work"},
	} {
		answer, body := i.visitor().get(test.link)
		require.Equal(t, test.code, answer.StatusCode, name)
		require.Contains(t, body, test.says, name)
		require.Empty(t, answer.Cookies(), name)
		require.Empty(t, answer.Header.Get("Location"), name)
	}
}

// A link is good once: who finds it later finds it used, and who has come by it
// and clicks again is in already.
func TestReplayedLink(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	link := i.link("ada")
	owner := i.visitor()
	answer, _ := owner.get(link)
	require.Len(t, answer.Cookies(), 1)

	thief := i.visitor()
	answer, _ = thief.get(link)
	require.Empty(t, answer.Cookies())
	answer, body := thief.get(answer.Header.Get("Location"))
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	require.Contains(t, body, "This link was used before")

	answer, _ = owner.get(link)
	answer, _ = owner.get(answer.Header.Get("Location"))
	require.Equal(t, http.StatusOK, answer.StatusCode, "a second click of its owner")
}

// Programs that look at links, and browsers that load ahead, do not use them up.
func TestLookingAtALinkDoesNotUseIt(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	link := i.link("ada")
	answer, _ := i.visitor().do(http.MethodHead, link, nil, nil)
	require.Empty(t, answer.Cookies())
	answer, _ = i.visitor().do(http.MethodGet, link, nil, http.Header{"Sec-Purpose": {"prefetch;prerender"}})
	require.Empty(t, answer.Cookies())
	answer, _ = i.visitor().get(link)
	require.Len(t, answer.Cookies(), 1)
}

// Of a thousand visitors with a thousand links each gets in, and of a thousand
// with the same one a single one.
func TestAThousandLinks(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	open := func(link func(n int) string) int64 {
		var in atomic.Int64
		var wg sync.WaitGroup
		queue := make(chan int)
		for range 16 {
			wg.Go(func() {
				for n := range queue {
					if answer, _ := i.visitor().get(link(n)); len(answer.Cookies()) == 1 {
						in.Add(1)
					}
				}
			})
		}
		for n := range 1000 {
			queue <- n
		}
		close(queue)
		wg.Wait()
		return in.Load()
	}
	require.Equal(t, int64(1000), open(func(int) string { return i.link("ada") }))
	same := i.link("ada")
	require.Equal(t, int64(1), open(func(int) string { return same }))
}

func TestASessionIsOneUsers(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	i.person("bob")
	ada := i.opened("ada")
	stolen := ada.client.Jar.(*jar).cookies[0].Value
	for _, tab := range []string{"events", "channels", "deliveries"} {
		header := http.Header{"Cookie": {"tocsin_session=" + stolen}}
		answer, body := i.visitor().do(http.MethodGet, "/settings/bob/"+tab, nil, header)
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode, "the cookie of ada for bob's %s", tab)
		require.NotContains(t, body, "bob@")
	}
	header := http.Header{"Cookie": {"tocsin_session=" + stolen}, "Content-Type": {"application/x-www-form-urlencoded"}}
	answer, _ := i.visitor().do(http.MethodPost, "/settings/bob/events", strings.NewReader("set=job.fail/email=off"), header)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	require.True(t, i.choice("bob", "job.fail", "email").Wanted)

	for name, value := range map[string]string{
		"expired":   i.links.Session("bob", time.Now().Add(-time.Second)),
		"a link":    strings.TrimPrefix(i.links.Settings("bob", time.Now().Add(time.Hour)), i.url+"/settings?link="),
		"changed":   stolen[:len(stolen)-2] + "xx",
		"nothing":   "",
		"something": strings.Repeat("A", 4000),
	} {
		answer, _ := i.visitor().do(http.MethodGet, "/settings/bob/events", nil, http.Header{"Cookie": {"tocsin_session=" + value}})
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode, name)
	}

	// Pages of two users can be open in one browser.
	answer, _ = ada.get(i.link("bob"))
	require.Equal(t, http.StatusSeeOther, answer.StatusCode)
	for _, user := range []string{"ada", "bob"} {
		answer, _ := ada.get("/settings/" + user + "/events")
		require.Equal(t, http.StatusOK, answer.StatusCode, user)
	}
}

func TestADeletedUserHasNoSettings(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	require.NoError(t, i.store.DeleteUser(t.Context(), "ada"))
	answer, body := v.post("/settings/ada/events", url.Values{"set": {"job.fail/email=off"}})
	require.Equal(t, http.StatusGone, answer.StatusCode)
	require.Contains(t, body, "There are no settings")
}

func TestConfirmingAnAddress(t *testing.T) {
	t.Parallel()
	i := install(t, publicly{})
	v := i.opened("ada")
	_, body := v.post("/settings/ada/channels", url.Values{"channel": {"email"}, "do": {"save"}, "address": {"ada@elsewhere.example"}})
	require.Contains(t, body, "ada@elsewhere.example waits to be confirmed")
	link := i.confirmation("ada@elsewhere.example")

	address := func() string {
		all, err := i.store.Targets(t.Context(), "ada")
		require.NoError(t, err)
		return string(all[0].Settings)
	}
	for range 3 { // scanners of mails follow links
		answer, body := i.visitor().get(link)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Contains(t, body, "ada@elsewhere.example")
	}
	require.Equal(t, "{}", address())
	for range 2 { // a second time does no harm
		answer, body := i.visitor().post(link, nil)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Contains(t, body, "The address is confirmed")
	}
	require.Contains(t, address(), "ada@elsewhere.example")

	other := i.links.Confirm("ada", "mallory@example.com", time.Now().Add(time.Hour))
	answer, _ := i.visitor().post(other, nil)
	require.Equal(t, http.StatusGone, answer.StatusCode, "one that nobody has asked for")
	answer, _ = i.visitor().get(i.links.Confirm("ada", "a@example.com", time.Now().Add(-time.Hour)))
	require.Equal(t, http.StatusGone, answer.StatusCode)
	answer, _ = i.visitor().get(link + "A")
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
}

// confirmation is the link in the mail to an address.
func (i *installation) confirmation(to string) string {
	i.t.Helper()
	all, _ := i.received.Since(0)
	for _, r := range all {
		if r.Channel == "email" && strings.Contains(r.To, to) {
			text := strings.ReplaceAll(r.Raw, "=\r\n", "")
			link := regexp.MustCompile(regexp.QuoteMeta(i.url+links.ConfirmPath) + `[A-Za-z0-9_-]+`).FindString(text)
			require.NotEmpty(i.t, link, text)
			return link
		}
	}
	i.t.Fatalf("no mail to %s", to)
	return ""
}
