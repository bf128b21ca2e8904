package queue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func partitioned(t *testing.T, n *servertest.NATSServer, count int) *queue.Queue {
	t.Helper()
	q, err := queue.Connect(queue.Options{URL: n.URL(), Name: t.Name(), Partitions: count, Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	return q
}

// ofAccounts is one delivery for each of many accounts.
func ofAccounts(t *testing.T, n int) (all []schema.Delivery) {
	for i := range n {
		d := delivery(t, fmt.Sprint("e", i))
		d.Event.Account = fmt.Sprint("account-", i)
		d.Crowd = i%2 == 0
		all = append(all, d)
	}
	return all
}

// handed collects the ids of what a pool hands out.
type handed struct {
	mu    sync.Mutex
	times map[string]int
}

func (h *handed) take(_ context.Context, d schema.Delivery) queue.Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.times[d.ID()]++
	if d.Attempts == 0 { // once round by the retries
		d.Attempts, d.Due = 1, time.Now()
		return queue.Park(d)
	}
	return queue.Done()
}

func (h *handed) all() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.times)
}

// Every spread of the same deliveries hands out each of them, and remembers what
// was stored before.
func TestPartitions(t *testing.T) {
	t.Parallel()
	const accounts = 200
	for _, count := range []int{1, 4, 16} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			t.Parallel()
			n := servertest.NATS(t)
			q, js := partitioned(t, n, count), stranger(t, n)
			deliveries := ofAccounts(t, accounts)
			for range 2 {
				require.NoError(t, q.PublishPlans(t.Context(), plans(deliveries...)))
			}
			backlog, err := q.Backlog(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, accounts, backlog.Waiting["webhook"], "stored twice, and there once")
			streams := 0
			for name, content := range backlog.Streams {
				if content.Messages > 0 && name != queue.LedgerStream {
					streams++
					require.Less(t, content.Messages, uint64(2*accounts/count+1), "of %s: accounts are spread evenly", name)
				}
			}
			require.Equal(t, count, streams)
			waiting := 0
			for _, err := range q.Waiting(t.Context()) {
				require.NoError(t, err)
				waiting++
			}
			require.Equal(t, accounts, waiting)

			h := &handed{times: map[string]int{}}
			pool := q.NewPool(20 * time.Second)
			pool.Deliveries("webhook", 32, h.take)
			running(t, pool)
			require.Eventually(t, func() bool { return h.all() == accounts }, 20*time.Second, 10*time.Millisecond)
			for name := range backlog.Streams {
				if name != queue.LedgerStream {
					eventuallyEmpty(t, js, name)
				}
			}
			for id, times := range h.times {
				require.Equal(t, 2, times, id)
			}
		})
	}
}

// However many partitions there are, a channel has as many slots, but for less
// than one more for each of them in each of its two lanes.
func TestPartitionsShareSlots(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	slots := func(partitions int) int {
		c := &counter{slots: map[string]int{}}
		pool := partitioned(t, n, partitions).NewPool(0)
		pool.Meter = c
		pool.Deliveries("webhook", 50, nil)
		return c.slots["webhook"]
	}
	alone := slots(1)
	for _, partitions := range []int{4, 16, queue.MaxPartitions} {
		require.GreaterOrEqual(t, slots(partitions), alone)
		require.Less(t, slots(partitions), alone+2*partitions)
	}
}

// A worker that knows of more partitions empties those that the rest of the
// fleet uses no more, and one that knows of fewer says so.
func TestFewerPartitions(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	wide := partitioned(t, n, 4)
	require.NoError(t, wide.PublishPlans(t.Context(), plans(ofAccounts(t, 40)...)))

	narrow := partitioned(t, n, 2)
	inspected, err := narrow.Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, inspected.Complaints, 2)
	require.Contains(t, inspected.Complaints[0].Text, "TOCSIN_DELIVERIES_2")
	require.True(t, inspected.Complaints[0].Loses)

	h := &handed{times: map[string]int{}}
	pool := wide.NewPool(20 * time.Second)
	pool.Deliveries("webhook", 8, h.take)
	running(t, pool)
	require.Eventually(t, func() bool { return h.all() == 40 }, 20*time.Second, 10*time.Millisecond)
	eventuallyEmpty(t, stranger(t, n), "TOCSIN_DELIVERIES_2")
	eventuallyEmpty(t, stranger(t, n), "TOCSIN_DELIVERIES_3")
	inspected, err = narrow.Inspect(t.Context())
	require.NoError(t, err)
	require.False(t, inspected.Complaints[0].Loses, "nothing is lost with an empty one")
}

// A paused channel is paused in every partition.
func TestPauseReachesEveryPartition(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := partitioned(t, n, 4)
	h := &handed{times: map[string]int{}}
	pool := q.NewPool(20 * time.Second)
	pool.Deliveries("webhook", 8, h.take)
	require.NoError(t, q.PauseChannel(t.Context(), queue.Pause{Channel: "webhook", By: "test"}))
	running(t, pool)
	js := stranger(t, n)
	require.Eventually(t, func() bool {
		for _, stream := range []string{"TOCSIN_DELIVERIES", "TOCSIN_DELIVERIES_1", "TOCSIN_DELIVERIES_2", "TOCSIN_DELIVERIES_3"} {
			c, err := js.Consumer(t.Context(), stream, "webhook")
			if err != nil || !c.CachedInfo().Paused {
				return false
			}
		}
		return true
	}, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, q.PublishPlans(t.Context(), plans(ofAccounts(t, 40)...)))
	require.NoError(t, q.ResumeChannel(t.Context(), "webhook"))
	require.Eventually(t, func() bool { return h.all() == 40 }, 20*time.Second, 10*time.Millisecond)
}
