package pace_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/pace"
	"tocsin/schema"
	"tocsin/servertest"
)

// notebook is what people in the room have seen.
type notebook struct {
	mu    sync.Mutex
	at    []time.Time    // of each message, by Redis' clock
	lines map[string]int // times that each delivery was shown, by id
	left  map[string]bool
	empty chan struct{} // closed when all that was to come has settled
}

func newNotebook(deliveries int) *notebook {
	n := &notebook{lines: map[string]int{}, left: map[string]bool{}, empty: make(chan struct{})}
	for i := range deliveries {
		n.left[delivery(i).ID()] = true
	}
	return n
}

func (n *notebook) show(at time.Time, ids ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = append(n.at, at)
	for _, id := range ids {
		n.lines[id]++
	}
}

// settle is the acknowledgement: the delivery comes no more.
func (n *notebook) settle(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.left, id)
	if len(n.left) == 0 {
		close(n.empty)
	}
}

// mostIn is the largest number of messages in any window of time.
func (n *notebook) mostIn(window time.Duration) int {
	slices.SortFunc(n.at, time.Time.Compare)
	most, first := 0, 0
	for i, at := range n.at {
		for at.Sub(n.at[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func (n *notebook) requireEachShownOnce(t *testing.T, deliveries int) {
	t.Helper()
	require.Len(t, n.lines, deliveries)
	for id, times := range n.lines {
		require.Equal(t, 1, times, id)
	}
}

func idsOf(companions []pace.Companion) []string {
	ids := make([]string, 0, len(companions))
	for _, c := range companions {
		ids = append(ids, c.ID)
	}
	return ids
}

// fleet is the workers, with a stream that hands each delivery out when it is
// due. failing says which messages end with the sender's death after the room
// has taken them: their deliveries are handed out again.
type fleet struct {
	t       *testing.T
	pacers  []*pace.Pacer
	room    pace.Room
	seen    *notebook
	hands   chan schema.Delivery
	failing func(message int) bool
}

func newFleet(t *testing.T, url string, r pace.Room, deliveries int) *fleet {
	t.Helper()
	f := &fleet{
		t: t, room: r, seen: newNotebook(deliveries), hands: make(chan schema.Delivery, deliveries),
		failing: func(int) bool { return false },
	}
	for range 4 {
		f.pacers = append(f.pacers, pace.New(redisClient(t, url)))
	}
	for i := range deliveries {
		f.hands <- delivery(i)
	}
	return f
}

func (f *fleet) setGrace(grace time.Duration) {
	for _, p := range f.pacers {
		p.Grace = grace
	}
}

func (f *fleet) run() {
	ctx, cancel := context.WithCancel(f.t.Context())
	var workers sync.WaitGroup
	for _, p := range f.pacers {
		for range 8 {
			workers.Go(func() { f.work(ctx, p) })
		}
	}
	select {
	case <-f.seen.empty:
	case <-time.After(time.Minute):
		f.t.Error("some deliveries are never settled")
	}
	cancel()
	workers.Wait()
}

func (f *fleet) work(ctx context.Context, p *pace.Pacer) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-f.hands:
			if err := f.handle(ctx, p, d); err != nil && ctx.Err() == nil {
				f.t.Error(err)
			}
		}
	}
}

func (f *fleet) handle(ctx context.Context, p *pace.Pacer, d schema.Delivery) error {
	v, err := p.Admit(ctx, f.room, d, "process.down "+d.Event.ID)
	if err != nil {
		return err
	}
	switch v.Answer {
	case pace.Wait:
		time.AfterFunc(min(v.Wait, f.room.Rate.Per), func() { f.hands <- d }) // sooner than need be
	case pace.Told:
		f.seen.settle(d.ID())
	case pace.Send:
		others := idsOf(v.Companions)
		f.seen.show(v.At, append(others, d.ID())...)
		if f.failing(len(others)) {
			f.hands <- d
			return nil
		}
		defer f.seen.settle(d.ID())
		return p.Told(ctx, f.room, d.ID(), others)
	}
	return nil
}

func TestFleetTellsEachOnceAndKeepsToTheRate(t *testing.T) {
	t.Parallel()
	const deliveries = 1000
	r := room(40)
	r.Rate = pace.Rate{Messages: 30, Per: 600 * time.Millisecond}
	f := newFleet(t, servertest.Redis(t), r, deliveries)
	f.run()
	f.seen.requireEachShownOnce(t, deliveries)
	require.LessOrEqual(t, f.seen.mostIn(r.Rate.Per), r.Rate.Messages)
}

func TestFleetKeepsToTheRateWithoutLists(t *testing.T) {
	t.Parallel()
	const deliveries = 150
	r := room(0)
	r.Rate = pace.Rate{Messages: 30, Per: 500 * time.Millisecond}
	f := newFleet(t, servertest.Redis(t), r, deliveries)
	f.run()
	f.seen.requireEachShownOnce(t, deliveries)
	require.Len(t, f.seen.at, deliveries)
	require.LessOrEqual(t, f.seen.mostIn(r.Rate.Per), r.Rate.Messages)
}

func TestFleetLosesNothingWhenSendersDie(t *testing.T) {
	t.Parallel()
	const deliveries = 400
	r := room(40)
	r.Rate = pace.Rate{Messages: 30, Per: 500 * time.Millisecond}
	f := newFleet(t, servertest.Redis(t), r, deliveries)
	f.setGrace(500 * time.Millisecond)
	var mu sync.Mutex
	deaths := 0
	f.failing = func(listed int) bool {
		mu.Lock()
		defer mu.Unlock()
		if listed == 0 || deaths == 3 {
			return false
		}
		deaths++
		return true
	}
	f.run()
	require.Len(t, f.seen.lines, deliveries)
	require.Positive(t, deaths)
	require.LessOrEqual(t, f.seen.mostIn(r.Rate.Per), r.Rate.Messages)
}

func TestFleetLosesNothingWhenRedisForgets(t *testing.T) {
	t.Parallel()
	const deliveries = 400
	url := servertest.Redis(t)
	r := room(40)
	r.Rate = pace.Rate{Messages: 30, Per: 500 * time.Millisecond}
	f := newFleet(t, url, r, deliveries)
	f.setGrace(500 * time.Millisecond)
	var once sync.Once
	f.failing = func(listed int) bool { // never fails; forgets in the middle
		if listed > 0 {
			once.Do(func() { require.NoError(t, redisClient(t, url).FlushAll(t.Context()).Err()) })
		}
		return false
	}
	f.run()
	require.Len(t, f.seen.lines, deliveries)
}
