package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
	"tocsin/servertest"
)

// yard is a NATS with dead letters in it, and a worker that notes what comes
// back.
type yard struct {
	*replay.Replays
	t      *testing.T
	queue  *queue.Queue
	dead   jetstream.Stream
	handed chan schema.Delivery
}

func newYard(t *testing.T, deaths ...schema.Attempt) *yard {
	t.Helper()
	server := servertest.NATS(t)
	q, err := queue.Connect(queue.Options{URL: server.URL(), Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	dead, err := servertest.JetStream(t, server.URL()).Stream(t.Context(), queue.DeadStream)
	require.NoError(t, err)
	y := &yard{Replays: &replay.Replays{Letters: q}, t: t, queue: q, dead: dead, handed: make(chan schema.Delivery, 10_000)}
	y.work(deaths)
	ids := make([]string, len(deaths))
	for i := range deaths {
		ids[i] = fmt.Sprint("e", i)
	}
	y.die(ids...)
	return y
}

// work delivers what is replayed, and buries what is not.
func (y *yard) work(deaths []schema.Attempt) {
	pool := y.queue.NewPool(time.Second)
	pool.Deliveries("webhook", 100, func(_ context.Context, d schema.Delivery) queue.Outcome {
		if d.Replays > 0 {
			y.handed <- d
			return queue.Delivered(d)
		}
		d.Attempts, d.Last = 1, schema.Attempt{Status: "404", Host: "hooks.example.com:443"}
		var i int
		if _, err := fmt.Sscanf(d.Event.ID, "e%d", &i); err == nil && i < len(deaths) {
			d.Last = deaths[i]
		}
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "endpoint answered " + d.Last.Status})
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pool.Run(ctx)
	}()
	y.t.Cleanup(func() { cancel(); <-ended })
}

// die makes a dead letter of each of these events.
func (y *yard) die(ids ...string) {
	y.t.Helper()
	before := y.count()
	e, err := schema.Sample("job.fail")
	require.NoError(y.t, err)
	plans := make([]schema.Plan, len(ids))
	for i, id := range ids {
		e.ID, e.Source, e.Account, e.Time = id, "/p", "acme", time.Now()
		d := schema.Delivery{Event: e, User: "ada", Channel: "webhook", Target: "main", Planned: time.Now()}
		plans[i] = schema.PlanOf(d, "")
	}
	require.NoError(y.t, y.queue.PublishPlans(y.t.Context(), plans))
	require.Eventually(y.t, func() bool { return y.count() == before+len(ids) }, 60*time.Second, 10*time.Millisecond)
}

func (y *yard) count() int {
	info, err := y.dead.Info(y.t.Context())
	require.NoError(y.t, err)
	return int(info.State.Msgs)
}

func (y *yard) letters() []queue.DeadLetter {
	y.t.Helper()
	var found []queue.DeadLetter
	for l, err := range y.queue.DeadLetters(y.t.Context(), queue.LetterFilter{}, 0) {
		require.NoError(y.t, err)
		found = append(found, l)
	}
	return found
}

func (y *yard) plan(f queue.LetterFilter) replay.Job {
	y.t.Helper()
	job, err := y.Plan(y.t.Context(), f, 0)
	require.NoError(y.t, err)
	return job
}

// events are the ids of what was handed out, n of them, sorted.
func (y *yard) events(n int) []string {
	y.t.Helper()
	var ids []string
	for range n {
		select {
		case d := <-y.handed:
			ids = append(ids, d.Event.ID)
		case <-time.After(30 * time.Second):
			require.FailNow(y.t, "too few were replayed", "%v", ids)
		}
	}
	slices.Sort(ids)
	return ids
}

// unwanted is a preference store in which deliveries of some events are not
// wanted.
type unwanted []string

func (u unwanted) Suppressed(_ context.Context, deliveries []schema.Delivery) ([]schema.Rule, error) {
	rules := make([]schema.Rule, len(deliveries))
	for i, d := range deliveries {
		if slices.Contains(u, d.Event.ID) {
			rules[i] = schema.RuleChosenOff
		}
	}
	return rules, nil
}

func refused(host string) schema.Attempt { return schema.Attempt{Status: "404", Host: host} }

func many(n int) []schema.Attempt {
	return slices.Repeat([]schema.Attempt{refused("a.example:443")}, n)
}

func TestPlanShowsWhatItWouldDo(t *testing.T) {
	t.Parallel()
	y := newYard(t, refused("a.example:443"), refused("b.example:443"), schema.Attempt{Status: "410", Host: "b.example:443"}, refused("b.example:443"))
	y.Wishes = unwanted{"e1"}
	all := y.letters()
	job := y.plan(queue.LetterFilter{Channel: "webhook"})
	require.Equal(t, replay.Planned, job.State)
	require.Equal(t, 4, job.Plan.Letters)
	require.Equal(t, 1, job.Plan.Unwanted)
	require.Equal(t, all[3].Sequence, job.Plan.Until)
	require.Equal(t, all[0].Died, job.Plan.Oldest)
	require.Equal(t, all[3].Died, job.Plan.Newest)
	require.Equal(t, []replay.Group{
		{Channel: "webhook", Host: "b.example:443", Answer: "404", Letters: 2},
		{Channel: "webhook", Host: "a.example:443", Answer: "404", Letters: 1},
		{Channel: "webhook", Host: "b.example:443", Answer: "410", Letters: 1},
	}, job.Plan.Groups)
	require.Len(t, job.Plan.Examples, 4)
	require.Equal(t, "ada", job.Plan.Examples[0].User)

	require.Equal(t, 3, y.plan(queue.LetterFilter{Host: "b.example"}).Plan.Letters)
	require.Len(t, y.letters(), 4, "a plan does nothing")
	kept, err := y.Get(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, job.Plan.Groups, kept.Plan.Groups)
	jobs, err := y.List(t.Context())
	require.NoError(t, err)
	require.Len(t, jobs, 2)
}

func TestPlanRefusesWhatMakesNone(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(1)...)
	for want, f := range map[string]queue.LetterFilter{
		"no dead letter matches":       {User: "eve"},
		"no such dead letter: 999":     {Sequences: []uint64{1, 999}},
		`no event type "job.fial"`:     {Type: "job.fial"},
		"is not the name of a channel": {Channel: "a.b"},
		"at most 10000 letters":        {Sequences: make([]uint64, 10_001)},
	} {
		_, err := y.Plan(t.Context(), f, 0)
		require.ErrorContains(t, err, want)
	}
	_, err := y.Plan(t.Context(), queue.LetterFilter{}, -1)
	require.ErrorContains(t, err, "cannot be negative")
	jobs, err := y.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, jobs)
}

