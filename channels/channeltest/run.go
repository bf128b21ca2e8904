package channeltest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

// patience is after how long a call counts as hung: far above what any machine
// needs, since it is only waited for when a test fails.
const patience = time.Minute

// Run holds the channel to the contract. Its parts run one after another,
// because they share the far end.
func Run(t *testing.T, s Subject) {
	require.NotNil(t, s.Arrived, "Subject.Arrived")
	require.NotNil(t, s.Temporarily, "Subject.Temporarily")
	require.NotNil(t, s.Permanently, "Subject.Permanently")
	require.NotNil(t, s.Hang, "Subject.Hang")
	require.NotEmpty(t, s.Secrets, "Subject.Secrets")
	require.NotContains(t, s.Secrets, "", "Subject.Secrets")

	t.Run("describes itself", s.describesItself)
	t.Run("describes its settings form", s.describesForm)
	t.Run("delivers once for each Send", s.deliversOnce)
	t.Run("a refusal that may pass is temporary", s.temporary)
	t.Run("a refusal for good is permanent", s.permanent)
	if s.Wait != nil {
		t.Run("carries the wait that the far end names", s.namedWait)
	}
	t.Run("sends nothing when already cancelled", s.cancelledBefore)
	t.Run("returns when cancelled", s.cancelledDuring)
	t.Run("returns at its deadline", s.deadline)
	if s.Flood != nil {
		t.Run("survives a flood", s.flood)
	}
	t.Run("garbage settings are permanent", s.garbage)
	t.Run("is safe for concurrent use", s.concurrent)
}

func (s Subject) deliversOnce(t *testing.T) {
	before := len(s.Arrived())
	for attempt := range 2 {
		require.NoError(t, s.send(t, t.Context(), 0))
		require.Len(t, s.Arrived(), before+attempt+1)
	}
	if s.CarriesID {
		id := s.delivery(0).ID()
		require.Equal(t, []string{id, id}, s.Arrived()[before:], "the delivery id is the same on every attempt")
	}
}

func (s Subject) temporary(t *testing.T) {
	s.Temporarily()
	f := s.sendFails(t, t.Context(), 1)
	require.Equal(t, channels.Temporary, f.Kind, f.Err)
	require.NoError(t, s.send(t, t.Context(), 1), "the next attempt delivers")
}

func (s Subject) permanent(t *testing.T) {
	s.Permanently()
	f := s.sendFails(t, t.Context(), 2)
	require.Equal(t, channels.Permanent, f.Kind, f.Err)
	require.NotEmpty(t, f.Status, "the status says what the far end answered")
}

// namedWait allows for a far end that names a moment, in whole seconds, and
// for the time that passed since.
func (s Subject) namedWait(t *testing.T) {
	const asked = 10 * time.Minute
	started := time.Now()
	s.Wait(asked)
	f := s.sendFails(t, t.Context(), 3)
	passed := time.Since(started)
	require.Equal(t, channels.Temporary, f.Kind, f.Err)
	require.LessOrEqual(t, f.Wait, asked+time.Second)
	require.GreaterOrEqual(t, f.Wait, asked-passed-time.Second)
}

func (s Subject) cancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := len(s.Arrived())
	f := s.sendFails(t, ctx, 4)
	require.Equal(t, channels.Temporary, f.Kind, f.Err)
	require.ErrorIs(t, f.Err, context.Canceled)
	require.Len(t, s.Arrived(), before)
}

func (s Subject) cancelledDuring(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reached := s.Hang()
	result := make(chan error, 1)
	go func() { result <- s.Channel.Send(ctx, s.delivery(5), s.Target) }()
	await(t, reached, "the attempt to reach the far end")
	cancel()
	err := await(t, result, "Send to return after it was cancelled")
	f := s.failure(t, err)
	require.Equal(t, channels.Temporary, f.Kind, f.Err)
	require.ErrorIs(t, f.Err, context.Canceled)
}

// deadline takes a longer one until an attempt gets to the far end in time, so
// that it holds on slow machines.
func (s Subject) deadline(t *testing.T) {
	reached := s.Hang()
	s.expires(t, 250*time.Millisecond)
	for allowed := time.Second; !isClosed(reached); allowed *= 2 {
		s.expires(t, allowed)
	}
	require.NoError(t, s.send(t, t.Context(), 6), "an attempt after one that hung delivers")
}

func (s Subject) expires(t *testing.T, allowed time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), allowed)
	defer cancel()
	f := s.sendFails(t, ctx, 6)
	require.Equal(t, channels.Temporary, f.Kind, f.Err)
	require.ErrorIs(t, f.Err, context.DeadlineExceeded)
}

// flood asks only that Send comes back, and either way with an outcome that
// allows another attempt.
func (s Subject) flood(t *testing.T) {
	s.Flood()
	if err := s.send(t, t.Context(), 7); err != nil {
		f := s.failure(t, err)
		require.Equal(t, channels.Temporary, f.Kind, f.Err)
	}
	require.NoError(t, s.send(t, t.Context(), 7), "an attempt after a flood delivers")
}

// garbage also takes away the person, to whom empty settings may fall back.
func (s Subject) garbage(t *testing.T) {
	before := len(s.Arrived())
	malformed := s.malformedSettings()
	for _, settings := range malformed {
		require.Error(t, s.Spec.Check(settings), "Check of settings %s", settings)
	}
	for _, settings := range append(malformed, s.emptySettings()...) {
		to := channels.Target{ID: s.Target.ID, Settings: settings, Since: s.Target.Since}
		f := s.failure(t, s.sendTo(t, t.Context(), 8, to))
		require.Equal(t, channels.Permanent, f.Kind, "settings %s: %v", settings, f.Err)
	}
	require.Len(t, s.Arrived(), before)
}

func (s Subject) concurrent(t *testing.T) {
	const senders = 8
	before := len(s.Arrived())
	errs, ids := make([]error, senders), make([]string, senders)
	var sending sync.WaitGroup
	for i := range senders {
		d := s.delivery(100 + i)
		ids[i] = d.ID()
		sending.Go(func() { errs[i] = s.Channel.Send(t.Context(), d, s.Target) })
	}
	sending.Wait()
	require.NoError(t, errors.Join(errs...))
	arrived := s.Arrived()[before:]
	require.Len(t, arrived, senders)
	if s.CarriesID {
		require.ElementsMatch(t, ids, arrived, "each delivery has an id of its own")
	}
}
