package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// Events says which events are to be routed again, and for whom.
type Events struct {
	Filter queue.EventFilter `json:"filter"`

	// User is the one member to tell, for example who joined after the events;
	// empty: all.
	User string `json:"user,omitempty"`

	// Channels are what is offered; a delivery is made by no other.
	Channels []string `json:"channels"`

	// Resend also sends what the far end has already, under the same delivery id.
	Resend bool `json:"resend,omitempty"`
}

// routes say what an event means now, and read it: see worker.Router.
type routes interface {
	Read(m schema.Message) (schema.Event, error)
	Plans(ctx context.Context, e schema.Event, sequence uint64, user string, offered []string) iter.Seq2[[]schema.Plan, error]
}

// ErrNoEvents says that no event matches, of those that were routed once.
var ErrNoEvents = errors.New("no event matches that was routed")

// ErrNoRoutes says that this process cannot route events.
var ErrNoRoutes = errors.New("this process cannot route events again: it does not know the preferences")

// PlanEvents finds the events and keeps a job that would route them again.
// Events that no worker has routed yet are left out: they will be anyway. The
// error is queue.ErrNoEvent if one that is named by its sequence is not there,
// and ErrNoEvents if there are none.
func (r *Replays) PlanEvents(ctx context.Context, e Events, rate float64) (Job, error) {
	job, err := r.eventJob(e, rate)
	if err != nil {
		return Job{}, err
	}
	return r.plan(ctx, job)
}

func (r *Replays) eventJob(e Events, rate float64) (Job, error) {
	return Job{ID: newID(), Events: &e, Rate: rate, Made: time.Now().UTC()}, r.check(e, rate)
}

func (p *planner) events(ctx context.Context, job Job) (Plan, error) {
	until, err := p.replays.Letters.Routed(ctx)
	if err != nil {
		return Plan{}, err
	}
	p.plan.Until, p.far.Last, p.named = until, until, slices.Clone(job.Events.Filter.Sequences)
	job.Plan = p.plan
	pass := pass{replays: p.replays, job: job, tell: p.event, due: func() bool { return false }, size: batch}
	pass.read = func(sequence uint64) { p.met(sequence, p.plan.Events) }
	pass.handle = func(ctx context.Context) error {
		found, err := pass.sift(ctx)
		p.deliveries(found.plans)
		return err
	}
	if err := pass.run(ctx); err != nil {
		return Plan{}, err
	}
	switch {
	case len(p.named) > 0:
		return Plan{}, fmt.Errorf("%w: %d", queue.ErrNoEvent, p.named[0])
	case p.plan.Events == 0:
		return Plan{}, ErrNoEvents
	}
	p.plan.Skips = pass.skips
	return p.done(), nil
}

func (r *Replays) check(e Events, rate float64) error {
	switch {
	case r.Routes == nil:
		return ErrNoRoutes
	case rate < 0:
		return fmt.Errorf("the rate is %g, and cannot be negative", rate)
	case e.User != "" && !schema.ValidID(e.User):
		return fmt.Errorf("user: %q is no id", e.User)
	case len(e.Channels) == 0:
		return errors.New("channels: none is offered")
	}
	return e.Filter.Check()
}

// event counts one event of the plan.
func (p *planner) event(e queue.PublishedEvent) {
	p.named = slices.DeleteFunc(p.named, func(sequence uint64) bool { return sequence == e.Sequence })
	if p.plan.Events == 0 {
		p.plan.Oldest = e.Stored
	}
	p.plan.Events++
	p.plan.Newest = e.Stored
}

// deliveries counts what would be sent.
func (p *planner) deliveries(plans []schema.Plan) {
	for _, plan := range plans {
		for _, d := range plan.Deliveries {
			p.plan.Deliveries++
			p.count(Group{Channel: d.Channel, Type: d.Event.Type}, 1)
			if len(p.plan.Examples) < mostExamples {
				p.plan.Examples = append(p.plan.Examples, Example{
					Sequence: plan.Sequence, Stored: d.Event.Time.UTC(), Channel: d.Channel, Type: d.Event.Type,
					Account: d.Event.Account, User: d.User,
				})
			}
		}
	}
}

// events routes event by event again, until all are handled or the job is told
// otherwise.
func (r *run) events(ctx context.Context) error {
	p := &pass{replays: r.replays, job: r.job, due: r.tired, size: r.size, after: r.after}
	p.handle = func(ctx context.Context) error {
		found, err := p.sift(ctx)
		if err == nil {
			err = r.send(ctx, found)
		}
		if err != nil {
			return err
		}
		r.job.Skipped += p.skips.Sum()
		for why, n := range p.skips {
			r.job.Skips.skip(why, n)
		}
		r.job.Routed += p.whole
		p.skips, p.whole, r.after = nil, 0, p.after
		return r.goOn(ctx)
	}
	err := p.run(ctx)
	if errors.Is(err, errRests) {
		return nil
	}
	return err
}

// errRests ends a run whose job was told to rest.
var errRests = errors.New("the replay rests")

// goOn saves how far the job has come, and learns whether to go on.
func (r *run) goOn(ctx context.Context) error {
	if err := r.renew(ctx); err != nil {
		return err
	}
	if r.job.State != Running {
		return errRests
	}
	return nil
}

// send stores plans at the job's rate. An event can mean thousands of deliveries:
// they go member by member, and the job can be told to rest between them.
func (r *run) send(ctx context.Context, found sifted) error {
	for plans := found.plans; len(plans) > 0; {
		n, deliveries := 0, 0
		for n < len(plans) && (n == 0 || deliveries+len(plans[n].Deliveries) <= r.size) {
			deliveries += len(plans[n].Deliveries)
			n++
		}
		if err := r.pace(ctx, deliveries); err != nil {
			return err
		}
		if err := r.replays.Letters.RouteAgain(ctx, plans[:n]); err != nil {
			return err
		}
		r.job.Replayed += deliveries
		if plans = plans[n:]; len(plans) == 0 {
			break
		}
		if err := r.goOn(ctx); err != nil {
			return err
		}
	}
	return r.replays.Letters.Exhume(ctx, found.dead, found.died...)
}

// pace waits until n more may be sent.
func (r *run) pace(ctx context.Context, n int) error {
	for ; n > 0; n -= r.size {
		if err := r.limiter.WaitN(ctx, min(n, r.size)); err != nil {
			return fmt.Errorf("keep the rate: %w", err)
		}
	}
	return nil
}