func TestRunReplaysWhatThePlanHasShownAndNothingElse(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(1200)...) // more than two batches
	y.Wishes = unwanted{"e7"}
	job := y.plan(queue.LetterFilter{})
	y.die("later")
	var told []int
	job, err := y.Run(t.Context(), job.ID, func(j replay.Job) { told = append(told, j.Handled()) })
	require.NoError(t, err)
	require.Equal(t, replay.Done, job.State)
	require.Equal(t, []int{1199, 1, 0}, []int{job.Replayed, job.Skipped, job.Gone})
	require.True(t, slices.IsSorted(told))
	require.Equal(t, 1200, told[len(told)-1])

	require.Len(t, slices.Compact(y.events(1199)), 1199)
	var left []string
	for _, l := range y.letters() {
		left = append(left, l.Delivery.Event.ID)
	}
	require.Equal(t, []string{"e7", "later"}, left)

	_, err = y.Run(t.Context(), job.ID, nil)
	require.ErrorIs(t, err, replay.ErrEnded)
	require.Empty(t, y.handed)
}

func TestPausedReplayGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(600)...)
	job := y.plan(queue.LetterFilter{})
	_, err := y.Pause(t.Context(), job.ID)
	require.ErrorContains(t, err, "has not begun")
	job, err = y.Run(t.Context(), job.ID, func(j replay.Job) {
		if j.State == replay.Running && j.Handled() == 500 {
			_, err := y.Pause(t.Context(), j.ID)
			require.NoError(t, err)
		}
	})
	require.NoError(t, err)
	require.Equal(t, replay.Paused, job.State, "noticed after what was in hand")
	require.Equal(t, 600, job.Replayed)

	job, err = y.Run(t.Context(), job.ID, nil)
	require.NoError(t, err)
	require.Equal(t, replay.Done, job.State)
	require.Equal(t, 600, job.Replayed)
	require.Len(t, slices.Compact(y.events(600)), 600)
}

