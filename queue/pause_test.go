package queue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// tally is a worker's handler for two channels: it fails each first attempt and
// counts those that come early, or with more attempts than were made.
type tally struct {
	t    *testing.T
	mu   sync.Mutex
	made map[string]int // attempts by delivery
	done map[string]int // deliveries by channel that are through
}

func newTally(t *testing.T) *tally {
	return &tally{t: t, made: map[string]int{}, done: map[string]int{}}
}

func (y *tally) handle(wait time.Duration) func(context.Context, schema.Delivery) queue.Outcome {
	return func(_ context.Context, d schema.Delivery) queue.Outcome {
		y.mu.Lock()
		defer y.mu.Unlock()
		if d.Attempts != y.made[d.ID()] {
			y.t.Errorf("%s has spent %d attempts, and %d were made", d.Event.ID, d.Attempts, y.made[d.ID()])
		}
		if time.Now().Before(d.Due) {
			y.t.Errorf("%s is early", d.Event.ID)
		}
		y.made[d.ID()]++
		d.Attempts++
		if d.Attempts == 1 && wait > 0 {
			d.Due = time.Now().Add(wait)
			return queue.Retry(d)
		}
		y.done[d.Channel]++
		return queue.Delivered(d)
	}
}

func (y *tally) attempts() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	made := 0
	for _, n := range y.made {
		made += n
	}
	return made
}

func (y *tally) through(channel string) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.done[channel]
}

func (y *tally) eventually(channel string, n int) {
	y.t.Helper()
	require.Eventually(y.t, func() bool { return y.through(channel) >= n }, 30*time.Second, 5*time.Millisecond,
		"not so many are through by %s", channel)
	require.Equal(y.t, n, y.through(channel), "none of them twice")
}

// work runs a worker of webhook and, as a witness that workers work, of email.
func (y *tally) work(q *queue.Queue, wait time.Duration) (stop func()) {
	pool := q.NewPool(10 * time.Second)
	pool.Deliveries("webhook", 8, y.handle(wait))
	pool.Deliveries("email", 8, y.handle(wait))
	return running(y.t, pool)
}

func batch(t *testing.T, channel, name string, n int) []schema.Plan {
	t.Helper()
	var all []schema.Delivery
	for i := range n {
		d := delivery(t, fmt.Sprintf("%s-%d", name, i))
		d.Channel, d.Crowd = channel, i%3 == 0
		all = append(all, d)
	}
	return plans(all...)
}

func pause(t *testing.T, q *queue.Queue, channel string) {
	t.Helper()
	require.NoError(t, q.PauseChannel(t.Context(), queue.Pause{Channel: channel, By: "ada", Why: "the far end moves"}))
}

func TestPausedChannelDeliversNothingAndThenEverything(t *testing.T) {
	t.Parallel()
	const many, wait = 60, time.Second
	n := servertest.NATS(t)
	q, y := ready(t, n), newTally(t)
	stop := y.work(q, wait)

	// It is paused while its first attempts are under way, and fail.
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "webhook", "before", many)))
	require.Eventually(t, func() bool { return y.attempts() > 0 }, 20*time.Second, time.Millisecond)
	pause(t, q, "webhook")
	js := stranger(t, n)
	idle := func() bool {
		return servertest.InHand(t, js, queue.DeliveryStream, "webhook") == 0 &&
			servertest.InHand(t, js, queue.DeliveryStream, "webhook-crowd") == 0
	}
	require.Eventually(t, idle, 20*time.Second, 10*time.Millisecond, "what is in hand is finished")
	made, through := y.attempts(), y.through("webhook")
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "webhook", "during", many)))

	// Another channel's retries come due at the same time as its own, and are made.
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "email", "first", 5)))
	y.eventually("email", 5)
	require.Equal(t, made+2*5, y.attempts())

	// A worker that joins, and one that starts anew, learn of it; so does a server.
	stop()
	y.work(connect(t, n), wait)
	n.Stop()
	n.Start()
	y.work(connect(t, n), wait)
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "email", "second", 5)))
	y.eventually("email", 10)
	require.Equal(t, made+2*10, y.attempts(), "nothing of the paused channel is attempted")
	require.Equal(t, through, y.through("webhook"))

	require.NoError(t, q.ResumeChannel(t.Context(), "webhook"))
	y.eventually("webhook", 2*many)
	require.Equal(t, 2*2*many+2*10, y.attempts(), "two attempts of each delivery")
	eventuallyEmpty(t, js, queue.DeliveryStream)
	eventuallyEmpty(t, js, queue.RetryStream)
}

