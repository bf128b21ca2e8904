package email

import (
	"encoding/json"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
	"tocsin/schema"
)

const address = "ada.lovelace@example.com"

func startInbox(t *testing.T, options farend.InboxOptions) (*farend.Inbox, *farend.Log) {
	t.Helper()
	log := &farend.Log{}
	inbox, err := farend.NewInboxWith(log, options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = inbox.Close() })
	return inbox, log
}

func open(t *testing.T, c Config) *channel {
	t.Helper()
	if c.From == "" {
		c.From = "Tocsin <notify@tocsin.example>"
	}
	opened, err := c.Open()
	require.NoError(t, err)
	return opened.(*channel)
}

func openFor(t *testing.T, inbox *farend.Inbox) *channel {
	t.Helper()
	return open(t, Config{URL: "smtp://" + inbox.Addr()})
}

func delivery(kind, id string) schema.Delivery {
	return schema.Delivery{
		Event: schema.Event{
			ID: id, Source: "/test", Type: kind, Account: "acme", ResourceName: "web-1", StackName: "Ledger",
			Subject: "server/srv-1", Link: "https://paas.example.com/servers/srv-1",
			Time: time.Date(2025, 7, 7, 0, 0, 5, 0, time.UTC), Data: json.RawMessage(`{"server":"srv-1"}`),
		},
		User: "ada", Channel: "email", Target: channels.MainTarget,
	}
}

func target() channels.Target {
	return channels.Target{
		ID:       channels.MainTarget,
		Settings: json.RawMessage(`{"address":"` + address + `"}`),
		Person:   channels.Person{Email: "account@example.com", Name: "Ada Lovelace", TimeZone: "Asia/Tokyo"},
	}
}

func received(log *farend.Log) []farend.Received {
	all, _ := log.Since(0)
	return all
}

func header(t *testing.T, got farend.Received) mail.Header {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(got.Raw))
	require.NoError(t, err)
	return message.Header
}

func TestDelivered(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	d := delivery("server.stopped", "1")
	require.NoError(t, openFor(t, inbox).Send(t.Context(), d, target()))

	mails := received(log)
	require.Len(t, mails, 1)
	got := mails[0]
	require.Equal(t, address, got.To)
	require.Equal(t, "250", got.Status)
	require.Equal(t, d.ID(), got.Delivery)
	require.Equal(t, "Server web-1 stopped sending heartbeats (Ledger)", got.Title)
	for _, part := range []string{got.Text, got.HTML} {
		require.Contains(t, part, "Server web-1 stopped sending heartbeats")
		require.Contains(t, part, "https://paas.example.com/servers/srv-1")
		require.Contains(t, part, "7 Jul 2025, 09:00:05 JST")
		require.Contains(t, part, "Server heartbeat stopped")
	}
	h := header(t, got)
	require.Equal(t, "<"+d.ID()+"@tocsin.example>", h.Get("Message-ID"))
	require.Equal(t, `"Tocsin" <notify@tocsin.example>`, h.Get("From"))
	require.Equal(t, `"Ada Lovelace" <`+address+`>`, h.Get("To"))
	require.Equal(t, "auto-generated", h.Get("Auto-Submitted"))
	require.Equal(t, "DR, RN, NRN, OOF, AutoReply", h.Get("X-Auto-Response-Suppress"))
	require.Contains(t, h.Get("Content-Type"), "multipart/alternative")
	require.Less(t, strings.Index(got.Raw, "text/plain"), strings.Index(got.Raw, "text/html"))
	require.Empty(t, h.Get("User-Agent")+h.Get("X-Mailer"))
}

func TestThreads(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	stopped, back, other := delivery("server.stopped", "1"), delivery("server.backon", "2"), delivery("server.backon", "3")
	other.User = "grace"
	for _, d := range []schema.Delivery{stopped, back, other, stopped} {
		require.NoError(t, c.Send(t.Context(), d, target()))
	}
	var roots, ids []string
	for _, got := range received(log) {
		h := header(t, got)
		require.Equal(t, h.Get("In-Reply-To"), h.Get("References"))
		require.Regexp(t, `^<thread-[0-9a-f]{32}@tocsin\.example>$`, h.Get("References"))
		roots, ids = append(roots, h.Get("References")), append(ids, h.Get("Message-ID"))
	}
	require.Equal(t, roots[0], roots[1], "recovery answers the failure")
	require.NotEqual(t, roots[0], roots[2], "threads are one person's own")
	require.Equal(t, ids[0], ids[3], "a retry is the same mail")
	require.NotEqual(t, ids[0], ids[1])
}

