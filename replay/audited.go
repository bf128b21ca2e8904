package replay

import (
	"context"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// recorder records an act before it is done: an audit.Trail.
type recorder interface {
	Do(ctx context.Context, a schema.Act, do func() error) error
}

// Audited are replays that somebody plans, runs and stops: it is recorded who
// does so before it is done.
type Audited struct {
	*Replays
	Trail recorder
	By    schema.Act // who does it, and by which way
}

func (a Audited) do(ctx context.Context, what, on, detail string, do func() (Job, error)) (job Job, err error) {
	act := a.By
	act.What, act.On, act.Detail = what, on, detail
	err = a.Trail.Do(ctx, act, func() error {
		var err error
		job, err = do()
		return err
	})
	return job, err
}

// Plan is Replays.Plan.
func (a Audited) Plan(ctx context.Context, f queue.LetterFilter, rate float64) (Job, error) {
	return a.do(ctx, "replay.plan", "dead letters", f.String(), func() (Job, error) { return a.Replays.Plan(ctx, f, rate) })
}

// PlanEvents is Replays.PlanEvents.
func (a Audited) PlanEvents(ctx context.Context, e Events, rate float64) (Job, error) {
	return a.do(ctx, "replay.plan", "events", e.String(), func() (Job, error) { return a.Replays.PlanEvents(ctx, e, rate) })
}

// PlanWithin is Replays.PlanWithin.
func (a Audited) PlanWithin(ctx context.Context, patience time.Duration, f queue.LetterFilter, rate float64) (Job, error) {
	return a.do(ctx, "replay.plan", "dead letters", f.String(), func() (Job, error) { return a.Replays.PlanWithin(ctx, patience, f, rate) })
}

// PlanEventsWithin is Replays.PlanEventsWithin.
func (a Audited) PlanEventsWithin(ctx context.Context, patience time.Duration, e Events, rate float64) (Job, error) {
	return a.do(ctx, "replay.plan", "events", e.String(), func() (Job, error) { return a.Replays.PlanEventsWithin(ctx, patience, e, rate) })
}

// Start is Replays.Start.
func (a Audited) Start(ctx context.Context, id string) (Job, error) {
	return a.do(ctx, "replay.start", "replay "+id, "", func() (Job, error) { return a.Replays.Start(ctx, id) })
}

// Pause is Replays.Pause.
func (a Audited) Pause(ctx context.Context, id string) (Job, error) {
	return a.do(ctx, "replay.pause", "replay "+id, "", func() (Job, error) { return a.Replays.Pause(ctx, id) })
}

// Cancel is Replays.Cancel.
func (a Audited) Cancel(ctx context.Context, id string) (Job, error) {
	return a.do(ctx, "replay.cancel", "replay "+id, "", func() (Job, error) { return a.Replays.Cancel(ctx, id) })
}

// Remove is Replays.Remove.
func (a Audited) Remove(ctx context.Context, id string) error {
	_, err := a.do(ctx, "replay.remove", "replay "+id, "", func() (Job, error) { return Job{}, a.Replays.Remove(ctx, id) })
	return err
}

// Run is Replays.Run.
func (a Audited) Run(ctx context.Context, id string, progress func(Job)) (Job, error) {
	return a.do(ctx, "replay.run", "replay "+id, "", func() (Job, error) { return a.Replays.Run(ctx, id, progress) })
}
