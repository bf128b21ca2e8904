package email

import (
	"fmt"
	"mime"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	gomail "github.com/wneessen/go-mail"

	"tocsin/channels"
	"tocsin/farend"
	"tocsin/schema"
)

// parsed reads a mail with a parser that is not the inbox's.
func parsed(t *testing.T, raw string) (subject string, parts []string) {
	t.Helper()
	m, err := gomail.EMLToMsgFromString(raw)
	require.NoError(t, err)
	for _, part := range m.GetParts() {
		content, err := part.GetContent()
		require.NoError(t, err)
		parts = append(parts, string(part.GetContentType())+"\n"+string(content))
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(strings.Join(m.GetGenHeader(gomail.HeaderSubject), ""))
	require.NoError(t, err)
	return subject, parts
}

func TestRealServerTakesMails(t *testing.T) {
	t.Parallel()
	p := startPostfix(t, "PLAIN")
	config, record := dkimConfig(t, "rsa")
	config.URL, config.CAFile = p.url("relay:hunter2@", "?tls=required"), filepath.Join(p.dir, "certificate.pem")
	config.PublicURL, config.LinkKey = "https://tocsin.example.com", linkKey
	c := open(t, config)

	long := strings.Repeat("ü€ ", 5_000)
	stopped, back := delivery("server.stopped", "1"), delivery("server.backon", "2")
	stopped.Event.ResourceName = "Überserver №1 " + long
	dots := delivery(".dots", "3") // begins the text
	dots.Event.ResourceName = ".\r\n.\r\nQUIT\r\n" + strings.Repeat(".", 3_000)
	stopped.Event.Data, back.Event.Data, dots.Event.Data = nil, nil, nil
	for _, d := range []schema.Delivery{stopped, back, dots} {
		require.NoError(t, c.Send(t.Context(), d, target()))
	}
	hangUp(c)

	byID := map[string]string{}
	for _, raw := range p.mails(t, 3) {
		require.NoError(t, verifyDKIM(raw, record), "the signature outlives the way")
		h := header(t, farend.Received{Raw: raw})
		require.Equal(t, h.Get("List-Id") != "", h.Get("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click")
		require.Contains(t, h.Get("Received"), "ESMTPSA", "inside TLS and logged in")
		for line := range strings.SplitSeq(raw, "\n") {
			require.LessOrEqual(t, len(line), 998)
		}
		byID[strings.Trim(h.Get("Message-ID"), "<>")] = raw
	}
	require.Len(t, byID, 3)
	first, second, third := byID[stopped.ID()+"@tocsin.example"], byID[back.ID()+"@tocsin.example"], byID[dots.ID()+"@tocsin.example"]
	require.Equal(t, header(t, farend.Received{Raw: first}).Get("References"), header(t, farend.Received{Raw: second}).Get("References"), "one thread")

	subject, parts := parsed(t, first)
	require.Contains(t, subject, "Server Überserver №1 ü€ ü€")
	require.Len(t, parts, 2)
	require.True(t, strings.HasPrefix(parts[0], "text/plain\nServer Überserver №1 ü€"), parts[0])
	require.True(t, strings.HasPrefix(parts[1], "text/html\n<!doctype html>"), parts[1])

	_, parts = parsed(t, third)
	require.True(t, strings.HasPrefix(parts[0], "text/plain\n.dots: . . QUIT ...."), parts[0])
}

func TestRealServerLogins(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			p := startPostfix(t, mechanism)
			with := func(password string) *channel {
				return open(t, Config{URL: p.url("relay:"+password+"@", "?tls=required"), CAFile: filepath.Join(p.dir, "certificate.pem")})
			}
			c := with("hunter2")
			to := target()
			to.Settings = []byte(`{"address":"shy@example.com"}`) // takes mails of who has logged in
			require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), to))
			hangUp(c)

			failure := channels.FailureOf(with("wrongpass").Send(t.Context(), delivery("job.fail", "2"), to))
			require.Equal(t, channels.Misconfigured, failure.Kind)
			require.Equal(t, "535 5.7.8", failure.Status)
			require.NotContains(t, failure.Error(), "wrongpass")
			require.Contains(t, p.mails(t, 1)[0], "ESMTPSA")
		})
	}
}

func TestRealServerRefuses(t *testing.T) {
	t.Parallel()
	p := startPostfix(t, "PLAIN")
	c := open(t, Config{URL: p.url("", "")})
	for i, test := range []struct {
		address string
		kind    channels.Kind
		status  string
	}{
		{"nobody@example.com", channels.Gone, "550 5.1.1"},
		{"ada@elsewhere.example", channels.Misconfigured, "554 5.7.1"}, // "Relay access denied"
		{"shy@example.com", channels.Misconfigured, "530 5.7.0"},
	} {
		to := target()
		to.Settings = []byte(`{"address":"` + test.address + `"}`)
		failure := channels.FailureOf(c.Send(t.Context(), delivery("job.fail", fmt.Sprint(i)), to))
		require.Equal(t, test.kind, failure.Kind, failure.Err)
		require.Equal(t, test.status, failure.Status)
		require.NotContains(t, failure.Error(), test.address)
		require.NoError(t, c.Send(t.Context(), delivery("job.fail", fmt.Sprint("after ", i)), target()), "the session goes on")
	}
	for _, address := range []string{"ada@bücher.example", "jürgen@example.com"} {
		to := target()
		to.Settings = []byte(`{"address":"` + address + `"}`)
		require.NoError(t, c.Send(t.Context(), delivery("job.fail", address), to))
	}
	hangUp(c)
	mails := strings.Join(p.mails(t, 5), "")
	require.Contains(t, mails, `<ada@xn--bcher-kva.example>`)
	require.Contains(t, mails, `<jürgen@example.com>`)
	require.Equal(t, 5, strings.Count(mails, "\nMessage-ID: "))
}
