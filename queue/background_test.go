package queue

import (
	"context"
	"math"
	"runtime/metrics"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/schema"
	"tocsin/servertest"
)

// idle is how long a processor is waited for where there is little to do.
func idle() time.Duration { return 30 * time.Microsecond }

// machine is one that handles so many messages a second, in the order in which
// they come. It has a clock of its own.
type machine struct {
	background *background
	capacity   float64
	now        time.Time
	ahead      time.Duration // the server's clock, of the worker's

	next         time.Time // when the next has its turn of what can wait
	backlog      float64
	late, others int // others' messages that waited for 20 ms, and all of them
	done         int // of what can wait
}

// run handles a message of others at this rate beside as much else as is let
// through.
func (m *machine) run(duration time.Duration, rate float64) {
	const tick = time.Millisecond
	due := 0.0
	for end := m.now.Add(duration); m.now.Before(end); m.now = m.now.Add(tick) {
		for !m.next.After(m.now) && m.backlog < 500 { // as many as lanes have slots
			m.backlog++
			m.done++
			m.next = m.now.Add(m.background.turn(1, m.now))
		}
		waited := time.Duration(m.backlog / m.capacity * float64(time.Second))
		for due += rate * tick.Seconds(); due >= 1; due-- {
			m.backlog++
			m.others++
			if waited > 20*time.Millisecond {
				m.late++
			}
			m.background.lay(waited-m.ahead, m.now)
		}
		m.backlog = max(m.backlog-m.capacity*tick.Seconds(), 0)
	}
}

func TestWhatCanWaitTakesWhatOthersLeave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		capacity, others float64
		ahead            time.Duration
	}{
		"few others":               {capacity: 2000, others: 50},
		"many others":              {capacity: 2000, others: 1000},
		"a large machine":          {capacity: 40_000, others: 5000},
		"the server's clock ahead": {capacity: 2000, others: 200, ahead: 3 * time.Second},
		"the server's clock late":  {capacity: 2000, others: 200, ahead: -3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &machine{background: newBackground(idle), capacity: c.capacity, now: time.Now(), ahead: c.ahead}
			m.background.lay(-c.ahead, m.now) // before there is anything that can wait
			m.run(10*time.Second, c.others)   // until it knows the machine
			m.late, m.others, m.done = 0, 0, 0
			m.run(time.Minute, c.others)
			require.LessOrEqual(t, float64(m.late), 0.01*float64(m.others), "of %d messages of others so many waited", m.others)
			require.GreaterOrEqual(t, float64(m.done), 0.9*60*(c.capacity-c.others))
		})
	}
}

func TestWhatCanWaitFollowsTheMachine(t *testing.T) {
	t.Parallel()
	m := &machine{background: newBackground(idle), capacity: 4000, now: time.Now()}
	m.background.lay(0, m.now)
	m.run(10*time.Second, 200)
	for _, capacity := range []float64{800, 4000} { // something else begins, and ends
		m.capacity = capacity
		m.run(5*time.Second, 200)
		m.late, m.others, m.done = 0, 0, 0
		m.run(10*time.Second, 200)
		require.LessOrEqual(t, m.late, m.others/100)
		require.GreaterOrEqual(t, float64(m.done), 0.9*10*(capacity-200))
	}
}

// Messages are handed out as soon as ever, but what is to be done then waits for
// a processor, the longer the less is left of it.
func TestWhatCanWaitLeavesTheProcessorToOthers(t *testing.T) {
	t.Parallel()
	for name, capacity := range map[string]float64{"a small machine": 800, "a large machine": 20_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, began, now := 0.0, time.Now(), time.Now()
			var waits []time.Duration
			b := newBackground(func() time.Duration {
				left := 1 - begun/capacity/now.Sub(began).Seconds()
				begun, began = 0, now
				waits = append(waits, time.Duration(float64(idle())/max(left, 0.001)))
				return waits[len(waits)-1]
			})
			done, next := 0.0, now
			run := func(duration time.Duration) {
				done, waits = 0, nil
				for end := now.Add(duration); now.Before(end); now = now.Add(time.Millisecond) {
					b.lay(0, now)
					for ; !next.After(now); done++ {
						begun++
						next = now.Add(b.turn(1, now))
					}
				}
			}
			run(10 * time.Second) // until it knows the machine
			run(time.Minute)
			require.GreaterOrEqual(t, done, 0.85*60*capacity)
			slices.Sort(waits)
			require.LessOrEqual(t, waits[len(waits)/2], processorTarget)
			require.LessOrEqual(t, waits[len(waits)*9/10], 3*processorTarget)
		})
	}
}

func TestTheProcessorIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := newProcessor()
	buckets := []float64{math.Inf(-1), 0, 0.001, 0.003, math.Inf(1)}
	since := func(counts ...uint64) time.Duration {
		return p.since(&metrics.Float64Histogram{Counts: counts, Buckets: buckets})
	}
	require.Zero(t, since(0, 0, 0, 0))
	require.Equal(t, 500*time.Microsecond, since(0, 7, 0, 0))
	require.Equal(t, 2*time.Millisecond, since(0, 7, 3, 0), "those of before do not count")
	require.Zero(t, since(0, 7, 3, 0), "nobody has waited")
	require.Equal(t, 1375*time.Microsecond, since(1, 8, 4, 1))

	this := newProcessor() // of the runtime that the tests run by
	require.Greater(t, this.waited(), time.Duration(0))
}