func TestCancelledReplayLeavesTheRest(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(1100)...)
	job := y.plan(queue.LetterFilter{})
	job, err := y.Run(t.Context(), job.ID, func(j replay.Job) {
		if j.Handled() == 500 {
			_, err := y.Cancel(t.Context(), j.ID)
			require.NoError(t, err)
		}
	})
	require.NoError(t, err)
	require.Equal(t, replay.Cancelled, job.State)
	require.Equal(t, 1000, job.Replayed, "what was in hand was finished")
	require.Len(t, y.letters(), 100)
	_, err = y.Start(t.Context(), job.ID)
	require.ErrorIs(t, err, replay.ErrEnded)
	require.NoError(t, y.Remove(t.Context(), job.ID))
	_, err = y.Get(t.Context(), job.ID)
	require.ErrorIs(t, err, queue.ErrNoJob)
}

func TestOneProcessAtATimeRunsAReplay(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(3)...)
	job := y.plan(queue.LetterFilter{})
	_, err := y.Run(t.Context(), job.ID, func(replay.Job) {
		_, err := y.Run(t.Context(), job.ID, nil)
		if !errors.Is(err, replay.ErrEnded) {
			require.ErrorIs(t, err, replay.ErrHeld)
		}
	})
	require.NoError(t, err)
	require.Len(t, y.events(3), 3)
}

// dying is a queue whose process dies once it has replayed a batch: nothing is
// saved any more.
type dying struct {
	*queue.Queue
	mu   sync.Mutex
	dead bool
}

var errDead = errors.New("killed")

func (d *dying) Replay(ctx context.Context, letters ...queue.DeadLetter) error {
	err := d.Queue.Replay(ctx, letters...)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = len(letters) > 0
	return err
}

func (d *dying) SaveJob(ctx context.Context, id string, value []byte, revision uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	return d.Queue.SaveJob(ctx, id, value, revision)
}

func TestReplayOfAProcessThatDiedIsTakenUpByAnother(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(700)...)
	y.Lease = time.Second
	job := y.plan(queue.LetterFilter{})
	victim := &replay.Replays{Letters: &dying{Queue: y.queue}, Lease: time.Second}
	_, err := victim.Run(t.Context(), job.ID, nil)
	require.ErrorIs(t, err, errDead)
	left := y.count() // a slow machine has to renew the lease before a batch is full
	require.Less(t, left, 700)

	serving, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		y.Serve(serving, 50*time.Millisecond, zap.NewNop())
	}()
	require.Eventually(t, func() bool {
		job, err = y.Get(t.Context(), job.ID)
		return err == nil && job.State == replay.Done
	}, 30*time.Second, 20*time.Millisecond)
	stop()
	<-ended
	require.Equal(t, []int{left, 0, 700 - left}, []int{job.Replayed, job.Skipped, job.Gone}, "what the dead one did is gone, and counted so")
	require.Len(t, slices.Compact(y.events(700)), 700, "each once")
	require.Empty(t, y.handed)
}

func TestInterruptedReplayIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(600)...)
	job := y.plan(queue.LetterFilter{})
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := y.Run(ctx, job.ID, func(replay.Job) { interrupt() })
	require.ErrorIs(t, err, context.Canceled)
	job, err = y.Get(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, replay.Running, job.State)
	require.Equal(t, 500, job.Replayed)
	job, err = y.Run(t.Context(), job.ID, nil)
	require.NoError(t, err)
	require.Equal(t, 600, job.Replayed)
	require.Len(t, y.events(600), 600)
}

func TestAnswersOfOneKindAreCountedTogether(t *testing.T) {
	t.Parallel()
	require.Equal(t, "body: is not JSON at byte #", replay.Answer(queue.DeadLetter{Reason: "body: is not JSON at byte 17"}))
	require.Equal(t, "503", replay.Answer(queue.DeadLetter{Reason: "x", Delivery: &schema.Delivery{Last: schema.Attempt{Status: "503"}}}))
	require.False(t, strings.Contains(replay.Answer(queue.DeadLetter{Reason: "UTF-8"}), "#"))
}
