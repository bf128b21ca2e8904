// Package replay sends dead letters on their way again, and routes events again,
// many at a time. A Job is planned first, and shows what it would do; it is run at a rate by any process,
// paused, resumed and cancelled by any other, and goes on where it was after the
// process that ran it has died.
package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// Job is a replay of dead letters, or of events, as it is kept.
type Job struct {
	ID     string             `json:"id"`
	State  State              `json:"state"`
	Filter queue.LetterFilter `json:"filter"`           // of dead letters
	Events *Events            `json:"events,omitempty"` // set: events are routed again, and no letters replayed
	Rate   float64            `json:"rate"`             // letters, or deliveries of events, a second; 0: as fast as it goes
	Made   time.Time          `json:"made"`
	Plan   Plan               `json:"plan"`

	Planning *Planning `json:"planning,omitempty"` // set while the plan is made: see PlanWithin
	Why      string    `json:"why,omitempty"`      // it failed

	// Progress. What was replayed just before a process died may be in Gone, or in
	// Skipped.
	Replayed int   `json:"replayed"` // letters, or deliveries of events
	Skipped  int   `json:"skipped"`  // the letters stay
	Skips    Skips `json:"skips,omitempty"`
	Gone     int   `json:"gone"`             // once it is done: letters that somebody else took away meanwhile
	Routed   int   `json:"routed,omitempty"` // events that were looked at

	// After is the letter, or event, up to which all are handled.
	After uint64 `json:"after"`

	// Holder runs the job, or makes its plan, and nobody else does until Leased.
	Holder string    `json:"holder,omitempty"`
	Leased time.Time `json:"leased,omitzero"`
}

// State is how far a job has come.
type State string

// States of a job.
const (
	InPlanning State = "planning"  // a process makes its plan, or will when it finds that nobody does
	Planned    State = "planned"   // it has shown what it would do
	Running    State = "running"   // a process runs it, or will go on when it finds that nobody does
	Paused     State = "paused"    // it waits to be told to go on
	Cancelled  State = "cancelled" // it ends where it is
	Done       State = "done"      // every letter of the plan has been looked at
	Failed     State = "failed"    // there is no plan: Why says why
)

// Ended reports whether the job will do nothing more.
func (s State) Ended() bool { return s == Cancelled || s == Done || s == Failed }

// Handled is how many letters, or events, of the plan were looked at.
func (j Job) Handled() int {
	if j.Events != nil {
		return j.Routed
	}
	return j.Replayed + j.Skipped + j.Gone
}

// Total is how many letters, or events, the plan has.
func (j Job) Total() int {
	if j.Events != nil {
		return j.Plan.Events
	}
	return j.Plan.Letters
}

// Skips count why letters, and deliveries of events, are not sent again: by a
// schema.Rule, or one of the words below.
type Skips map[string]int

// Why something is not sent again, beside the rules.
const (
	SkipDelivered = "delivered" // the far end has it
	SkipWaiting   = "waiting"   // it is on its way
	SkipInvalid   = "invalid"   // the event does not validate: it is a dead letter
)

// skip counts n more. An empty why counts nothing.
func (s *Skips) skip(why string, n int) {
	if why == "" || n == 0 {
		return
	}
	if *s == nil {
		*s = Skips{}
	}
	(*s)[why] += n
}

// Sum is how many there are in all.
func (s Skips) Sum() int {
	sum := 0
	for _, n := range s {
		sum += n
	}
	return sum
}

// held reports whether somebody else runs the job, or makes its plan.
func (j Job) held(by string, now time.Time) bool {
	return (j.State == Running || j.State == InPlanning) && j.Holder != "" && j.Holder != by && now.Before(j.Leased)
}

// letters is where dead letters, events and jobs are kept: a *queue.Queue.
type letters interface {
	records
	waiting
	DeadLetters(ctx context.Context, f queue.LetterFilter, after uint64) iter.Seq2[queue.DeadLetter, error]
	LastLetter(ctx context.Context) (uint64, error)
	Replay(ctx context.Context, letters ...queue.DeadLetter) error

	Events(ctx context.Context, f queue.EventFilter, after uint64) iter.Seq2[queue.PublishedEvent, error]
	Routed(ctx context.Context) (uint64, error)
	RouteAgain(ctx context.Context, plans []schema.Plan) error
	Exhume(ctx context.Context, lives []schema.Delivery, died ...time.Time) error

	Job(ctx context.Context, id string) (value []byte, revision uint64, err error)
	SaveJob(ctx context.Context, id string, value []byte, revision uint64) error
	Jobs(ctx context.Context) ([]string, error)
	RemoveJob(ctx context.Context, id string) error
}