func TestWhatCanWaitIsNeverForgotten(t *testing.T) {
	t.Parallel()
	b, now := newBackground(idle), time.Now()
	b.lay(0, now)
	overwhelmed := func(seconds int) (done int) {
		next := now
		for range seconds * 1000 {
			now = now.Add(time.Millisecond)
			b.lay(time.Hour, now)
			for ; !next.After(now); done++ {
				next = now.Add(b.turn(1, now))
			}
		}
		return done
	}
	overwhelmed(2) // until it knows
	require.InDelta(t, leastRate*30, overwhelmed(30), leastRate)
}

func TestNobodyWaitsForNobody(t *testing.T) {
	t.Parallel()
	b, now := newBackground(idle), time.Now()
	q := &Queue{background: b}
	require.Zero(t, q.Pace())
	require.Zero(t, b.turn(1_000_000, now))
	require.Zero(t, b.turn(1, now))
	b.lay(0, now)
	require.EqualValues(t, firstRate, q.Pace())
	require.Zero(t, b.turn(firstRate, now))
	require.InDelta(t, 1, b.turn(1, now).Seconds(), 0.01, "others have come")
	require.Zero(t, b.turn(1, now.Add(quiet+time.Millisecond)), "and gone")
}

// A rate beside which nobody waited because it was not used is no rate that is
// known to be good.
func TestOnlyARateThatIsUsedIsRaised(t *testing.T) {
	t.Parallel()
	b, now := newBackground(idle), time.Now()
	for range 10_000 {
		now = now.Add(10 * time.Millisecond)
		b.lay(0, now)
		b.turn(1, now) // a hundred a second
	}
	require.EqualValues(t, firstRate, b.rate)
}

func TestWhoGivesWayStopsWithItsWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(idle)
		b.lay(0, time.Now())
		b.giveWay(t.Context(), firstRate)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer stop()
		began := time.Now()
		b.giveWay(ctx, 1)
		require.Equal(t, 10*time.Millisecond, time.Since(began), "a second without")
	})
}

// Of everything that is stored here, only first attempts and events are handed
// out while others' messages need all there is.
func TestOnlyWhatCanWaitGivesWay(t *testing.T) {
	t.Parallel()
	q, err := Connect(Options{URL: servertest.NATS(t).URL(), Name: t.Name(), Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	store := func(id string, put func(d schema.Delivery) error) {
		event.ID, event.Source, event.Account, event.Time = id, "tocsin/test", "acme", time.Now().UTC()
		require.NoError(t, put(schema.Delivery{Event: event, User: "ada", Channel: "webhook", Target: "main", Planned: time.Now().UTC()}))
	}
	plan := func(d schema.Delivery) []schema.Plan { return []schema.Plan{schema.PlanOf(d, "failed")} }
	store("crowd", func(d schema.Delivery) error {
		d.Crowd = true
		return q.PublishPlans(t.Context(), plan(d))
	})
	store("retry", func(d schema.Delivery) error {
		d.Due = time.Now()
		return q.storeAll(t.Context(), []keyed{hopTo(d, retrySubject(ladder[0], d.Channel))})
	})
	store("first attempt", func(d schema.Delivery) error { return q.PublishPlans(t.Context(), plan(d)) })
	store("event", func(d schema.Delivery) error {
		_, _, err := q.PublishEvent(t.Context(), d.Event)
		return err
	})
	q.background.line <- struct{}{} // as if the next turn were long to come

	came := make(chan string, 4)
	pool := q.NewPool(time.Second)
	pool.Events(4, func(context.Context, PublishedEvent) Outcome {
		came <- "event"
		return Done()
	})
	pool.Deliveries("webhook", 4, func(_ context.Context, d schema.Delivery) Outcome {
		came <- d.Event.ID
		return Delivered(d)
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := make(chan struct{})
	go func() { defer close(stopped); pool.Run(ctx) }()

	require.ElementsMatch(t, []string{"event", "first attempt"}, []string{<-came, <-came})
	require.Eventually(t, func() bool { // both are in hand, and wait
		pool.inHand.mu.Lock()
		defer pool.inHand.mu.Unlock()
		return len(pool.inHand.beats) == 2
	}, 10*time.Second, time.Millisecond)
	require.Empty(t, came)
	behind := make(chan error, 1)
	go func() {
		event.ID = "large account"
		behind <- q.PublishPlansBehind(t.Context(), plan(schema.Delivery{Event: event, User: "bob", Channel: "email", Target: "main", Planned: time.Now().UTC()}))
	}()
	select {
	case err := <-behind:
		require.Fail(t, "it did not give way", "%v", err)
	case <-time.After(100 * time.Millisecond):
	}

	<-q.background.line // the turn has come
	require.ElementsMatch(t, []string{"crowd", "retry"}, []string{<-came, <-came})
	require.NoError(t, <-behind)
	stop()
	<-stopped
}
