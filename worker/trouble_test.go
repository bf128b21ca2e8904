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
	down      func() // what else happens when it breaks down; nil: nothing
}

func (i *interrupted) PublishPlansBehind(ctx context.Context, plans []schema.Plan) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.calls++; i.calls == 2 {
		if i.down != nil {
			i.down()
		}
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
	f, router, deliveries := twoChunks(t)
	require.Equal(t, queue.Done(), router.Route(t.Context(), t.Context(), theLargeEvent))
	require.Greater(t, deliveries.calls, 2, "the account is told in chunks, and the second was repeated")
	f.eachOnce(deliveries)
}

// A cluster of NATS servers that was restarted one by one has forgotten the same,
// and nobody else knows it when a worker has died.
func TestAnotherWorkerGoesOnWhereOneDied(t *testing.T) {
	t.Parallel()
	f, router, deliveries := twoChunks(t)
	dies, die := context.WithCancel(t.Context())
	deliveries.down = die
	require.Equal(t, queue.HandBack(), router.Route(dies, t.Context(), theLargeEvent))
	require.NotEmpty(t, deliveries.published)
	require.Less(t, len(deliveries.published), largeMembers)

	other := worker.Router{
		Parse: router.Parse, Claims: f.store, Outages: f.store, Members: f.store, Deliveries: deliveries, Offered: router.Offered, Log: zap.NewNop(),
	}
	require.Equal(t, queue.Done(), other.Route(t.Context(), t.Context(), theLargeEvent))
	f.eachOnce(deliveries)
	left, err := f.client.Keys(t.Context(), "tocsin:event:*:stored:*").Result()
	require.NoError(t, err)
	require.Empty(t, left, "it is routed to the end")
}

const largeMembers = 700 // two chunks

var theLargeEvent = queue.PublishedEvent{Sequence: 1, Deferred: true}

// twoChunks is an account of so many, and what routes an event for it into a
// queue that breaks down in between.
func twoChunks(t *testing.T) (*fleet, *worker.Router, *interrupted) {
	t.Helper()
	f := newFleet(t, quick())
	for i := range largeMembers - 1 {
		f.join(fmt.Sprintf("user%d", i))
	}
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "e1", "tocsin/test", "acme", time.Now()
	deliveries := &interrupted{Queue: f.queue, published: map[string]int{}}
	return f, &worker.Router{
		Parse:  func(schema.Message) (schema.Event, error) { return event, nil },
		Claims: f.store, Outages: f.store, Members: f.store, Deliveries: deliveries, Offered: []string{hook.Channel}, Log: zap.NewNop(),
	}, deliveries
}

func (f *fleet) eachOnce(deliveries *interrupted) {
	f.t.Helper()
	require.Len(f.t, deliveries.published, largeMembers)
	for id, times := range deliveries.published {
		require.Equal(f.t, 1, times, id)
	}
}
