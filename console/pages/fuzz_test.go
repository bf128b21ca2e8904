package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzForm gives what may be posted to the settings page by whoever has a link:
// it is done or refused, and nothing is our fault.
func FuzzForm(f *testing.F) {
	i := install(f, publicly{})
	v := i.opened("ada")
	tabs := []string{"events", "channels", "deliveries"}
	for n := range tabs {
		for _, form := range []string{
			"set=job.fail/email=off", "set=job.fail/email=on+job.fail/email=off", "undo=1&set=%ff", "delivery=x&replay=1", "%zz",
			"do=save&channel=webhook&url=https://example.com/&headers=X-A:+b%0d%0aHost:+evil", "do=save&channel=hipchat&token=%00&room=x",
			"do=remove&channel=ios&id=..", "do=renew:secret&channel=webhook&clear=secret&clear=url", "do=save&channel=email&address=a@b%0ac",
		} {
			f.Add(uint8(n), form)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, form string) {
		if entered, err := url.ParseQuery(form); err == nil && strings.HasPrefix(entered.Get("do"), "test") {
			return // would be sent to a far end of anybody's
		}
		answer, body := v.under(t).do(http.MethodPost, "/settings/ada/"+tabs[int(n)%len(tabs)], strings.NewReader(form), http.Header{
			"Content-Type": {formType}, "Sec-Fetch-Site": {"same-origin"},
		})
		require.Less(t, answer.StatusCode, 500, body)
	})
}

// under is the visitor in a test of its own.
func (v *visitor) under(t *testing.T) *visitor {
	i := *v.installation
	i.t = t
	return &visitor{&i, v.client}
}

// FuzzLinks gives what may stand behind the paths that need no session.
func FuzzLinks(f *testing.F) {
	i := install(f, publicly{})
	v := i.visitor()
	for _, token := range []string{"", "AQ", "..", "%ff", strings.Repeat("A", 5000), "a/b", "<script>"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, address := range []string{
			"/settings?link=" + url.QueryEscape(token), "/confirm/" + url.PathEscape(token), "/settings/" + url.PathEscape(token) + "/events",
		} {
			answer, body := v.under(t).get(address)
			require.Less(t, answer.StatusCode, 500, body)
			require.NotContains(t, body, "<script>", address)
			require.Empty(t, answer.Cookies(), address)
		}
	})
}
