package queue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func record(text string) keyed { return keyed{Msg: &nats.Msg{Data: []byte(text)}} }

// shelf is where a recorder stores; it takes a while, as a server does.
type shelf struct {
	mu      sync.Mutex
	batches []int
	err     error
}

func (s *shelf) store(_ context.Context, messages []keyed) error {
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, len(messages))
	return s.err
}

// bring lets so many bring a record at the same time, and returns what they were
// told.
func bring(ctx context.Context, r *recorder, n int) []error {
	told := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { told[i] = r.keep(ctx, record("r")) })
	}
	all.Wait()
	return told
}

func TestRecordsAreStoredTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		records int
		want    []int
		within  time.Duration
	}{
		"one waits for others, and not for long":       {1, []int{1}, linger + time.Millisecond},
		"those that come together are stored together": {10, []int{10}, linger + time.Millisecond},
		"a full batch waits for nothing":               {mostTogether, []int{mostTogether}, time.Millisecond},
		"and the next one begins another":              {mostTogether + 1, []int{mostTogether, 1}, linger + time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{}
				began := time.Now()
				for _, err := range bring(t.Context(), &recorder{store: s.store}, c.records) {
					require.NoError(t, err)
				}
				require.Equal(t, c.want, s.batches)
				require.Equal(t, c.within, time.Since(began))
			})
		})
	}
}

func TestEverybodyLearnsThatABatchWasNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{err: errors.New("the disk is full")}
		r := &recorder{store: s.store}
		for _, err := range bring(t.Context(), r, 3) {
			require.ErrorIs(t, err, s.err)
		}
		s.err = nil
		require.NoError(t, r.keep(t.Context(), record("again")), "the next batch is tried anew")
	})
}

func TestWhoGivesUpLeavesTheBatchToTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := &recorder{store: s.store}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		require.ErrorIs(t, r.keep(stopped, record("left")), context.Canceled)
		require.NoError(t, r.keep(t.Context(), record("stays")))
		require.Equal(t, []int{2}, s.batches)
	})
}
