package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

// load publishes events at a steady rate. Each is published again until its
// producer has heard that it is stored, as a producer does.
type load struct {
	s      *site
	cancel context.CancelFunc
	under  sync.WaitGroup

	mu        sync.Mutex
	published map[string]published // by event id
}

type published struct {
	event schema.Event
	at    time.Time // when it was first tried
}

const source = "/chaos"

// begin starts publishing rate events a second.
func (s *site) begin(rate float64) *load {
	ctx, cancel := context.WithCancel(s.t.Context())
	l := &load{s: s, cancel: cancel, published: map[string]published{}}
	chance := rand.New(rand.NewPCG(s.chance.Uint64(), 0))
	samples := map[string]schema.Event{}
	for _, typeName := range types {
		sample, err := schema.Sample(typeName)
		require.NoError(s.t, err)
		samples[typeName] = sample
	}
	l.under.Go(func() {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				e := samples[types[chance.IntN(len(types))]]
				e.Source, e.ID, e.Account, e.Time = source, fmt.Sprint("e", n), accountName(chance.IntN(accounts)), now
				l.under.Go(func() { l.publish(e, now) })
			}
		}
	})
	return l
}

// publish outlives the end of the load: what was begun is stored.
func (l *load) publish(e schema.Event, now time.Time) {
	l.mu.Lock()
	l.published[e.ID] = published{e, now}
	l.mu.Unlock()
	for l.s.t.Context().Err() == nil {
		attempt, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, _, err := l.s.queue.PublishEvent(attempt, e)
		cancel()
		if err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// one publishes one more event, and returns when it is stored.
func (l *load) one(account string) {
	e, err := schema.Sample(types[0])
	require.NoError(l.s.t, err)
	e.Source, e.ID, e.Account, e.Time = source, "one-for-"+account, account, time.Now()
	l.publish(e, e.Time)
}

// end stops publishing and returns all that was published.
func (l *load) end() []published {
	l.cancel()
	l.under.Wait()
	return l.soFar()
}

// soFar is what has been published so far.
func (l *load) soFar() []published {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.published))
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.published)
}
