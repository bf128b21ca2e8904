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
	for name, header := range map[string]map[string][]string{
		"nothing there":     {"Status": {"404"}},
		"over":              {"Status": {"408"}},
		"idle":              {"Status": {"100"}},
		"refused":           {"Status": {"400"}, "Description": {"Bad Request"}},
		"consumer is gone":  {"Status": {"409"}, "Description": {"Consumer Deleted"}},
		"server shuts down": {"Status": {"409"}, "Description": {"Server Shutdown"}},
		"nobody there":      {"Status": {"503"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := servertest.NATS(t)
			q := ready(t, n)
			for range 3 {
				publishRaw(t, n.URL(), subject, "NATS/1.0\r\n"+lines(header)+"\r\n", "")
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
