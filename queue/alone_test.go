package queue_test

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// crash takes the next n messages of a consumer and gives them back, times over:
// to the server the same as a worker that dies with them in hand, but sooner.
func crash(t *testing.T, js jetstream.JetStream, stream, consumer string, n, times int) {
	t.Helper()
	c, err := js.Consumer(t.Context(), stream, consumer)
	require.NoError(t, err)
	for range times {
		batch, err := c.Fetch(n, jetstream.FetchMaxWait(10*time.Second))
		require.NoError(t, err)
		taken := 0
		for msg := range batch.Messages() {
			require.NoError(t, msg.Nak())
			taken++
		}
		require.NoError(t, batch.Error())
		require.Equal(t, n, taken)
	}
}

// prepare makes the consumers of pool.
func prepare(t *testing.T, pool *queue.Pool, js jetstream.JetStream, stream, consumer string) {
	t.Helper()
	stop := running(t, pool)
	require.Eventually(t, func() bool {
		_, err := js.Consumer(t.Context(), stream, consumer)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	stop()
}

// stopWith runs pool until a message is in hand, and stops it; then finish lets
// the handler go.
func stopWith(t *testing.T, pool *queue.Pool, begun <-chan struct{}, finish chan<- struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); pool.Run(ctx) }()
	receive(t, begun)
	cancel()
	close(finish)
	receive(t, stopped)
}

// One delivery that kills its workers takes many along, each time.
func TestBystandersOfCrashesAreTriedAloneAndDelivered(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	var inHand atomic.Int32
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 8, func(_ context.Context, d schema.Delivery) queue.Outcome {
		if inHand.Add(1) > 1 {
			t.Error("two suspects were in hand at a time")
		}
		defer inHand.Add(-1)
		handed <- d
		return queue.Done()
	})
	prepare(t, pool, js, queue.DeliveryStream, "webhook")
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"), delivery(t, "e2"), delivery(t, "e3"))))
	crash(t, js, queue.DeliveryStream, "webhook", 3, 4)

	running(t, pool)
	seen := map[string]bool{}
	for range 3 {
		d := receive(t, handed)
		require.Equal(t, 1, d.Strikes)
		require.Zero(t, d.Attempts, "a crash is no attempt")
		seen[d.Event.ID] = true
	}
	require.Len(t, seen, 3)
	eventuallyEmpty(t, js, queue.RetryStream)
	alone, err := js.Consumer(t.Context(), queue.RetryStream, "webhook-alone")
	require.NoError(t, err)
	require.Equal(t, 1, alone.CachedInfo().Config.MaxAckPending, "one at a time in the whole fleet")
	require.Zero(t, messages(t, js, queue.DeadStream))
}

func TestDeliveryThatKillsItsWorkersAloneIsADeadLetter(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	begun, finish := make(chan struct{}, 10), make(chan struct{})
	pool := q.NewPool(20 * time.Second)
	pool.Deliveries("webhook", 8, func(context.Context, schema.Delivery) queue.Outcome {
		begun <- struct{}{}
		<-finish
		return queue.HandBack()
	})
	prepare(t, pool, js, queue.DeliveryStream, "webhook")
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	crash(t, js, queue.DeliveryStream, "webhook", 1, 4)
	stopWith(t, pool, begun, finish)

	crash(t, js, queue.RetryStream, "webhook-alone", 1, 3)
	running(t, pool)
	letter := eventuallyLetter(t, q)
	require.Equal(t, queue.Poison, letter.Cause)
	require.Equal(t, "e1", letter.Delivery.Event.ID)
	eventuallyEmpty(t, js, queue.RetryStream)
	require.Empty(t, begun, "it is not handed out again")
}

func TestStoppingIsNoEvidenceAgainstASuspect(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	begun, finish := make(chan struct{}, 10), make(chan struct{})
	var stopped atomic.Bool
	pool := q.NewPool(20 * time.Second)
	pool.Deliveries("webhook", 8, func(context.Context, schema.Delivery) queue.Outcome {
		begun <- struct{}{}
		<-finish
		if stopped.Swap(true) {
			return queue.Done()
		}
		return queue.HandBack()
	})
	prepare(t, pool, js, queue.DeliveryStream, "webhook")
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	crash(t, js, queue.DeliveryStream, "webhook", 1, 4)
	stopWith(t, pool, begun, finish)

	crash(t, js, queue.RetryStream, "webhook-alone", 1, 2) // a third handout would be one too many
	running(t, pool)
	receive(t, begun)
	eventuallyEmpty(t, js, queue.RetryStream)
	require.Zero(t, messages(t, js, queue.DeadStream))
}

