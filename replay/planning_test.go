package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
)

// serve is a process that looks for jobs, until it is stopped.
func serve(t *testing.T, r *replay.Replays) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { r.Serve(ctx, 20*time.Millisecond, zap.NewNop()) })
	stop = func() { cancel(); serving.Wait() }
	t.Cleanup(stop)
	return stop
}

// becomes waits for a job to be in a state.
func becomes(t *testing.T, r *replay.Replays, id string, state replay.State) (job replay.Job) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		job, err = r.Get(t.Context(), id)
		return err == nil && job.State == state
	}, 30*time.Second, 10*time.Millisecond, state)
	return job
}

// planLater asks for a plan, and waits for nothing.
func (y *yard) planLater(f queue.LetterFilter) replay.Job {
	y.t.Helper()
	job, err := y.PlanWithin(y.t.Context(), 0, f, 0)
	require.NoError(y.t, err)
	require.Equal(y.t, replay.InPlanning, job.State)
	return job
}

func TestShortPlanIsThereAtOnce(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(3)...)
	job, err := y.PlanWithin(t.Context(), time.Minute, queue.LetterFilter{}, 0)
	require.NoError(t, err)
	require.Equal(t, replay.Planned, job.State)
	require.Equal(t, 3, job.Plan.Letters)
	require.Nil(t, job.Planning)
	_, err = y.PlanWithin(t.Context(), time.Minute, queue.LetterFilter{User: "nobody"}, 0)
	require.ErrorIs(t, err, replay.ErrNothing)
	_, err = y.PlanWithin(t.Context(), time.Minute, queue.LetterFilter{}, -1)
	require.Error(t, err)
}

// What takes longer is a job that any process goes on with, and the plan is the
// same.
func TestLongPlanIsMadeByWhoeverServes(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(1200)...)
	y.Wishes = unwanted{"e7"}
	job := y.planLater(queue.LetterFilter{Channel: "webhook"})
	_, err := y.Start(t.Context(), job.ID)
	require.ErrorIs(t, err, replay.ErrNoPlan, "nobody has seen what it would do")
	_, err = y.Pause(t.Context(), job.ID)
	require.ErrorIs(t, err, replay.ErrNoPlan)
	_, err = y.Run(t.Context(), job.ID, nil)
	require.ErrorIs(t, err, replay.ErrNoPlan)

	serve(t, y.Replays)
	later := becomes(t, y.Replays, job.ID, replay.Planned)
	require.Equal(t, y.plan(later.Filter).Plan, later.Plan)
	require.Equal(t, 1200, later.Plan.Letters)
	require.Equal(t, 1, later.Plan.Unwanted)
	require.Nil(t, later.Planning)
	require.Empty(t, later.Holder)
	require.Equal(t, 1200, y.count(), "a plan replays nothing")

	_, err = y.Start(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, 1199, becomes(t, y.Replays, job.ID, replay.Done).Replayed)
}

func TestLongPlanOfEvents(t *testing.T) {
	t.Parallel()
	town := newTown(t, 2, "ada")
	wanted := replay.Events{Channels: []string{"webhook"}}
	job, err := town.PlanEventsWithin(t.Context(), 0, wanted, 0)
	require.NoError(t, err)
	require.Equal(t, replay.InPlanning, job.State)
	serve(t, town.Replays)
	later := becomes(t, town.Replays, job.ID, replay.Planned)
	now, err := town.PlanEventsWithin(t.Context(), time.Minute, wanted, 0)
	require.NoError(t, err)
	require.Equal(t, now.Plan, later.Plan)
	require.Equal(t, 2, later.Plan.Events)
}

func TestLongPlanOfNothingFails(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(1)...)
	serve(t, y.Replays)
	for why, f := range map[string]queue.LetterFilter{
		"no dead letter matches":      {User: "nobody"},
		"no such dead letter: 424242": {Sequences: []uint64{424242}},
	} {
		job := becomes(t, y.Replays, y.planLater(f).ID, replay.Failed)
		require.Contains(t, job.Why, why)
		_, err := y.Start(t.Context(), job.ID)
		require.ErrorIs(t, err, replay.ErrEnded)
	}
}

// hesitant answers when it is let, or never.
type hesitant struct {
	asked chan struct{}
	let   chan error
}