// A deployment is a thread of its own, from its start to its end.
func TestThreadsOfDeployments(t *testing.T) {
	t.Parallel()
	root := func(kind, startedAt string) string {
		d := delivery(kind, kind+startedAt)
		d.Event.Data = json.RawMessage(`{"uid":"a","deploy_context":{"started_at":"` + startedAt + `"}}`)
		text, err := linkedWriter(t).write(d, channels.Person{}, address)
		require.NoError(t, err)
		return header(t, farend.Received{Raw: string(text)}).Get("References")
	}
	started := root("stack.deploy.started", "2025-07-07T00:00:00Z")
	require.Equal(t, started, root("stack.redeploy.fail", "2025-07-07T00:00:00Z"))
	require.NotEqual(t, started, root("stack.deploy.started", "2025-07-08T00:00:00Z"))
}

func TestRecipient(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	for _, saved := range []string{``, `{}`, `{"address":""}`, `null`} {
		to := target()
		to.Settings = json.RawMessage(saved)
		require.NoError(t, c.Send(t.Context(), delivery("job.fail", saved), to))
	}
	for _, got := range received(log) {
		require.Equal(t, "account@example.com", got.To)
	}

	for _, saved := range []string{
		`[]`, `{"address":7}`, `{"address":"ada"}`, `{"address":"Ada <ada@example.com>"}`, `{"address":"a@b.example,c@d.example"}`,
		`{"address":"ada@example.com\r\nRCPT TO:<x@example.com>"}`, `{"address":"\"a b\"@example.com"}`, `{"address":"` + strings.Repeat("a", 65) + `@example.com"}`,
	} {
		to := target()
		to.Settings = json.RawMessage(saved)
		require.Error(t, Spec().Check(to.Settings), saved)
		failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", saved), to))
		require.Equal(t, channels.Permanent, failure.Kind, saved)
		require.NotContains(t, failure.Error(), "example.com")
	}
	for _, saved := range []string{``, `{}`, `{"address":" ada@example.com "}`, `{"address":"ada+tocsin@example.co.uk"}`} {
		require.NoError(t, Spec().Check(json.RawMessage(saved)), saved)
	}
	failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", "nobody"), channels.Target{}))
	require.Equal(t, channels.Permanent, failure.Kind)
}

// The inbox refuses a mail with a field too many, so that what is injected
// shows as a failure or as a header.
func TestNothingInjectsHeaders(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	const evil = "x\r\nBcc: spy@example.com\r\n\r\n.\r\nMAIL FROM:<spy@example.com>\r\n\u202e\x00"
	quoted, err := json.Marshal(evil)
	require.NoError(t, err)
	for i, kind := range schema.Types() {
		d := delivery(kind.Name, evil)
		d.User, d.Event.Account, d.Event.Source = evil, evil, evil
		d.Event.ResourceName, d.Event.StackName, d.Event.Subject, d.Event.Link = evil, evil, evil, "https://e.example/"+evil
		d.Event.Data = json.RawMessage(strings.ReplaceAll(`{"name":E,"uid":E,"process_name":E,"user":E,"app":E,"cron":E,"git_branch":E,"environment":E,"server":{"name":E}}`, "E", string(quoted)))
		to := target()
		to.Person = channels.Person{Name: evil, TimeZone: evil, Locale: evil}
		require.NoError(t, c.Send(t.Context(), d, to))

		mails := received(log)
		require.Len(t, mails, i+1)
		h := header(t, mails[i])
		require.Empty(t, h.Get("Bcc"))
		require.Equal(t, address, mails[i].To)
		require.NotContains(t, mails[i].HTML, "\u202e")
		require.NotContains(t, mails[i].Title, "\n")
	}
}

func TestHTMLEscapes(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	d := delivery("job.fail", "1")
	d.Event.Data = json.RawMessage(`{"name":"<script>alert(1)</script> ü & \"quotes\"","cron":"<b>"}`)
	require.NoError(t, openFor(t, inbox).Send(t.Context(), d, target()))
	got := received(log)[0]
	require.Equal(t, `Job <script>alert(1)</script> ü & "quotes" failed (Ledger)`, got.Title)
	require.NotContains(t, got.HTML, "<script>")
	require.NotContains(t, got.HTML, "<b>")
	require.Contains(t, got.Text, `Job <script>alert(1)</script> ü & "quotes" failed`)
}

func TestBackOnSaysHowLongItWasDown(t *testing.T) {
	t.Parallel()
	d := delivery("server.backon", "1")
	d.Since = d.Event.Time.Add(-134 * time.Minute)
	p := newPage(d, channels.Person{})
	require.True(t, strings.HasPrefix(p.Summary, "Down for 2 h 14 min · "), p.Summary)
	var text, html strings.Builder
	require.NoError(t, textTemplate.Execute(&text, p))
	require.NoError(t, htmlTemplate.Execute(&html, p))
	require.Contains(t, text.String(), "\nDown for 2 h 14 min\n")
	require.Contains(t, html.String(), `<th scope="row">Down for</th><td>2 h 14 min</td>`)
}
