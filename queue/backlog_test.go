package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// What nobody has taken up yet counts by where it lies; what a worker consumes
// by what its consumer has before it.
func TestBacklogTellsWhatLiesWhere(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	crowd := delivery(t, "e2")
	crowd.Crowd = true
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"), crowd)))
	event, err := schema.Sample("job.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "e3", "tocsin/test", "acme", time.Now()
	_, _, err = q.PublishEvent(t.Context(), event)
	require.NoError(t, err)

	before, err := q.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{"webhook": 2, queue.Routing: 1}, before.Waiting)
	require.Empty(t, before.Parked)
	require.EqualValues(t, 2, before.Streams[queue.DeliveryStream].Messages)
	require.Positive(t, before.Streams[queue.LedgerStream].MaxBytes)

	begun, finish := make(chan struct{}, 2), make(chan struct{})
	pool := q.NewPool(20 * time.Second)
	pool.Deliveries("webhook", 1, func(_ context.Context, d schema.Delivery) queue.Outcome {
		begun <- struct{}{}
		<-finish
		if d.Event.ID == "e1" {
			return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "no"})
		}
		d.Due = time.Now().Add(time.Hour)
		return queue.Park(d)
	})
	pool.Events(1, func(context.Context, queue.PublishedEvent) queue.Outcome {
		return queue.BuryEvent(queue.Death{Cause: queue.Invalid, Type: "job.fail"})
	})
	stop := running(t, pool)
	receive(t, begun)
	receive(t, begun)
	require.Eventually(t, func() bool {
		during, err := q.Backlog(t.Context())
		require.NoError(t, err)
		return during.Waiting["webhook"] == 0 && during.Waiting[queue.Routing] == 0 &&
			time.Since(during.Oldest["webhook"]) < time.Minute && during.Oldest[queue.Routing].IsZero()
	}, 20*time.Second, 20*time.Millisecond, "both are in hand, and still the oldest")
	close(finish)
	require.Eventually(t, func() bool {
		after, err := q.Backlog(t.Context())
		require.NoError(t, err)
		return after.Parked["webhook"] == 1 && after.Suspects["webhook"] == 0 && after.Oldest["webhook"].IsZero() &&
			after.Dead["webhook"] == 1 && after.Dead[queue.EventLetters] == 1
	}, 20*time.Second, 20*time.Millisecond)
	stop()
}

// What was handed out again and again is counted apart until it is settled.
func TestBacklogCountsSuspects(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 4, func(_ context.Context, d schema.Delivery) queue.Outcome { return queue.Delivered(d) })
	prepare(t, pool, js, queue.DeliveryStream, "webhook")
	_, err := js.Publish(t.Context(), "tocsin.retries.alone.webhook", nil)
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "tocsin.retries.alone.event", nil)
	require.NoError(t, err)
	b, err := q.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{"webhook": 1, queue.Routing: 1}, b.Suspects)
	require.Equal(t, b.Suspects, b.Parked)
}

// counter is a Meter that keeps what it is told.
type counter struct {
	slots  map[string]int
	buried chan queue.Cause
	hands  chan int
}

func (c *counter) Slots(channel string, more int) { c.slots[channel] += more }
func (c *counter) Hands(string) (func(int), func(queue.Cause)) {
	return func(more int) { c.hands <- more }, func(cause queue.Cause) { c.buried <- cause }
}

func TestPoolTellsItsMeter(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	pool := q.NewPool(time.Second)
	c := &counter{slots: map[string]int{}, buried: make(chan queue.Cause, 10), hands: make(chan int, 10)}
	pool.Meter = c
	pool.Deliveries("webhook", 16, func(_ context.Context, d schema.Delivery) queue.Outcome {
		if d.Event.ID == "e1" {
			return queue.Bury(d, queue.Death{Cause: queue.Gone, Reason: "no"})
		}
		panic("unreachable")
	})
	pool.Events(8, func(context.Context, queue.PublishedEvent) queue.Outcome { return queue.Done() })
	require.Equal(t, map[string]int{"webhook": 16 + 16 + 8*4 + 1, queue.Routing: 8 + 2 + 1}, c.slots)
	stop := running(t, pool)
	require.Equal(t, queue.Gone, receive(t, c.buried))
	stop()
	require.Equal(t, []int{1, -1}, []int{receive(t, c.hands), receive(t, c.hands)})
}
