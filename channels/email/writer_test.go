package email

import (
	"bytes"
	"encoding/json"
	"io"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/unsubscribe"
	"tocsin/schema"
)

func linkedWriter(t testing.TB) writer {
	t.Helper()
	c := Config{PublicURL: "https://tocsin.example.com", LinkKey: linkKey}
	links, err := c.links()
	require.NoError(t, err)
	return writer{from: &mail.Address{Name: "Tocsin", Address: "notify@tocsin.example"}, links: links}
}

// fields are all that a mail of ours has, whatever the event says.
var fields = []string{
	"Auto-Submitted", "Content-Type", "Date", "Feedback-Id", "From", "In-Reply-To", "List-Id", "List-Unsubscribe",
	"List-Unsubscribe-Post", "Message-Id", "Mime-Version", "References", "Subject", "To", "X-Auto-Response-Suppress",
}

// FuzzWrite holds that no text of an event or of a person becomes a field, a
// line end of its own, or a tag.
func FuzzWrite(f *testing.F) {
	f.Add("stack.redeploy.fail", "Ledger", "ada", "Ada", `{"name":"Ledger"}`)
	f.Add("a\r\nBcc: x@example.com\r\n\r\n", "x\nBcc: y", "\x00", "\"<x@example.com>", `{"process_name":"\r\n.\r\n"}`)
	f.Add("<script>", "</td><script>\u202e", "=?utf-8?q?=0ABcc:?=", "=?utf-8?q?=0D=0ABcc:?=", `{"stack":{"name":"\u2028"}}`)
	f.Add(strings.Repeat("x", 2000), "Ledger", "ada", strings.Repeat("x", 2000), "")
	f.Add("job.fail", "x", "ada", "\xb3\xe3J\x13\\\" <x@example.com>,", "")
	f.Add(schema.ChannelOff, strings.Repeat("ü", 1000), strings.Repeat("x", 5000), strings.Repeat("ÿ", 3000), `{"reason":"<b>"}`)
	w := linkedWriter(f)
	f.Fuzz(func(t *testing.T, typeName, name, user, person, data string) {
		user = user[:min(len(user), 64)] // as the API holds
		d := delivery(typeName, name)
		d.User, d.Event.Account, d.Event.Subject = user, user, name
		d.Event.ResourceName, d.Event.StackName, d.Event.Link, d.Event.Data = name, name, "https://"+name, json.RawMessage(data)
		text, err := w.write(d, channels.Person{Name: person, TimeZone: name}, address)
		require.NoError(t, err)

		m, err := mail.ReadMessage(bytes.NewReader(text))
		require.NoError(t, err)
		for field, values := range m.Header {
			require.Contains(t, fields, field)
			require.Len(t, values, 1)
		}
		to, err := m.Header.AddressList("To")
		require.NoError(t, err)
		require.Len(t, to, 1)
		require.Equal(t, address, to[0].Address)
		checkLineEnds(t, text)
		_, parts := parsed(t, string(text))
		require.Len(t, parts, 2)
		require.NotContains(t, strings.ToLower(parts[1]), "<script")
	})
}

