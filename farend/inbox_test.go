package farend_test

import (
	"fmt"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

const goodMail = "From: Tocsin <notify@example.com>\r\nTo: ada@example.com\r\nSubject: =?utf-8?q?=C3=9Cber?=\r\n" +
	"Date: Mon, 07 Jul 2025 00:00:05 +0000\r\nMessage-ID: <1234-abcd@example.com>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nf=C3=BCr\r\n" +
	"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+eDwvYj4=\r\n--b--\r\n"

const oneClick = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"

// deliver sends a mail as it stands; net/smtp would mend its line ends.
func deliver(t *testing.T, inbox *farend.Inbox, to, raw string) error {
	t.Helper()
	c, err := textproto.Dial("tcp", inbox.Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	_, _, err = c.ReadResponse(220)
	require.NoError(t, err)
	for _, step := range []struct {
		say  string
		want int
	}{
		{"EHLO test", 250}, {"MAIL FROM:<notify@example.com>", 250}, {"RCPT TO:<" + to + ">", 250}, {"DATA", 354}, {raw + "\r\n.", 250},
	} {
		require.NoError(t, c.PrintfLine("%s", step.say))
		if _, _, err := c.ReadResponse(step.want); err != nil {
			return err
		}
	}
	return nil
}

func TestInboxReadsMail(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	inbox, err := farend.NewInbox(log)
	require.NoError(t, err)
	defer func() { require.NoError(t, inbox.Close()) }()
	_, more := log.Since(0)
	require.NoError(t, deliver(t, inbox, "ada@example.com", goodMail))
	<-more
	received, _ := log.Since(0)
	require.Len(t, received, 1)
	got := received[0]
	require.Equal(t, "email 1234-abcd ada@example.com Über 250", fmt.Sprint(got.Channel, " ", got.Delivery, " ", got.To, " ", got.Title, " ", got.Status))
	require.Equal(t, "für", strings.TrimSpace(got.Text))
	require.Equal(t, "<b>x</b>", got.HTML)
	require.Equal(t, 1, inbox.Sessions())
}

func TestInboxRefusesWhatIsNoMail(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	inbox, err := farend.NewInbox(log)
	require.NoError(t, err)
	defer func() { require.NoError(t, inbox.Close()) }()
	for name, raw := range map[string]string{
		"no From":        strings.Replace(goodMail, "From:", "X-From:", 1),
		"no Date":        strings.Replace(goodMail, "Date:", "X-Date:", 1),
		"no Message-ID":  strings.Replace(goodMail, "Message-ID:", "X-Message-ID:", 1),
		"no MIME":        strings.Replace(goodMail, "MIME-Version:", "X-MIME-Version:", 1),
		"two Subjects":   "Subject: x\r\n" + goodMail,
		"bad date":       strings.Replace(goodMail, "Mon, 07 Jul", "07 of July", 1),
		"bad id":         strings.Replace(goodMail, "<1234-abcd@example.com>", "1234", 1),
		"bad reference":  "References: x\r\n" + goodMail,
		"bad sender":     strings.Replace(goodMail, "<notify@example.com>", "<notify", 1),
		"bare LF":        strings.Replace(goodMail, "f=C3=BCr\r\n", "f\nr\r\n", 1),
		"bare CR":        strings.Replace(goodMail, "f=C3=BCr\r\n", "f\rr\r\n", 1),
		"long line":      strings.Replace(goodMail, "f=C3=BCr", strings.Repeat("x", 999), 1),
		"long long line": strings.Replace(goodMail, "f=C3=BCr", strings.Repeat("x", 9999), 1),
		"unended part":   strings.Replace(goodMail, "--b--", "", 1),
		"bad base64":     strings.Replace(goodMail, "PGI+eDwvYj4=", "!", 1),
		"no colon":       "nonsense\r\n" + goodMail,
		"empty":          "",
		"link alone":     "List-Unsubscribe: <https://e.example/x>\r\n" + goodMail,
		"click alone":    oneClick + goodMail,
		"link in clear":  "List-Unsubscribe: <http://e.example/x>\r\n" + oneClick + goodMail,
		"link unsigned":  "DKIM-Signature: v=1; h=From:List-Unsubscribe; b=x\r\nList-Unsubscribe: <https://e.example/x>\r\n" + oneClick + goodMail,
		"two links":      "List-Unsubscribe: <https://e.example/x>\r\nList-Unsubscribe: <https://e.example/x>\r\n" + oneClick + goodMail,
	} {
		require.NotEqual(t, goodMail, raw, name)
		err := deliver(t, inbox, "ada@example.com", raw)
		require.ErrorContains(t, err, "554", name)
	}
	received, _ := log.Since(0)
	for _, got := range received {
		require.Equal(t, "554 5.6.0", got.Status)
	}
}

func TestInboxTakesLinks(t *testing.T) {
	t.Parallel()
	inbox, err := farend.NewInbox(&farend.Log{})
	require.NoError(t, err)
	defer func() { require.NoError(t, inbox.Close()) }()
	for _, fields := range []string{
		"List-Unsubscribe: <https://e.example/x>\r\n",
		"List-Unsubscribe: <http://127.0.0.1:8080/x>\r\n",
		"DKIM-Signature: v=1; h=From:List-Unsubscribe:\r\n List-Unsubscribe-Post; b=x\r\nList-Unsubscribe: <https://e.example/x>\r\n",
	} {
		require.NoError(t, deliver(t, inbox, "ada@example.com", fields+oneClick+goodMail))
	}
}

func TestInboxAnswers(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	inbox, err := farend.NewInbox(log)
	require.NoError(t, err)
	defer func() { require.NoError(t, inbox.Close()) }()
	inbox.Answer(func(s farend.InboxStep) error {
		switch {
		case s == farend.InboxStep{Command: "RCPT", Recipient: "ada@example.com", N: 1}:
			return farend.SMTPAnswer(450, [3]int{4, 2, 1}, "slowly")
		case s == farend.InboxStep{Command: "DATA", Recipient: "ada@example.com", N: 1}:
			return farend.SMTPAnswer(554, [3]int{5, 7, 1}, "no")
		case s.Command == "MAIL" && s.N == 4:
			return farend.ErrHangUp
		}
		return nil
	})
	require.ErrorContains(t, deliver(t, inbox, "ada@example.com", goodMail), "450")
	require.ErrorContains(t, deliver(t, inbox, "ada@example.com", goodMail), "554")
	require.NoError(t, deliver(t, inbox, "ada@example.com", goodMail))
	require.Error(t, deliver(t, inbox, "ada@example.com", goodMail))
	received, _ := log.Since(0)
	statuses := []string{}
	for _, got := range received {
		statuses = append(statuses, got.Status)
	}
	require.Equal(t, []string{"450 4.2.1", "554 5.7.1", "250"}, statuses)
}

func TestInboxWantsLogin(t *testing.T) {
	t.Parallel()
	inbox, err := farend.NewInboxWith(&farend.Log{}, farend.InboxOptions{STARTTLS: true, Username: "relay", Password: "secret"})
	require.NoError(t, err)
	defer func() { require.NoError(t, inbox.Close()) }()
	require.NotEmpty(t, inbox.RootsPEM())
	require.ErrorContains(t, deliver(t, inbox, "ada@example.com", goodMail), "530")

	c, err := smtp.Dial(inbox.Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	offered, _ := c.Extension("AUTH")
	require.False(t, offered, "outside TLS no login is offered")
	offered, _ = c.Extension("STARTTLS")
	require.True(t, offered)
}
