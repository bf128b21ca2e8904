package email

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

func TestFailures(t *testing.T) {
	t.Parallel()
	refuse := func(command string, code int, enhanced ...int) func(farend.InboxStep) error {
		return func(s farend.InboxStep) error {
			if s.Command != command {
				return nil
			}
			text := fmt.Sprintf("<%s>: no %s, Ada.Lovelace unknown; see ada.lovelace=40example.com", address, strings.ToUpper(address))
			return farend.SMTPAnswer(code, [3]int(append(enhanced, 0, 0, 0)[:3]), text)
		}
	}
	for name, test := range map[string]struct {
		answer func(farend.InboxStep) error
		kind   channels.Kind
		status string
	}{
		"greylisted":           {refuse("RCPT", 450, 4, 2, 1), channels.Temporary, "450 4.2.1"},
		"mailbox full for now": {refuse("RCPT", 452, 4, 2, 2), channels.Temporary, "452 4.2.2"},
		"later":                {refuse("DATA", 451, 4, 3, 0), channels.Temporary, "451 4.3.0"},
		"closing at MAIL":      {refuse("MAIL", 421, 4, 7, 0), channels.Temporary, "421 4.7.0"},
		"refused hello":        {refuse("EHLO", 421, 4, 3, 2), channels.Temporary, "421 4.3.2"},
		"login wanted":         {refuse("MAIL", 530, 5, 7, 0), channels.Misconfigured, "530 5.7.0"},
		"sender refused":       {refuse("MAIL", 550, 5, 7, 1), channels.Misconfigured, "550 5.7.1"},
		"sender unknown":       {refuse("RCPT", 550, 5, 1, 8), channels.Misconfigured, "550 5.1.8"},
		"sender not verified":  {refuse("DATA", 550, 5, 7, 26), channels.Misconfigured, "550 5.7.26"},
		"too large":            {refuse("MAIL", 552, 5, 3, 4), channels.Permanent, "552 5.3.4"},
		"no relaying":          {refuse("RCPT", 554, 5, 7, 1), channels.Misconfigured, "554 5.7.1"},
		"login at RCPT":        {refuse("RCPT", 535, 5, 7, 8), channels.Misconfigured, "535 5.7.8"},
		"session refused":      {refuse("EHLO", 554, 5, 3, 2), channels.Misconfigured, "554 5.3.2"},
		"no mailbox":           {refuse("RCPT", 550, 5, 1, 1), channels.Gone, "550 5.1.1"},
		"no domain":            {refuse("RCPT", 550, 5, 1, 2), channels.Gone, "550 5.1.2"},
		"bad address":          {refuse("RCPT", 553, 5, 1, 3), channels.Gone, "553 5.1.3"},
		"moved":                {refuse("RCPT", 551, 5, 1, 6), channels.Gone, "551 5.1.6"},
		"disabled":             {refuse("RCPT", 550, 5, 2, 1), channels.Gone, "550 5.2.1"},
		"mailbox full":         {refuse("RCPT", 552, 5, 2, 2), channels.Permanent, "552 5.2.2"},
		"busy, so not gone":    {refuse("RCPT", 450, 5, 1, 1), channels.Temporary, "450 5.1.1"},
		"spam":                 {refuse("DATA", 554, 5, 7, 1), channels.Permanent, "554 5.7.1"},
		"closing at RCPT":      {refuse("RCPT", 421, 4, 7, 0), channels.Temporary, "421 4.7.0"},
		"closing at the end":   {refuse("DATA", 421, 4, 3, 2), channels.Temporary, "421 4.3.2"},
		"hung up at RCPT":      {hangUpAt("RCPT"), channels.Temporary, ""},
		"hung up at the end":   {hangUpAt("DATA"), channels.Temporary, ""},
		"hung up at hello":     {hangUpAt("EHLO"), channels.Temporary, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inbox, _ := startInbox(t, farend.InboxOptions{})
			inbox.Answer(test.answer)
			c := openFor(t, inbox)
			err := c.Send(t.Context(), delivery("job.fail", "1"), target())
			require.Error(t, err)
			failure := channels.FailureOf(err)
			require.Equal(t, test.kind, failure.Kind, err)
			require.Equal(t, test.status, failure.Status, err)
			require.NotRegexp(t, regexp.MustCompile(`(?i)lovelace|@|40example`), err.Error())

			if failure.Kind == channels.Misconfigured {
				require.ErrorContains(t, err, "TOCSIN_SMTP_")
			}

			inbox.Answer(nil)
			require.NoError(t, c.Send(t.Context(), delivery("job.fail", "2"), target()), "the channel recovers")
		})
	}
}