// Replays plans, runs and keeps jobs.
type Replays struct {
	Letters letters
	Wishes  wishes // nil: everything counts as wanted; a delivery that is not ends suppressed
	Routes  routes // of events; nil: none can be routed again

	// Lease is how long a process that says nothing is taken to be running its job:
	// after its death the job rests for as long. 0 means a minute.
	Lease time.Duration
}

func (r *Replays) lease() time.Duration { return cmp.Or(r.Lease, defaultLease) }

// ErrEnded says that a job has ended and can be told nothing more.
var ErrEnded = errors.New("the replay has ended")

// ErrNotBegun says that a job that was only planned cannot be paused.
var ErrNotBegun = errors.New("the replay has not begun")

// ErrNoPlan says that nobody has seen yet what a job would do.
var ErrNoPlan = errors.New("the replay is still being planned")

// ErrHeld says that another process runs the job.
var ErrHeld = errors.New("another process runs the replay")

// Get reads a job. The error is queue.ErrNoJob if it is not there.
func (r *Replays) Get(ctx context.Context, id string) (Job, error) {
	job, _, err := r.load(ctx, id)
	return job, err
}

// List reads all jobs, in no order.
func (r *Replays) List(ctx context.Context) ([]Job, error) {
	ids, err := r.Letters.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, 0, len(ids))
	for _, id := range ids {
		job, err := r.Get(ctx, id)
		if errors.Is(err, queue.ErrNoJob) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// Start lets a job run that was planned or paused. Whoever finds it runs it.
func (r *Replays) Start(ctx context.Context, id string) (Job, error) { return r.tell(ctx, id, Running) }

// Pause stops a job after the letters that it has in hand.
func (r *Replays) Pause(ctx context.Context, id string) (Job, error) { return r.tell(ctx, id, Paused) }

// Cancel ends a job after the letters that it has in hand.
func (r *Replays) Cancel(ctx context.Context, id string) (Job, error) {
	return r.tell(ctx, id, Cancelled)
}

// Remove cancels a job and forgets it.
func (r *Replays) Remove(ctx context.Context, id string) error {
	if _, err := r.Cancel(ctx, id); err != nil && !errors.Is(err, ErrEnded) {
		return err
	}
	return r.Letters.RemoveJob(ctx, id)
}

func (r *Replays) tell(ctx context.Context, id string, state State) (Job, error) {
	return r.change(ctx, id, func(job *Job) error {
		switch {
		case job.State.Ended():
			return fmt.Errorf("%w: it is %s", ErrEnded, job.State)
		case job.State == InPlanning && state != Cancelled:
			return ErrNoPlan
		case job.State == Planned && state == Paused:
			return ErrNotBegun
		}
		job.State = state
		return nil
	})
}

// change reads a job, lets do change it, and saves it, again if somebody else
// has saved it meanwhile.
func (r *Replays) change(ctx context.Context, id string, do func(*Job) error) (Job, error) {
	for {
		job, revision, err := r.load(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if err := do(&job); err != nil {
			return job, err
		}
		err = r.save(ctx, job, revision)
		if !errors.Is(err, queue.ErrJobChanged) {
			return job, err
		}
	}
}

func (r *Replays) load(ctx context.Context, id string) (Job, uint64, error) {
	value, revision, err := r.Letters.Job(ctx, id)
	if err != nil {
		return Job{}, 0, err
	}
	var job Job
	if err := json.Unmarshal(value, &job); err != nil {
		return Job{}, 0, fmt.Errorf("read replay %s: %w", id, err)
	}
	return job, revision, nil
}

func (r *Replays) save(ctx context.Context, job Job, revision uint64) error {
	value, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("save replay %s: %w", job.ID, err)
	}
	return r.Letters.SaveJob(ctx, job.ID, value, revision)
}
