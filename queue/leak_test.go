package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// TestMain fails when the tests leave a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Run leaves nothing to end with the connection. The test runs alone, since it
// looks at all goroutines; those that the server, which is in this process, has
// for each consumer begin in the first round.
func TestRunLeavesNoGoroutineBehind(t *testing.T) {
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	// A channel's lanes: first attempts, crowd, eight lengths of wait, tried alone.
	const lanes = 2 + 8 + 1
	round := func(id string) {
		handed := make(chan string, 1)
		pool := q.NewPool(20 * time.Second)
		pool.Deliveries("webhook", 4, func(_ context.Context, d schema.Delivery) queue.Outcome {
			handed <- d.Event.ID
			return queue.Done()
		})
		stop := running(t, pool)
		require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, id))))
		require.Equal(t, id, receive(t, handed))
		require.Eventually(t, func() bool {
			return consumers(t, js, queue.DeliveryStream)+consumers(t, js, queue.RetryStream) == lanes
		}, 20*time.Second, 10*time.Millisecond, "a lane that begins after the first round would look like one left behind")
		stop()
	}
	round("e1")
	before := goleak.IgnoreCurrent()
	round("e2")
	goleak.VerifyNone(t, before)
}

func consumers(t *testing.T, js jetstream.JetStream, stream string) int {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	return s.CachedInfo().State.Consumers
}
