package email

import (
	"context"
	"errors"
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
		"refused hello":        {refuse("EHLO", 421, 4, 3, 2), channels.Temporary, "421"},
		"login wanted":         {refuse("MAIL", 530, 5, 7, 0), channels.Temporary, "530 5.7.0"},
		"sender refused":       {refuse("MAIL", 550, 5, 7, 1), channels.Temporary, "550 5.7.1"},
		"no mailbox":           {refuse("RCPT", 550, 5, 1, 1), channels.Permanent, "550 5.1.1"},
		"no domain":            {refuse("RCPT", 550, 5, 1, 2), channels.Permanent, "550 5.1.2"},
		"bad address":          {refuse("RCPT", 553, 5, 1, 3), channels.Permanent, "553 5.1.3"},
		"moved":                {refuse("RCPT", 551, 5, 1, 6), channels.Permanent, "551 5.1.6"},
		"disabled":             {refuse("RCPT", 550, 5, 2, 1), channels.Permanent, "550 5.2.1"},
		"spam":                 {refuse("DATA", 554, 5, 7, 1), channels.Permanent, "554 5.7.1"},
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

func TestErrorsWrapNoAddress(t *testing.T) {
	t.Parallel()
	err := redacted(errors.New("550 5.1.1 <ada@example.com> (ada) rejected, affected recipient(s): ada@example.com"), "ada@example.com")
	require.Equal(t, "550 5.1.1 <[address]> ([address]) rejected", err.Error())
}
