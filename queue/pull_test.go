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

// An event is an event, whatever its header says: one that looks like the server's
// own word neither ends a pull, nor takes away with it what was pulled beside it.
func TestEventsThatLookLikeTheServersWordAreHandled(t *testing.T) {
	t.Parallel()
	subject := schema.EventSubject("job.fail")
	for name, header := range map[string]string{
		"nothing there":     "NATS/1.0 404 No Messages",
		"over":              "NATS/1.0\r\nStatus: 408",
		"idle":              "NATS/1.0 100 Idle Heartbeat",
		"refused":           "NATS/1.0 400 Bad Request",
		"consumer is gone":  "NATS/1.0\r\nStatus: 409\r\nDescription: Consumer Deleted",
		"server shuts down": "NATS/1.0 409 Server Shutdown",
		"nobody there":      "NATS/1.0 503",
		"no header at all":  "nonsense",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := servertest.NATS(t)
			q := ready(t, n)
			for range 3 {
				publishRaw(t, n.URL(), subject, header+"\r\n\r\n", "")
				servertest.Publish(t, n.URL(), subject, nil, []byte("{}"))
			}
			handled := make(chan queue.PublishedEvent, 6)
			pool := q.NewPool(time.Second)
			pool.Events(8, func(_ context.Context, e queue.PublishedEvent) queue.Outcome {
				handled <- e
				return queue.Done()
			})
			running(t, pool)
			sequences := map[uint64]bool{}
			for range 6 {
				sequences[receive(t, handled).Sequence] = true
			}
			require.Len(t, sequences, 6)
		})
	}
}
