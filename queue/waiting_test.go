package queue_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// A server that was killed can know of an acknowledgement, and not have removed
// the message: here its messages are as they were before, and its consumers as
// they were after.
func TestWhatAServerForgotToRemoveIsFoundAndTakenOut(t *testing.T) {
	t.Parallel()
	var options *server.Options
	n := servertest.NATS(t, func(o *server.Options) { options = o })
	q := ready(t, n)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"), delivery(t, "e2"))))
	n.Stop()
	messages := filepath.Join(options.StoreDir, "jetstream", "$G", "streams", queue.DeliveryStream, "msgs")
	before := filepath.Join(t.TempDir(), "msgs")
	require.NoError(t, os.CopyFS(before, os.DirFS(messages)))
	n.Start()

	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Delivered(d)
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pool.Run(ctx)
	}()
	receive(t, handed)
	receive(t, handed)
	eventuallyEmpty(t, stranger(t, n), queue.DeliveryStream)
	stop()
	<-ended
	n.Stop()
	require.NoError(t, os.RemoveAll(messages))
	require.NoError(t, os.CopyFS(messages, os.DirFS(before)))
	n.Start()

	var stuck []queue.QueuedDelivery
	require.Eventually(t, func() bool {
		stuck = nil
		for d, err := range q.Queued(t.Context()) {
			if err != nil {
				return false
			}
			if d.Stuck {
				stuck = append(stuck, d)
			}
		}
		return len(stuck) == 2
	}, 10*time.Second, 50*time.Millisecond)
	for d, err := range q.Waiting(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "it waits for nothing", d.ID())
	}
	require.NoError(t, q.Unstick(t.Context(), stuck[0], false))
	require.NoError(t, q.Unstick(t.Context(), stuck[1], true))
	running(t, again(q, handed))
	require.Equal(t, stuck[1].ID(), receive(t, handed).ID())
	eventuallyEmpty(t, stranger(t, n), queue.DeliveryStream)
}

func again(q *queue.Queue, handed chan schema.Delivery) *queue.Pool {
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Delivered(d)
	})
	return pool
}
