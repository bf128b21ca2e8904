package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/queue"
)

// Planning is how far a plan is that takes long.
type Planning struct {
	Read  int    `json:"read"`  // letters, or events, that were looked at
	Found int    `json:"found"` // of these, what the job is about
	First uint64 `json:"first"` // the number of the first of them
	At    uint64 `json:"at"`    // of the newest of them
	Last  uint64 `json:"last"`  // at which the plan is made
	Begun int    `json:"begun"` // processes that are at it, or have died of it
}

// Percent is about how far it is: numbers of what was removed count too.
func (p Planning) Percent() int {
	if p.At <= p.First || p.Last <= p.First {
		return 0
	}
	return int(min(100*(p.At-p.First)/(p.Last-p.First), 100)) //nolint:gosec // it is at most 100
}

const (
	// mostBegun keeps a plan that kills whoever makes it from killing all.
	mostBegun = 3
	// sayEvery is how often it is saved how far a plan is, and asked whether it is
	// still wanted.
	sayEvery = time.Second
)

// PlanWithin is Plan for whoever cannot wait for a million letters: what takes
// longer than patience is kept as a job that is still being planned, and whoever
// serves jobs makes its plan. Where there is nothing to replay then, it fails,
// and says why.
func (r *Replays) PlanWithin(ctx context.Context, patience time.Duration, f queue.LetterFilter, rate float64) (Job, error) {
	job, err := letterJob(f, rate)
	if err != nil {
		return Job{}, err
	}
	return r.planWithin(ctx, patience, job)
}

// PlanEventsWithin is PlanEvents as PlanWithin is Plan.
func (r *Replays) PlanEventsWithin(ctx context.Context, patience time.Duration, e Events, rate float64) (Job, error) {
	job, err := r.eventJob(e, rate)
	if err != nil {
		return Job{}, err
	}
	return r.planWithin(ctx, patience, job)
}

func (r *Replays) planWithin(ctx context.Context, patience time.Duration, job Job) (Job, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var far Planning
	plan, err := r.find(limited, job, func(p Planning) { far = p })
	switch {
	case err == nil:
		job.State, job.Plan = Planned, plan
	case errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil:
		job.State, job.Planning = InPlanning, &far
	default:
		return Job{}, err
	}
	return job, r.save(ctx, job, 0)
}

// met notes what was looked at.
func (p *planner) met(sequence uint64, found int) {
	if p.far.Read == 0 {
		p.far.First = sequence
	}
	p.far.Read++
	p.far.At, p.far.Found = sequence, found
	if p.tell != nil {
		p.tell(p.far)
	}
}

// makePlan makes the plan of a job that waits for it, from the beginning: another
// process may have been at it before.
func (r *Replays) makePlan(ctx context.Context, id string) (Job, error) {
	holder := rand.Text()
	job, err := r.change(ctx, id, func(job *Job) error { return job.takePlan(holder, r.lease()) })
	if err != nil || job.State != InPlanning {
		return job, err
	}
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var far atomic.Pointer[Planning]
	far.Store(job.Planning)
	var saying sync.WaitGroup
	saying.Go(func() { r.sayHowFar(working, stop, job, &far) })
	plan, err := r.find(working, job, func(p Planning) { far.Store(&p) })
	stop(errFound)
	saying.Wait()
	if told := context.Cause(working); ctx.Err() == nil && !errors.Is(told, errFound) {
		return job, told
	}
	return r.keepPlan(ctx, job, plan, err)
}

// errFound ends what goes on beside the making of a plan.
var errFound = errors.New("the plan is made")

func (j *Job) takePlan(holder string, lease time.Duration) error {
	switch {
	case j.State.Ended() || j.State != InPlanning:
		return fmt.Errorf("%w: it is %s", ErrEnded, j.State)
	case j.held(holder, time.Now()):
		return ErrHeld
	case j.Planning == nil:
		j.Planning = &Planning{}
	case j.Planning.Begun >= mostBegun:
		j.fail(fmt.Sprintf("its plan was broken off %d times, because the process that made it died; choose fewer, or look why", j.Planning.Begun))
		return nil
	}
	j.Planning.Begun++
	j.Holder, j.Leased, j.Made = holder, time.Now().Add(lease), time.Now().UTC()
	return nil
}

func (j *Job) fail(why string) {
	j.State, j.Why, j.Planning, j.Holder, j.Leased = Failed, why, nil, "", time.Time{}
}

// sayHowFar holds on to the job while its plan is made, and stops that when the
// job is cancelled or in other hands.
func (r *Replays) sayHowFar(ctx context.Context, stop context.CancelCauseFunc, held Job, far *atomic.Pointer[Planning]) {
	ticker := time.NewTicker(min(sayEvery, r.lease()/4))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, err := r.change(ctx, held.ID, func(job *Job) error {
			if err := job.stillPlannedBy(held.Holder); err != nil {
				return err
			}
			now := *far.Load()
			now.Begun = job.Planning.Begun
			job.Planning, job.Leased = &now, time.Now().Add(r.lease())
			return nil
		})
		if nothingToRun(err) {
			stop(err)
			return
		}
	}
}

func (j *Job) stillPlannedBy(holder string) error {
	switch {
	case j.State != InPlanning:
		return fmt.Errorf("%w: it is %s", ErrEnded, j.State)
	case j.Holder != holder:
		return ErrHeld
	}
	return nil
}

// keepPlan saves what has come of the making of a plan.
func (r *Replays) keepPlan(ctx context.Context, held Job, plan Plan, err error) (Job, error) {
	nothing := errors.Is(err, ErrNothing) || errors.Is(err, ErrNoEvents) || errors.Is(err, queue.ErrNoLetter) || errors.Is(err, queue.ErrNoEvent)
	if err != nil && !nothing {
		job, _ := r.letGo(ctx, held) // else the lease runs out
		return job, err
	}
	return r.change(ctx, held.ID, func(job *Job) error {
		if err := job.stillPlannedBy(held.Holder); err != nil {
			return err
		}
		if nothing {
			job.fail(err.Error())
			return nil
		}
		job.State, job.Plan, job.Planning, job.Holder, job.Leased = Planned, plan, nil, "", time.Time{}
		return nil
	})
}