func TestBystandingEventIsTriedAloneAsItWasPublished(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	handed := make(chan queue.PublishedEvent, 10)
	pool := q.NewPool(time.Second)
	pool.Events(8, func(_ context.Context, e queue.PublishedEvent) queue.Outcome {
		handed <- e
		return queue.Done()
	})
	prepare(t, pool, js, queue.EventStream, "router")
	event := delivery(t, "e1").Event
	sequence, _, err := q.PublishEvent(t.Context(), event)
	require.NoError(t, err)
	crash(t, js, queue.EventStream, "router", 1, 4)
	stored, err := js.Stream(t.Context(), queue.EventStream)
	require.NoError(t, err)
	original, err := stored.GetMsg(t.Context(), sequence)
	require.NoError(t, err)

	running(t, pool)
	e := receive(t, handed)
	require.Equal(t, original.Subject, e.Subject)
	require.Equal(t, original.Data, e.Body)
	require.Equal(t, sequence, e.Sequence)
	require.True(t, e.Deferred, "or it would go back to the crowd, and never be given up")
	require.Equal(t, original.Time, e.Stored)
	read, err := schema.ReadEvent(e.Header, e.Body)
	require.NoError(t, err)
	require.Equal(t, event, read)
	eventuallyEmpty(t, js, queue.RetryStream)
}

func TestEventThatKillsItsWorkersAloneIsADeadLetter(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	begun, finish := make(chan struct{}, 10), make(chan struct{})
	pool := q.NewPool(20 * time.Second)
	pool.Events(8, func(context.Context, queue.PublishedEvent) queue.Outcome {
		begun <- struct{}{}
		<-finish
		return queue.HandBack()
	})
	prepare(t, pool, js, queue.EventStream, "router")
	_, _, err := q.PublishEvent(t.Context(), delivery(t, "e1").Event)
	require.NoError(t, err)
	crash(t, js, queue.EventStream, "router", 1, 4)
	stopWith(t, pool, begun, finish)

	crash(t, js, queue.RetryStream, "event-alone", 1, 3)
	running(t, pool)
	letter := eventuallyLetter(t, q)
	require.Equal(t, queue.Poison, letter.Cause)
	require.Equal(t, "tocsin.dead.event.stack.redeploy.fail", letter.Subject)
	require.Equal(t, []string{"tocsin.events.stack.redeploy.fail"}, letter.Header["Tocsin-Subject"])
	require.Equal(t, []string{"1"}, letter.Header["Tocsin-Sequence"])
}

func TestPanicHurtsTheMessageThatCausedIt(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 1, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		if d.Event.ID == "bad" {
			panic("a bug")
		}
		return queue.Done()
	})
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "bad"), delivery(t, "good"))))
	require.Equal(t, "bad", receive(t, handed).Event.ID)
	require.Equal(t, "good", receive(t, handed).Event.ID)
	require.Eventually(t, func() bool { // the good one is acknowledged after it was handled
		var left []string
		for d, err := range q.Waiting(t.Context()) {
			require.NoError(t, err)
			left = append(left, d.Event.ID)
		}
		return slices.Equal([]string{"bad"}, left)
	}, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, 1, servertest.InHand(t, stranger(t, n), queue.DeliveryStream, "webhook"), "it is kept for another worker")
}

// An event that waits for those of its own account is handed out as it was
// published, and until it is routed the audit expects nothing of it.
func TestDeferredEventIsHandedOutAsItWasPublished(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	handed, finish := make(chan queue.PublishedEvent, 10), make(chan struct{})
	pool := q.NewPool(time.Second)
	pool.Events(8, func(_ context.Context, e queue.PublishedEvent) queue.Outcome {
		if !e.Deferred {
			return queue.DeferEvent()
		}
		handed <- e
		<-finish
		return queue.Done()
	})
	event := delivery(t, "e1").Event
	sequence, _, err := q.PublishEvent(t.Context(), event)
	require.NoError(t, err)
	stored, err := js.Stream(t.Context(), queue.EventStream)
	require.NoError(t, err)
	original, err := stored.GetMsg(t.Context(), sequence)
	require.NoError(t, err)

	running(t, pool)
	e := receive(t, handed)
	require.Equal(t, original.Subject, e.Subject)
	require.Equal(t, original.Data, e.Body)
	require.Equal(t, sequence, e.Sequence)
	require.True(t, e.Deferred, "or it would go back to the crowd, and never be given up")
	require.Equal(t, original.Time, e.Stored)
	read, err := schema.ReadEvent(e.Header, e.Body)
	require.NoError(t, err)
	require.Equal(t, event, read)
	require.Eventually(t, func() bool { return servertest.InHand(t, js, queue.EventStream, "router") == 0 }, 20*time.Second, 10*time.Millisecond)
	routed, err := q.Routed(t.Context())
	require.NoError(t, err)
	require.Zero(t, routed)
	backlog, err := q.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{queue.Routing}, slices.Collect(maps.Keys(backlog.Oldest)))
	close(finish)
	eventuallyEmpty(t, js, queue.DeliveryStream)
	routed, err = q.Routed(t.Context())
	require.NoError(t, err)
	require.Equal(t, sequence, routed)
}