func TestPausesTellWhoWhenAndWhy(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	none, err := q.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	pause(t, q, "webhook")
	require.NoError(t, q.PauseChannel(t.Context(), queue.Pause{Channel: "email", By: "eve", Until: time.Now().Add(time.Hour)}))
	all, err := q.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, []string{"email", "webhook"}, []string{all[0].Channel, all[1].Channel})
	require.Equal(t, "eve", all[0].By)
	require.Equal(t, "the far end moves", all[1].Why)
	require.WithinDuration(t, time.Now(), all[1].At, time.Minute)
	require.True(t, all[1].Until.IsZero())
	require.NoError(t, q.ResumeChannel(t.Context(), "email"))
	all, err = q.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestAPauseEndsByItselfWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	q, y := ready(t, servertest.NATS(t)), newTally(t)
	y.work(q, 0)
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "webhook", "before", 3)))
	y.eventually("webhook", 3)
	until := time.Now().Add(2 * time.Second)
	require.NoError(t, q.PauseChannel(t.Context(), queue.Pause{Channel: "webhook", By: "ada", Until: until}))
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "webhook", "during", 3)))
	y.eventually("webhook", 6)
	require.False(t, time.Now().Before(until), "it has ended early")
	all, err := q.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestAChannelThatNobodyHasDeliveredByYetBeginsPaused(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, y := ready(t, n), newTally(t)
	pause(t, q, "webhook")
	y.work(q, 0)
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "webhook", "first", 9)))
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "email", "first", 9)))
	y.eventually("email", 9)
	js := stranger(t, n)
	for _, consumer := range []string{"webhook", "webhook-crowd"} {
		require.Eventually(t, func() bool {
			c, err := js.Consumer(t.Context(), queue.DeliveryStream, consumer)
			return err == nil && c.CachedInfo().Paused
		}, 20*time.Second, 10*time.Millisecond, consumer)
	}
	require.Zero(t, y.through("webhook"))
	require.NoError(t, q.ResumeChannel(t.Context(), "webhook"))
	y.eventually("webhook", 9)
}

func TestResumeMendsAPauseThatWasLeftHalfWay(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, y := ready(t, n), newTally(t)
	y.work(q, 0)
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "webhook", "before", 2)))
	y.eventually("webhook", 2)
	// Whoever resumed it died when the bucket had forgotten it, and a consumer had not.
	_, err := stranger(t, n).PauseConsumer(t.Context(), queue.DeliveryStream, "webhook", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.NoError(t, q.PublishPlans(t.Context(), batch(t, "webhook", "after", 3)))
	require.NoError(t, q.ResumeChannel(t.Context(), "webhook"))
	y.eventually("webhook", 5)
}

func TestWhatCannotBePausedOrResumedIsSaid(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	require.ErrorIs(t, q.ResumeChannel(t.Context(), "webhook"), queue.ErrNotPaused)
	for _, name := range []string{"", "a.b", "*", "event"} {
		require.ErrorContains(t, q.PauseChannel(t.Context(), queue.Pause{Channel: name}), "not the name of a channel")
	}
	over := queue.Pause{Channel: "webhook", Until: time.Now().Add(-time.Second)}
	require.ErrorContains(t, q.PauseChannel(t.Context(), over), "is over")
}

func TestTheRouterIsNotPausedByAChannelOfAnyName(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	_, err := stranger(t, n).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: queue.PauseBucket})
	require.NoError(t, err)
	routed := make(chan uint64, 1)
	pool := q.NewPool(time.Second)
	pool.Events(1, func(_ context.Context, e queue.PublishedEvent) queue.Outcome {
		routed <- e.Sequence
		return queue.Done()
	})
	running(t, pool)
	event := delivery(t, "e1").Event
	_, _, err = q.PublishEvent(t.Context(), event)
	require.NoError(t, err)
	require.EqualValues(t, 1, receive(t, routed))
}