func hangUpAt(command string) func(farend.InboxStep) error {
	return func(s farend.InboxStep) error {
		if s.Command == command {
			return farend.ErrHangUp
		}
		return nil
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	failure := channels.FailureOf(open(t, Config{URL: "smtp://" + listener.Addr().String()}).Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, channels.Temporary, failure.Kind)
	require.Empty(t, failure.Status)
}

func TestEndsWithContext(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"EHLO", "MAIL", "RCPT", "DATA"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			inbox, _ := startInbox(t, farend.InboxOptions{})
			hangs, release := make(chan struct{}), make(chan struct{})
			t.Cleanup(func() { close(release) })
			inbox.Answer(func(s farend.InboxStep) error {
				if s.Command == command {
					close(hangs)
					<-release
				}
				return nil
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-hangs
				cancel()
			}()
			err := openFor(t, inbox).Send(ctx, delivery("job.fail", "1"), target())
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, channels.Temporary, channels.FailureOf(err).Kind)
		})
	}
}

func TestEndsAtDeadline(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	c := open(t, Config{URL: "smtp://" + silent.Addr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Send(ctx, delivery("job.fail", "1"), target()), context.DeadlineExceeded)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Send(cancelled, delivery("job.fail", "1"), target()), context.Canceled)
}

// Some servers say no in words alone.
func TestRefusalsWithoutEnhancedStatus(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]cause{
		"relay not permitted":        theRelay,
		"Relaying denied":            theRelay,
		"5.7.1 Relay access denied":  theRelay,
		"Unknown user":               thisMail,
		"5.1.1 Unknown user":         theAddress,
		"5.1.10 Recipient not found": thisMail,
		"5.1.1":                      theAddress,
	} {
		require.Equal(t, want, causeOf(&refusal{reply{550, text}, stepRecipient}), text)
	}
	require.Equal(t, thisMoment, causeOf(&refusal{reply{502, "what?"}, stepReset}))
}

// The owner reads the reason on the settings page, and the address counts as
// dead from before the attempt: one saved meanwhile stays.
func TestGone(t *testing.T) {
	t.Parallel()
	inbox, _ := startInbox(t, farend.InboxOptions{})
	inbox.Answer(func(s farend.InboxStep) error {
		if s.Command != "RCPT" {
			return nil
		}
		return farend.SMTPAnswer(550, [3]int{5, 1, 1}, "<"+address+"> unknown")
	})
	before := time.Now()
	failure := channels.FailureOf(openFor(t, inbox).Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, channels.Gone, failure.Kind)
	require.Equal(t, "mail to this address bounces: 550 5.1.1", failure.Error())
	require.False(t, failure.Since.Before(before) || failure.Since.After(time.Now()))
}

// The server has the whole mail and hangs up before it says so.
func TestLostAfterTheEndIsSaid(t *testing.T) {
	t.Parallel()
	inbox, _ := startInbox(t, farend.InboxOptions{})
	inbox.Answer(hangUpAt("DATA"))
	err := openFor(t, inbox).Send(t.Context(), delivery("job.fail", "1"), target())
	require.Equal(t, channels.Temporary, channels.FailureOf(err).Kind)
	require.ErrorContains(t, err, "may arrive twice")

	inbox.Answer(hangUpAt("RCPT"))
	err = openFor(t, inbox).Send(t.Context(), delivery("job.fail", "1"), target())
	require.Equal(t, channels.Temporary, channels.FailureOf(err).Kind)
	require.NotContains(t, err.Error(), "twice")
}

func TestTrialTellsWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	inbox, _ := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	trial := channels.Try(t.Context(), c, delivery("job.fail", "1"), target())
	require.NoError(t, trial.Err)
	require.Equal(t, "250 2.0.0", trial.Status)
	require.Contains(t, trial.Excerpt, "250 2.0.0 OK")

	inbox.Answer(func(s farend.InboxStep) error {
		if s.Command != "RCPT" {
			return nil
		}
		return farend.SMTPAnswer(450, [3]int{4, 2, 1}, "<"+address+"> gets too much")
	})
	trial = channels.Try(t.Context(), c, delivery("job.fail", "2"), target())
	require.Error(t, trial.Err)
	require.Equal(t, "450 4.2.1", trial.Status)
	require.Equal(t, "450 4.2.1 <[address]> gets too much", trial.Excerpt)
}

func TestErrorsWrapNoAddress(t *testing.T) {
	t.Parallel()
	err := redacted("550 5.1.1 <ada@example.com> (ada)\nrejected", "ada@example.com")
	require.Equal(t, "550 5.1.1 <[address]> ([address]) rejected", err.Error())
}
