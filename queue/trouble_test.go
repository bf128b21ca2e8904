package queue_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func TestOutcomeIsStoredAfterItsStreamWasDeleted(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "no"})
	})
	running(t, pool)
	require.NoError(t, js.DeleteStream(t.Context(), queue.DeadStream))
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	require.Eventually(t, func() bool {
		_, err := js.Stream(t.Context(), queue.DeadStream)
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	require.Equal(t, "e1", eventuallyLetter(t, q).Delivery.Event.ID)
}

// The sequences of a stream that is made anew begin again, and the key of a
// dead letter must not.
func TestDeathInAStreamThatIsMadeAnewIsNoDuplicate(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "no"})
	})
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	eventuallyLetter(t, q)
	require.NoError(t, js.DeleteStream(t.Context(), queue.DeliveryStream))
	require.Eventually(t, func() bool {
		return q.PublishPlans(t.Context(), plans(delivery(t, "e2"))) == nil
	}, 20*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool { return len(letters(t, q)) == 2 }, 20*time.Second, 20*time.Millisecond)
}

func TestConsumerThatAnOperatorBrokeIsPutRight(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 8, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Done()
	})
	prepare(t, pool, js, queue.DeliveryStream, "webhook")
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	receive(t, handed)
	consumer, err := js.Consumer(t.Context(), queue.DeliveryStream, "webhook")
	require.NoError(t, err)
	config := consumer.CachedInfo().Config
	config.MaxRequestBatch = 1 // fewer than a pull asks for: the server refuses each
	_, err = js.UpdateConsumer(t.Context(), queue.DeliveryStream, config)
	require.NoError(t, err)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e2"), delivery(t, "e3"))))
	receive(t, handed)
	receive(t, handed)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e4"))))
	require.Equal(t, "e4", receive(t, handed).Event.ID)
}

func TestFullQueueRefusesAndDropsNothing(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	for _, name := range []string{queue.DeliveryStream, queue.RetryStream} {
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		config := stream.CachedInfo().Config
		config.MaxMsgs = 1
		_, err = js.UpdateStream(t.Context(), config)
		require.NoError(t, err)
	}
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	err := q.PublishPlans(t.Context(), plans(delivery(t, "e2")))
	require.Error(t, err)
	require.True(t, queue.Unavailable(err), "it is worth waiting for room: %v", err)

	handed := make(chan string, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d.Event.ID
		if d.Attempts > 0 {
			return queue.Done()
		}
		d.Attempts, d.Due = 1, time.Now().Add(100*time.Millisecond)
		return queue.Park(d)
	})
	running(t, pool)
	require.Eventually(t, func() bool {
		return q.PublishPlans(t.Context(), plans(delivery(t, "e2"))) == nil
	}, 20*time.Second, 20*time.Millisecond)
	count := map[string]int{}
	for range 4 {
		count[receive(t, handed)]++
	}
	require.Equal(t, map[string]int{"e1": 2, "e2": 2}, count)
	eventuallyEmpty(t, js, queue.RetryStream)
}

// What is accepted can be parked with the longest of answers, and buried.
func TestDeliveryThatIsAcceptedCanAlwaysBeParkedAndBuried(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	q, js := ready(t, n), stranger(t, n)
	size := 64 << 10
	big := delivery(t, "big")
	fits := func() error {
		big.Event.Data = json.RawMessage(`{"k":"` + strings.Repeat("x", size) + `"}`)
		return q.PublishPlans(t.Context(), plans(big))
	}
	require.Error(t, fits())
	for fits() != nil {
		size -= 16
		require.Positive(t, size)
	}
	pool := q.NewPool(time.Second)
	long := strings.Repeat("é", 1000)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		d.Attempts++
		d.Last = schema.Attempt{At: time.Now(), Status: long, Reason: long}
		d.Strikes, d.Hops, d.Replays = 1<<30, d.Hops+1<<30, 1<<30
		if d.Attempts > 1 {
			return queue.Bury(d, queue.Death{Cause: queue.Exhausted, Reason: long})
		}
		d.Due = time.Now()
		return queue.Park(d)
	})
	running(t, pool)
	require.Equal(t, string(big.Event.Data), string(eventuallyLetter(t, q).Body))
	eventuallyEmpty(t, js, queue.RetryStream)
}

func TestDeliveryOfAnotherChannelIsNotHandedOut(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(context.Context, schema.Delivery) queue.Outcome {
		t.Error("handed out")
		return queue.Done()
	})
	running(t, pool)
	lost := delivery(t, "e1")
	header := lost.Event.Header()
	header["Tocsin-User"], header["Tocsin-Channel"], header["Tocsin-Target"] = []string{"ada"}, []string{"email"}, []string{"main"}
	servertest.PublishOn(t, js, schema.DeliverySubject("webhook"), header, lost.Event.Data)
	require.Equal(t, queue.Invalid, eventuallyLetter(t, q).Cause)
}

func TestStoppingLeavesAHandlerBehindThatNeverReturns(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, err := queue.Connect(queue.Options{URL: n.URL(), Log: zap.NewNop()}) // the handler outlives the test's log
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	begun, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	pool := q.NewPool(50 * time.Millisecond)
	pool.Deliveries("webhook", 1, func(context.Context, schema.Delivery) queue.Outcome {
		close(begun)
		<-release
		return queue.Done()
	})
	stop := running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	receive(t, begun)
	stop()
}
