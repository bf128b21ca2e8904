package worker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/worker"
)

// Its claim in Redis outlives an event that died before it was routed.
func TestReplayedEventIsNoDuplicateOfItself(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	client, err := prefs.Open(f.redis.URL())
	require.NoError(t, err)
	t.Cleanup(func() { closeClient(t, client) })
	const members = "tocsin:account:{acme}:members"
	require.NoError(t, client.Rename(t.Context(), members, "aside").Err())
	require.NoError(t, client.Set(t.Context(), members, "damaged", 0).Err())
	f.publish("e1")
	letter := f.letter()
	require.Equal(t, queue.Permanent, letter.Cause)

	require.NoError(t, client.Rename(t.Context(), "aside", members).Err())
	require.NoError(t, f.queue.Replay(t.Context(), letter))
	require.Equal(t, "e1", f.next().Event.ID)
	f.quiet()
}

func TestRetryWindowEndsThoughAClockWasWrong(t *testing.T) {
	t.Parallel()
	policy := quick()
	policy.Window = 200 * time.Millisecond
	f := newFleet(t, policy)
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "e1", "tocsin/test", "acme", time.Now()
	f.far.answers(refuses(fmt.Errorf("not now")))
	planned := time.Now().AddDate(12, 0, 0)
	require.NoError(t, f.queue.PublishPlans(t.Context(), []schema.Plan{schema.PlanOf(schema.Delivery{
		Event: event, User: "ada", Channel: hook.Channel, Target: hook.ID, Planned: planned,
	}, "")}))
	require.Equal(t, queue.Exhausted, f.letter().Cause)
}

// interrupted is a queue that breaks down once, after the first chunk.
type interrupted struct {
	*queue.Queue
	mu        sync.Mutex
	calls     int
	published map[string]int
}

func (i *interrupted) PublishPlansBehind(ctx context.Context, plans []schema.Plan) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.calls++; i.calls == 2 {
		return nats.ErrTimeout
	}
	for _, p := range plans {
		for _, d := range p.Deliveries {
			i.published[d.ID()]++
		}
	}
	return i.Queue.PublishPlansBehind(ctx, plans)
}

// NATS forgets, when it is killed, the ids of deliveries that were taken from
// its queue.
func TestRoutingGoesOnWhereAnOutageStoppedIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	const members = 700 // two chunks
	for i := range members - 1 {
		f.join(fmt.Sprintf("user%d", i))
	}
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "e1", "tocsin/test", "acme", time.Now()
	deliveries := &interrupted{Queue: f.queue, published: map[string]int{}}
	router := worker.Router{
		Parse:  func(schema.Message) (schema.Event, error) { return event, nil },
		Claims: f.store, Outages: f.store, Members: f.store, Deliveries: deliveries, Offered: []string{hook.Channel}, Log: zap.NewNop(),
	}
	require.Equal(t, queue.Done(), router.Route(t.Context(), t.Context(), queue.PublishedEvent{Sequence: 1, Deferred: true}))
	require.Greater(t, deliveries.calls, 2, "the account is told in chunks, and the second was repeated")
	require.Len(t, deliveries.published, members)
	for id, times := range deliveries.published {
		require.Equal(t, 1, times, id)
	}
}
