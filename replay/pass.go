package replay

import (
	"context"
	"slices"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// pass goes through the events of a job, and gathers what each means now.
type pass struct {
	replays *Replays
	job     Job
	history *history
	queues  *queues // nil: nobody had to look into them yet
	skips   Skips

	read   func(sequence uint64)           // hears of each event that was looked at; nil: nobody
	tell   func(queue.PublishedEvent)      // hears of each event of the job; nil: nobody
	handle func(ctx context.Context) error // what is in hand
	due    func() bool                     // whether that is to be handled although it is little

	size   int // of a batch
	inHand []schema.Plan
	count  int    // deliveries in hand
	bytes  int    // of the events in hand
	met    int    // events of the job, ever
	whole  int    // events of which all is in hand
	after  uint64 // the newest of these
}

func (p *pass) run(ctx context.Context) error {
	for e, err := range p.replays.Letters.Events(ctx, p.job.Events.Filter, p.job.After) {
		if err != nil {
			return err
		}
		if e.Sequence > p.job.Plan.Until {
			break
		}
		before := p.met
		if err := p.look(ctx, e); err != nil {
			return err
		}
		p.after, p.whole = e.Sequence, p.whole+p.met-before
		if p.read != nil {
			p.read(e.Sequence)
		}
		if err := p.handleIfDue(ctx); err != nil {
			return err
		}
	}
	return p.handle(ctx)
}

// look gathers what one event means. One that does not validate is a dead letter;
// it counts if it was named.
func (p *pass) look(ctx context.Context, e queue.PublishedEvent) error {
	wanted := p.job.Events
	event, err := p.replays.Routes.Read(e.Message)
	switch {
	case err != nil && slices.Contains(wanted.Filter.Sequences, e.Sequence):
		p.meet(e)
		p.skips.skip(SkipInvalid, 1)
		return nil
	case err != nil, !wanted.Filter.Matches(e, event):
		return nil
	}
	p.meet(e)
	if p.history == nil {
		p.history = newHistory(p.replays.Letters, e.Stored)
	}
	p.bytes += len(e.Body)
	for plans, err := range p.replays.Routes.Plans(ctx, event, e.Sequence, wanted.User, wanted.Channels) {
		if err != nil {
			return err
		}
		p.inHand = append(p.inHand, plans...)
		for _, plan := range plans {
			p.count += len(plan.Deliveries)
		}
		if err := p.handleIfDue(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) meet(e queue.PublishedEvent) {
	p.met++
	if p.tell != nil {
		p.tell(e)
	}
}

func (p *pass) handleIfDue(ctx context.Context) error {
	if p.count < p.size && p.bytes < batchBytes && !p.due() {
		return nil
	}
	return p.handle(ctx)
}

// sifted is what is to be sent of what was in hand.
type sifted struct {
	plans []schema.Plan
	dead  []schema.Delivery // of these, what has a dead letter
	died  []time.Time       // when each of them died
}

// sift takes what is in hand, and leaves out and counts what is not to be sent.
func (p *pass) sift(ctx context.Context) (found sifted, err error) {
	inHand := p.inHand
	p.inHand, p.count, p.bytes = nil, 0, 0
	if len(inHand) == 0 {
		return found, nil
	}
	members := make([]member, len(inHand))
	for i, plan := range inHand {
		members[i] = member{plan.Event.Account, plan.User}
	}
	if err := p.history.learn(ctx, members); err != nil {
		return found, err
	}
	for _, plan := range inHand {
		all := plan.Deliveries
		plan.Deliveries = nil
		for _, d := range all {
			f, known := p.history.of(d)
			why, skip := p.skip(f, known)
			if why == SkipWaiting {
				if skip, err = p.waits(ctx, d, f); err != nil {
					return found, err
				}
			}
			if skip {
				p.skips.skip(why, 1)
				continue
			}
			if known {
				d.Replays = int(f.replay) + 1
			}
			if f.died != 0 {
				found.dead, found.died = append(found.dead, d), append(found.died, time.Unix(0, f.died))
			}
			p.history.begun(d)
			plan.Deliveries = append(plan.Deliveries, d)
		}
		if len(plan.Deliveries) > 0 {
			found.plans = append(found.plans, plan)
		}
	}
	return found, nil
}

// waits reports whether a delivery that has not ended really lies in a queue. One
// that does not is missing: that is what the audit finds, and this mends.
func (p *pass) waits(ctx context.Context, d schema.Delivery, f fate) (bool, error) {
	if p.queues == nil {
		found, err := lookInto(ctx, p.replays.Letters)
		if err != nil {
			return false, err
		}
		p.queues = found
	}
	return p.queues.has(d, f), nil
}

// skip reports whether a delivery is not to be sent, and why. What was sent since
// the plan was made needs no word: it was this job that sent it, before it was
// paused or its process died, or for an event that was published twice.
func (p *pass) skip(f fate, known bool) (why string, skip bool) {
	switch {
	case !known:
		return "", false
	case f.sent > p.job.Made.UnixNano():
		return "", true
	case f.open:
		return SkipWaiting, true
	case f.delivered > 0 && !p.job.Events.Resend:
		return SkipDelivered, true
	}
	return "", false
}
