package email

import (
	"testing"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

func TestProbeSaysWhetherTheServerTakesMailsFromOurSender(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	require.NoError(t, c.Probe(t.Context()))
	inbox.Answer(func(s farend.InboxStep) error {
		if s.Command == "MAIL" {
			return &gosmtp.SMTPError{Code: 553, EnhancedCode: gosmtp.EnhancedCode{5, 7, 1}, Message: "not your domain"}
		}
		return nil
	})
	require.ErrorContains(t, c.Probe(t.Context()), "TOCSIN_SMTP_FROM: the mail server 127.0.0.1 refuses the sender")
	require.Empty(t, received(log), "no mail is sent")
}

func TestProbeSaysThatNobodyIsThere(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, open(t, Config{URL: "smtp://127.0.0.1:1"}).Probe(t.Context()), "connect to the mail server 127.0.0.1")
}
