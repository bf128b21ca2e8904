package email

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

func TestSessionIsUsedAgain(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	inbox.Answer(func(s farend.InboxStep) error {
		if s.Command == "RCPT" && s.N == 3 || s.Command == "DATA" && s.N == 5 {
			return farend.SMTPAnswer(550, [3]int{5, 7, 1}, "no")
		}
		return nil
	})
	failed := 0
	for i := range 10 {
		if c.Send(t.Context(), delivery("job.fail", fmt.Sprint(i)), target()) != nil {
			failed++
		}
	}
	require.Equal(t, 2, failed)
	require.Len(t, received(log), 10)
	require.Equal(t, 1, inbox.Sessions(), "a refusal does not cost the session")

	inbox.Disconnect()
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "again"), target()))
	require.Equal(t, 2, inbox.Sessions())
}

func TestIdleSessionIsClosed(t *testing.T) {
	t.Parallel()
	inbox, _ := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	c.pool.idleTime = time.Millisecond
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Eventually(t, func() bool { return inbox.Open() == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "2"), target()))
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	var wg sync.WaitGroup
	errs := make(chan error, 50)
	for i := range 50 {
		wg.Go(func() { errs <- c.Send(t.Context(), delivery("job.fail", fmt.Sprint(i)), target()) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	ids := map[string]bool{}
	for _, got := range received(log) {
		ids[got.Delivery] = true
	}
	require.Len(t, ids, 50)
	require.LessOrEqual(t, inbox.Sessions(), sessions)
}

func TestDeliveredAlthoughConnectionDies(t *testing.T) {
	t.Parallel()
	inbox, log := startInbox(t, farend.InboxOptions{})
	c := openFor(t, inbox)
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	inbox.Disconnect()
	require.Len(t, received(log), 1)
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "2"), target()))
	require.Len(t, received(log), 2)
}
