package worker_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/worker"
)

// shelves store plans when the test lets them, and count for how many members
// there are plans to be stored at a time.
type shelves struct {
	mu         sync.Mutex
	open, most int
	store      chan struct{} // closed when they may be stored
}

func (s *shelves) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// crowdOfMembers counts the events whose members have been read.
type crowdOfMembers struct {
	*prefs.Store
	read *atomic.Int32
}

func (m crowdOfMembers) Recipients(ctx context.Context, account, user string) iter.Seq2[[]prefs.Recipient, error] {
	return func(yield func([]prefs.Recipient, error) bool) {
		for recipients, err := range m.Store.Recipients(ctx, account, user) {
			m.read.Add(1)
			if !yield(recipients, err) {
				return
			}
		}
	}
}

func (s *shelves) PublishPlans(_ context.Context, plans []schema.Plan) error {
	s.mu.Lock()
	s.open += len(plans)
	s.most = max(s.most, s.open)
	s.mu.Unlock()
	<-s.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open -= len(plans)
	return nil
}

func (s *shelves) PublishPlansBehind(ctx context.Context, plans []schema.Plan) error {
	return s.PublishPlans(ctx, plans)
}

// Events for hundreds of members each, as many as a worker routes at a time, are
// not all planned at a time, because their plans would fill its memory; and those
// that may wait leave the others their room.
func TestPlansInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	const members, events = 400, 40
	f := newServers(t)
	for i := range members {
		user := fmt.Sprint("user", i)
		require.NoError(t, f.store.PutUser(t.Context(), user, prefs.Profile{}))
		require.NoError(t, f.store.AddMember(t.Context(), "acme", user))
	}
	sample, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	for _, behind := range []bool{false, true} {
		s, read := &shelves{store: make(chan struct{})}, &atomic.Int32{}
		router := worker.Router{
			Parse: func(m schema.Message) (schema.Event, error) {
				event := sample
				event.ID, event.Source, event.Account, event.Time = string(m.Body), "tocsin/test", "acme", time.Now()
				return event, nil
			},
			Claims: f.store, Members: crowdOfMembers{f.store, read}, Deliveries: s, Offered: []string{"email"}, Log: f.log,
		}
		route := func(n int, deferred bool) queue.Outcome {
			return router.Route(t.Context(), t.Context(), queue.PublishedEvent{
				Message: schema.Message{Body: fmt.Append(nil, behind, n)}, Sequence: uint64(n), Deferred: deferred, //nolint:gosec // a count
			})
		}
		var routing sync.WaitGroup
		for n := range events {
			routing.Go(func() {
				if outcome := route(n+1, behind); outcome.String() != "done" {
					t.Errorf("event %d is %s", n, outcome)
				}
			})
		}
		const full = 4096 / members * members
		require.Eventually(t, func() bool { return read.Load() == events && s.held() == full }, 20*time.Second, time.Millisecond)
		require.Never(t, func() bool { return s.held() > full }, 100*time.Millisecond, time.Millisecond, "all are at the door, and none comes in")
		if behind {
			routing.Go(func() { route(events+1, false) })
			require.Eventually(t, func() bool { return s.held() == full+members }, 20*time.Second, time.Millisecond,
				"one that cannot wait goes beside them")
		}
		close(s.store)
		routing.Wait()
		require.LessOrEqual(t, s.most, 4096+members)
		require.Zero(t, s.held())
	}
}