func checkLineEnds(t *testing.T, text []byte) {
	t.Helper()
	for line := range bytes.SplitSeq(text, []byte("\r\n")) {
		require.False(t, bytes.ContainsAny(line, "\r\n\x00"), "%q", line)
		require.LessOrEqual(t, len(line), 998)
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	text, err := linkedWriter(t).write(delivery("stack.redeploy.fail", "1"), channels.Person{}, address)
	require.NoError(t, err)
	m, err := mail.ReadMessage(bytes.NewReader(text))
	require.NoError(t, err)
	var names []string
	for name := range m.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	require.Equal(t, fields, names)
	require.Equal(t, "<stack.redeploy.fail.notifications.tocsin.example>", m.Header.Get("List-Id"))
	require.Equal(t, "stack.redeploy.fail:tocsin", m.Header.Get("Feedback-Id"))
	require.Equal(t, unsubscribe.HeaderPost, m.Header.Get("List-Unsubscribe-Post"))
	_, err = io.Copy(io.Discard, m.Body)
	require.NoError(t, err)
}

// What a mail of each type says, in Berlin. The facts are in the order in which
// somebody wants to know them.
func TestSamplesRead(t *testing.T) {
	t.Parallel()
	const deployed = "Environment: production\nBranch: main\nTriggered by: rosa@acme.example\n"
	for typeName, want := range map[string]struct{ subject, facts string }{
		"stack.provision.ok":       {"Provisioning of Harbour succeeded", deployed + "Finished: 17 Nov 2025, 10:31:20 CET\nTook: 28 min 18 s\n\nOpen the stack: "},
		"stack.provision.fail":     {"Provisioning of Harbour failed", deployed + "Finished: 17 Nov 2025, 10:19:48 CET\nTook: 16 min 46 s\n\nOpen the stack: "},
		"stack.redeploy.ok":        {"Redeploy of Harbour succeeded", deployed + "Finished: 9 Mar 2026, 15:21:07 CET\nTook: 3 min 34 s\n\nOpen the stack: "},
		"stack.redeploy.fail":      {"Redeploy of Harbour failed", "Environment: production\nBranch: main\nHealth: Impaired\nTriggered by: rosa@acme.example\nFinished: 9 Mar 2026, 15:21:07 CET\nTook: 3 min 34 s\n\nOpen the stack: "},
		"stack.redeploy.hook.fail": {"Redeployment hook of Harbour failed", "Environment: production\nBranch: main\nWhen: 7 Jul 2025, 02:00:05 CEST\n\nOpen the stack: "},
		"stack.deploy.started":     {"Deployment of Harbour started", deployed + "Started: 9 Mar 2026, 15:17:33 CET\n\nOpen the stack: "},
		"server.stopped":           {"Server lynx stopped sending heartbeats (Harbour)", "Stack: Harbour\nWhen: 7 Jul 2025, 02:00:05 CEST\n\nOpen the server: "},
		"server.backon":            {"Server lynx is back (Harbour)", "Stack: Harbour\nWhen: 7 Jul 2025, 02:00:05 CEST\n\nOpen the server: "},
		"job.fail":                 {"Job nightly-invoices failed (Harbour)", "Stack: Harbour\nSchedule: 15 2 * * *\nWhen: 7 Jul 2025, 02:00:05 CEST\n\nOpen the job: "},
		"job.backon":               {"Job nightly-invoices succeeded again (Harbour)", "Stack: Harbour\nSchedule: 15 2 * * *\nWhen: 7 Jul 2025, 02:00:05 CEST\n\nOpen the job: "},
		"process.down":             {"Process worker is down on lynx (Harbour)", "Stack: Harbour\nWhen: 7 Jul 2025, 02:00:05 CEST\n\nOpen the process: "},
		"app.auth":                 {"App Release board was authorized by rosa@acme.example", "When: 7 Jul 2025, 02:00:05 CEST\n\nOpen the app: "},
		"app.deauth":               {"App Release board was deauthorized by rosa@acme.example", "When: 7 Jul 2025, 02:00:05 CEST\n\nOpen the app: "},
	} {
		event, err := schema.Sample(typeName)
		require.NoError(t, err)
		event.ID, event.Account, event.Time = "1", "acme", delivery(typeName, "1").Event.Time
		text, err := linkedWriter(t).write(schema.Delivery{Event: event, User: "ada"}, channels.Person{TimeZone: "Europe/Berlin"}, address)
		require.NoError(t, err)
		subject, parts := parsed(t, string(text))
		require.Equal(t, want.subject, subject)
		body := strings.ReplaceAll(parts[0], "\r\n", "\n")
		require.Contains(t, body, "\n\n"+want.facts+event.Link+"\n", typeName)
		require.Contains(t, body, "Stop mails about "+typeName)
	}
}