func (h hesitant) Suppressed(ctx context.Context, deliveries []schema.Delivery) ([]schema.Rule, error) {
	h.asked <- struct{}{}
	select {
	case err := <-h.let:
		return make([]schema.Rule, len(deliveries)), err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newHesitant() hesitant { return hesitant{make(chan struct{}, 100), make(chan error)} }

func TestPlanningSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(700)...)
	wishes := newHesitant()
	y.Wishes = wishes
	job := y.planLater(queue.LetterFilter{})
	serve(t, y.Replays)
	<-wishes.asked // with the first 500 letters in hand
	require.Eventually(t, func() bool {
		now, err := y.Get(t.Context(), job.ID)
		return err == nil && now.Planning.Read >= 499 && now.Planning.Percent() > 50 && now.Planning.Percent() < 100
	}, 30*time.Second, 10*time.Millisecond)
	wishes.let <- nil
	<-wishes.asked
	wishes.let <- nil
	require.Equal(t, 700, becomes(t, y.Replays, job.ID, replay.Planned).Plan.Letters)
}

func TestPlanningIsCancelled(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(3)...)
	wishes := newHesitant()
	y.Wishes = wishes
	first, second := y.planLater(queue.LetterFilter{}), y.planLater(queue.LetterFilter{})
	serve(t, y.Replays)
	<-wishes.asked
	for _, job := range []replay.Job{first, second} {
		_, err := y.Cancel(t.Context(), job.ID)
		require.NoError(t, err)
	}
	third := y.planLater(queue.LetterFilter{})
	<-wishes.asked // the process has let go of the first, and makes the next
	wishes.let <- nil
	becomes(t, y.Replays, third.ID, replay.Planned)
	require.Equal(t, replay.Cancelled, becomes(t, y.Replays, first.ID, replay.Cancelled).State)
}

// A process that is stopped lets go of the plan, and the next makes it whole.
func TestPlanningSurvivesItsProcess(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(3)...)
	wishes := newHesitant()
	y.Wishes = wishes
	job := y.planLater(queue.LetterFilter{})
	for range 5 { // more often than a plan may kill
		stop := serve(t, y.Replays)
		<-wishes.asked
		stop()
		now, err := y.Get(t.Context(), job.ID)
		require.NoError(t, err)
		require.Equal(t, replay.InPlanning, now.State)
		require.Empty(t, now.Holder)
	}
	serve(t, y.Replays)
	<-wishes.asked
	wishes.let <- errors.New("the preferences are away for a moment")
	<-wishes.asked
	wishes.let <- nil
	require.Equal(t, 3, becomes(t, y.Replays, job.ID, replay.Planned).Plan.Letters)
}

// One that is killed says nothing: the next waits until its lease is over.
func TestPlanningSurvivesAKill(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(3)...)
	y.Lease = time.Second
	job := y.planLater(queue.LetterFilter{})
	killed := time.Now().Add(500 * time.Millisecond)
	y.edit(job.ID, func(job *replay.Job) { job.Holder, job.Leased, job.Planning.Begun = "dead", killed, 1 })
	serve(t, y.Replays)
	require.Equal(t, 3, becomes(t, y.Replays, job.ID, replay.Planned).Plan.Letters)
	require.True(t, time.Now().After(killed))
}

func TestPlanThatKillsIsGivenUp(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(3)...)
	job := y.planLater(queue.LetterFilter{})
	y.edit(job.ID, func(job *replay.Job) { job.Holder, job.Leased, job.Planning.Begun = "dead", time.Now(), 3 })
	serve(t, y.Replays)
	require.Contains(t, becomes(t, y.Replays, job.ID, replay.Failed).Why, "broken off 3 times")
}

// edit saves a job as a process that is no more has left it.
func (y *yard) edit(id string, do func(*replay.Job)) {
	y.t.Helper()
	value, revision, err := y.queue.Job(y.t.Context(), id)
	require.NoError(y.t, err)
	var job replay.Job
	require.NoError(y.t, json.Unmarshal(value, &job))
	do(&job)
	value, err = json.Marshal(job)
	require.NoError(y.t, err)
	require.NoError(y.t, y.queue.SaveJob(y.t.Context(), id, value, revision))
}

// counting notes how many plans are made at the same time.
type counting struct{ now, most atomic.Int32 }

func (c *counting) Suppressed(_ context.Context, deliveries []schema.Delivery) ([]schema.Rule, error) {
	if n := c.now.Add(1); n > c.most.Load() {
		c.most.Store(n)
	}
	defer c.now.Add(-1)
	return make([]schema.Rule, len(deliveries)), nil
}

func TestAProcessMakesOnePlanAtATime(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(600)...)
	wishes := &counting{}
	y.Wishes = wishes
	var jobs []replay.Job
	for range 5 {
		jobs = append(jobs, y.planLater(queue.LetterFilter{}))
	}
	serve(t, y.Replays)
	for _, job := range slices.Backward(jobs) {
		becomes(t, y.Replays, job.ID, replay.Planned)
	}
	require.EqualValues(t, 1, wishes.most.Load())
}
