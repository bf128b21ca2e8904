package email

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels/unsubscribe"
	"tocsin/farend"
	"tocsin/schema"
)

const linkKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func openWithLinks(t *testing.T, inbox *farend.Inbox) *channel {
	t.Helper()
	return open(t, Config{URL: "smtp://" + inbox.Addr(), PublicURL: "https://tocsin.example.com/notify/", LinkKey: linkKey})
}

func TestOneClickLink(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	require.NoError(t, openWithLinks(t, inbox).Send(t.Context(), delivery("stack.redeploy.ok", "1"), target()))
	got := received(log)[0]
	h := header(t, got)
	require.Equal(t, "List-Unsubscribe=One-Click", h.Get("List-Unsubscribe-Post"))
	link := strings.Trim(h.Get("List-Unsubscribe"), "<>")
	require.Regexp(t, `^https://tocsin\.example\.com/notify/unsubscribe/[A-Za-z0-9_-]+$`, link)
	require.Contains(t, got.Text, "Stop mails about stack.redeploy.ok:\r\n"+link)
	require.Regexp(t, regexp.MustCompile(`href="`+regexp.QuoteMeta(link)+`">Stop mails about stack.redeploy.ok</a>`), got.HTML)

	signer, err := unsubscribe.NewSigner(linkKey)
	require.NoError(t, err)
	user, typeName, err := signer.Verify(path.Base(link))
	require.NoError(t, err)
	require.Equal(t, "ada stack.redeploy.ok", user+" "+typeName)
}

// The mail program posts what the header says to where the header says.
func TestLinkIsServed(t *testing.T) {
	t.Parallel()
	signer, err := unsubscribe.NewSigner(linkKey)
	require.NoError(t, err)
	var off string
	web := httptest.NewServer(unsubscribe.Handler(signer, func(_ context.Context, user, typeName string) error {
		off = user + " " + typeName
		return nil
	}, func(string) string { return "" }))
	t.Cleanup(web.Close)

	inbox, log := startInbox(t, farend.InboxOptions{})
	c := open(t, Config{URL: "smtp://" + inbox.Addr(), PublicURL: web.URL, LinkKey: linkKey}) // http, as on a developer's machine
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	h := header(t, received(log)[0])
	body, err := url.ParseQuery(h.Get("List-Unsubscribe-Post"))
	require.NoError(t, err)
	answer, err := http.PostForm(strings.Trim(h.Get("List-Unsubscribe"), "<>"), body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "ada job.fail", off)
}

func TestWithoutLinks(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	require.NoError(t, openFor(t, inbox).Send(t.Context(), delivery("job.fail", "1"), target()))
	got := received(log)[0]
	require.Empty(t, header(t, got).Get("List-Unsubscribe")+header(t, got).Get("List-Unsubscribe-Post"))
	for _, part := range []string{got.Text, got.HTML} {
		require.Contains(t, part, "switch email off for it in your notification settings")
	}
}

// What tells the owner that a channel died has no switch, so it offers none.
func TestOwnNoticesCannotBeStopped(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	d := delivery(schema.ChannelOff, "1")
	d.Event.ResourceName, d.Event.StackName, d.Event.Link = "", "", ""
	d.Event.Data = []byte(`{"channel":"Webhook","reason":"the endpoint answers 410"}`)
	require.NoError(t, openWithLinks(t, inbox).Send(t.Context(), d, target()))
	got := received(log)[0]
	require.Equal(t, "Webhook was switched off", got.Title)
	require.Contains(t, got.Text, "Reason: the endpoint answers 410")
	require.Contains(t, got.HTML, "a channel of yours")
	require.NotContains(t, got.Text+got.HTML, "Stop mails")
	require.Empty(t, header(t, got).Get("List-Unsubscribe")+header(t, got).Get("List-Unsubscribe-Post"))
}
