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
		require.NoError(t, q.Redeliver(t.Context(), d, replay))
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
