package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func TestPublishedEventIsFoundBySequence(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	published := &nats.Msg{
		Subject: "tocsin.events.job.fail", Header: nats.Header{"ce-id": {"e1"}, "X-Own": {"a", "b"}}, Data: []byte(`{"name":"Backup"}`),
	}
	ack, err := js.PublishMsg(t.Context(), published)
	require.NoError(t, err)

	e, err := q.Event(t.Context(), ack.Sequence)
	require.NoError(t, err)
	require.Equal(t, ack.Sequence, e.Sequence)
	require.Equal(t, published.Subject, e.Subject)
	require.Equal(t, published.Data, e.Body)
	require.Equal(t, schema.Header(published.Header), e.Header)
	require.WithinDuration(t, time.Now(), e.Stored, time.Minute)

	for _, sequence := range []uint64{0, ack.Sequence + 1} {
		_, err = q.Event(t.Context(), sequence)
		require.ErrorIs(t, err, queue.ErrNoEvent)
	}
}

// A second click on the button, before the first has been answered, asks for the
// same replay.
func TestRedeliveryAskedForTwiceIsMadeOnce(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Delivered(d)
	})
	running(t, pool)
	d := delivery(t, "e1")
	require.NoError(t, q.PublishPlans(t.Context(), plans(d)))
	require.Zero(t, receive(t, handed).Replays)

	for _, replay := range []int{1, 1, 2} {
		require.NoError(t, q.Redeliver(t.Context(), d, replay, time.Time{}))
	}
	for _, replay := range []int{1, 2} {
		again := receive(t, handed)
		require.Equal(t, d.ID(), again.ID())
		require.Equal(t, replay, again.Replays)
		require.WithinDuration(t, time.Now(), again.Planned, time.Minute, "it has a retry window of its own")
	}
	eventuallyEmpty(t, js, queue.DeliveryStream)
	require.Empty(t, handed)
}

// A delivery that its user has sent once more is not replayed by Ops as well.
func TestRedeliveryTakesItsDeadLetterAlong(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "it says no"})
	})
	running(t, pool)
	d, other := delivery(t, "e1"), delivery(t, "e2")
	require.NoError(t, q.PublishPlans(t.Context(), plans(d, other)))
	require.Eventually(t, func() bool { return len(letters(t, q)) == 2 }, 20*time.Second, 20*time.Millisecond)
	died := letters(t, q)[0].Died

	require.NoError(t, q.Redeliver(t.Context(), d, 1, died))
	var left []queue.DeadLetter
	require.Eventually(t, func() bool {
		left = letters(t, q)
		return len(left) == 2 && left[1].Delivery.Replays == 1
	}, 20*time.Second, 20*time.Millisecond, "it died once more, and that letter stays")
	require.Equal(t, other.ID(), left[0].Delivery.ID())
	require.NoError(t, q.Redeliver(t.Context(), d, 1, died), "asked for twice")
	require.Len(t, letters(t, q), 2)
}

func TestLettersAreChosenByWhatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	d := delivery(t, "e1")
	d.Last = schema.Attempt{Status: "404", Host: "hooks.example.com:8443"}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := queue.DeadLetter{Sequence: 7, Died: noon, Cause: queue.Permanent, Reason: "endpoint answered 404 Not Found", Delivery: &d}
	for _, test := range []struct {
		filter  queue.LetterFilter
		matches bool
	}{
		{queue.LetterFilter{}, true},
		{queue.LetterFilter{Channel: "webhook", Type: "stack.redeploy.fail", Account: "acme", User: "ada"}, true},
		{queue.LetterFilter{Channel: "email"}, false},
		{queue.LetterFilter{Type: "job.fail"}, false},
		{queue.LetterFilter{Account: "zeta"}, false},
		{queue.LetterFilter{User: "eve"}, false},
		{queue.LetterFilter{Host: "hooks.example.com"}, true},
		{queue.LetterFilter{Host: "HOOKS.example.com:8443"}, true},
		{queue.LetterFilter{Host: "hooks.example.com:443"}, false},
		{queue.LetterFilter{Host: "hooks.example"}, false},
		{queue.LetterFilter{Cause: queue.Permanent, Reason: "Not Found"}, true},
		{queue.LetterFilter{Cause: queue.Exhausted}, false},
		{queue.LetterFilter{Reason: "404"}, true},
		{queue.LetterFilter{Reason: "503"}, false},
		{queue.LetterFilter{Since: noon, Until: noon.Add(1)}, true},
		{queue.LetterFilter{Until: noon}, false},
		{queue.LetterFilter{Since: noon.Add(1)}, false},
		{queue.LetterFilter{Sequences: []uint64{3, 7}}, true},
		{queue.LetterFilter{Sequences: []uint64{3}}, false},
	} {
		require.Equal(t, test.matches, test.filter.Matches(l), "%+v", test.filter)
	}
}
