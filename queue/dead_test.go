package queue_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func letters(t *testing.T, q *queue.Queue) []queue.DeadLetter {
	t.Helper()
	var found []queue.DeadLetter
	for letter, err := range q.DeadLetters(t.Context(), queue.LetterFilter{}, 0) {
		require.NoError(t, err)
		found = append(found, letter)
	}
	return found
}

func eventuallyLetter(t *testing.T, q *queue.Queue) queue.DeadLetter {
	t.Helper()
	require.Eventually(t, func() bool { return len(letters(t, q)) == 1 }, 20*time.Second, 20*time.Millisecond)
	return letters(t, q)[0]
}

func TestDeadDeliveryIsReplayedUnderTheSameID(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		if d.Replays > 0 {
			return queue.Done()
		}
		d.Attempts = 7
		d.Last = schema.Attempt{At: time.Now(), Status: "404", Reason: "endpoint answered 404 Not Found"}
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: d.Last.Reason})
	})
	running(t, pool)
	want := delivery(t, "e1")
	require.NoError(t, q.PublishPlans(t.Context(), plans(want)))
	receive(t, handed)

	letter := eventuallyLetter(t, q)
	require.Equal(t, "tocsin.dead.webhook.stack.redeploy.fail", letter.Subject)
	require.Equal(t, queue.Permanent, letter.Cause)
	require.Equal(t, "endpoint answered 404 Not Found", letter.Reason)
	require.Equal(t, []byte(want.Event.Data), letter.Body, "the original bytes")
	require.Equal(t, 7, letter.Delivery.Attempts)
	require.Equal(t, "404", letter.Delivery.Last.Status)
	require.Equal(t, []string{"404"}, letter.Header["Tocsin-Last-Status"])

	require.NoError(t, q.Replay(t.Context(), letter))
	again := receive(t, handed)
	require.Equal(t, want.ID(), again.ID())
	require.Equal(t, 1, again.Replays)
	require.Zero(t, again.Attempts, "a replay has a retry window of its own")
	require.Empty(t, letters(t, q))
	require.ErrorIs(t, q.Discard(t.Context(), letter.Sequence), queue.ErrNoLetter)
}

func TestRefusedEventIsBuriedWholeAndReplayedWhereItWasPublished(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	handed := make(chan queue.PublishedEvent, 10)
	var refused atomic.Bool
	pool := q.NewPool(time.Second)
	pool.Events(2, func(_ context.Context, e queue.PublishedEvent) queue.Outcome {
		handed <- e
		if refused.Swap(true) {
			return queue.Done()
		}
		return queue.BuryEvent(queue.Death{Cause: queue.Invalid, Type: schema.UnknownType, Reason: "not JSON"})
	})
	running(t, pool)
	published := &nats.Msg{
		Subject: "tocsin.events.nobody.knows",
		Header: nats.Header{
			"Nats-Msg-Id": {"m1"}, "Nats-Expected-Stream": {queue.EventStream}, "Nats-Expected-Last-Subject-Sequence": {"0"},
			"X-Own": {"a", "b"},
		},
		Data: []byte("\xff\x00{" + strings.Repeat("[", 1000)),
	}
	_, err := stranger(t, n).PublishMsg(t.Context(), published)
	require.NoError(t, err)
	first := receive(t, handed)

	letter := eventuallyLetter(t, q)
	require.Equal(t, "tocsin.dead.event.unknown", letter.Subject)
	require.Nil(t, letter.Delivery)
	require.Equal(t, queue.Invalid, letter.Cause)
	require.Equal(t, published.Data, letter.Body)
	require.Equal(t, []string{"a", "b"}, letter.Header["X-Own"])

	require.NoError(t, q.Replay(t.Context(), letter))
	again := receive(t, handed)
	require.Equal(t, published.Subject, again.Subject)
	require.Equal(t, published.Data, again.Body)
	require.Equal(t, []string{"a", "b"}, again.Header["X-Own"])
	require.Equal(t, first.Sequence, again.Sequence, "it still holds the claim of its first publication")
	require.Empty(t, letters(t, q))
}

func TestEventOfTheLargestSizeStillFitsItsDeadLetter(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	pool := q.NewPool(time.Second)
	pool.Events(2, func(context.Context, queue.PublishedEvent) queue.Outcome {
		return queue.BuryEvent(queue.Death{Cause: queue.Invalid, Type: schema.UnknownType, Reason: strings.Repeat("long ", 1000)})
	})
	running(t, pool)
	js := stranger(t, n)
	room := int(js.Conn().MaxPayload())
	header := nats.Header{}
	for i := range 20 {
		header.Set("X-Own-"+strings.Repeat("x", i), strings.Repeat("y", 3000))
	}
	_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "tocsin.events.x", Header: header, Data: make([]byte, room-80<<10)})
	require.NoError(t, err)
	letter := eventuallyLetter(t, q)
	require.Len(t, letter.Body, room-80<<10)
	require.NotEmpty(t, letter.Header["Tocsin-Headers-Dropped"], "what did not fit is counted")

	_, err = js.Publish(t.Context(), "tocsin.events.x", make([]byte, room-1024))
	require.ErrorContains(t, err, "message size exceeds maximum allowed", "its producer is told")
}
