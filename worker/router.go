package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/faultpoint"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
)

// claims keeps an event that was published twice from being routed twice, and
// one that is handed out twice from being stored twice.
type claims interface {
	Claim(ctx context.Context, e schema.Event, sequence uint64) (prefs.Claim, error)
	MarkRouted(ctx context.Context, e schema.Event, sequence uint64) error

	// How far the fan-out of a large account has come.
	Stored(ctx context.Context, e schema.Event, sequence uint64) (users []string, err error)
	NoteStored(ctx context.Context, e schema.Event, sequence uint64, users []string) error
	ForgetStored(ctx context.Context, e schema.Event, sequence uint64) error
}

// outages remembers since when a resource is down.
type outages interface {
	NoteTurn(ctx context.Context, e schema.Event) (since time.Time, err error)
}

// members tells who is to be told of an account's events, in chunks.
type members interface {
	Recipients(ctx context.Context, account, onlyUser string) iter.Seq2[[]prefs.Recipient, error]
}

// publisher stores deliveries, and what was planned. It may be called again with
// the same plans.
type publisher interface {
	PublishPlans(ctx context.Context, plans []schema.Plan) error
	// PublishPlansBehind gives way to what others store.
	PublishPlansBehind(ctx context.Context, plans []schema.Plan) error
}

// Router turns one event into the deliveries that its account's members want.
type Router struct {
	Parse      func(schema.Message) (schema.Event, error)
	Claims     claims
	Outages    outages // nil: nobody is told how long something was down
	Members    members
	Deliveries publisher
	Offered    []string     // channels of this installation
	Tracer     trace.Tracer // nil: no spans
	Meter      routeMeter   // nil: nobody counts
	Share      *Share       // of each account; nil: all go by the same lane
	Log        *zap.Logger

	room, roomBehind room // for what is planned and not yet stored
}

// Route handles one event. It returns when every delivery is stored, so that an
// event that was acknowledged is never lost. When stop is done it gives up what
// it is only waiting for.
func (r *Router) Route(stop, ctx context.Context, published queue.PublishedEvent) (outcome queue.Outcome) {
	if !published.Deferred && r.Share.Exceeds(schema.AccountOf(published.Message), allEvents, time.Now()) {
		return queue.DeferEvent()
	}
	event, err := r.Read(published.Message)
	if err != nil {
		r.routed(schema.TypeOf(published.Subject), EventRefused, published.Stored)
		r.Log.Warn("event refused", zap.Uint64("sequence", published.Sequence), zap.Error(err))
		return queue.BuryEvent(deathOf(err))
	}
	ctx, event, end := r.traceRouting(ctx, event)
	stored, ending := progress{}, EventRouted
	err = patiently(stop, r.Log, "route an event", func() (err error) {
		ending, err = r.fanOut(ctx, event, published, stored)
		return err
	})
	end(ending, len(stored), err)
	switch {
	case err == nil && ending == eventDeferred:
		return queue.DeferEvent()
	case err == nil:
		r.routed(event.Type, ending, published.Stored)
		return queue.Done()
	case stop.Err() != nil || ctx.Err() != nil:
		return queue.HandBack()
	default:
		r.routed(event.Type, EventFailed, published.Stored)
		r.Log.Error("event cannot be routed", zap.Uint64("sequence", published.Sequence), zap.Error(err))
		return queue.BuryEvent(queue.Death{Cause: queue.Permanent, Type: event.Type, Reason: err.Error()})
	}
}

// largeAccount is how many members make an account's events wait for those of
// others: storing what such an event means takes a tenth of a second and more.
const largeAccount = 500

// eventDeferred is the ending of an event that goes to the lane beside, where it
// is routed.
const eventDeferred = "deferred"

// allEvents is the name by which the share of an account's events is counted. No
// channel has it.
const allEvents = "event"

// Read parses an event, and guards against a parser that panics: one event is
// lost to routing, not the worker.
func (r *Router) Read(m schema.Message) (e schema.Event, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			r.Log.Error("parsing an event panicked", zap.Any("cause", cause), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("parsing it panicked")
		}
	}()
	return r.Parse(m)
}

func deathOf(err error) queue.Death {
	death := queue.Death{Cause: queue.Invalid, Type: schema.UnknownType, Reason: err.Error()}
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		death.Type = invalid.Type
	}
	return death
}

// progress holds the users whose plans are known to be stored, with all their
// deliveries: a server that was killed, and a cluster whose servers were restarted
// one by one, remember no ids of those that have left their queue since, and would
// store them once more.
type progress map[string]bool

func (r *Router) fanOut(ctx context.Context, event schema.Event, published queue.PublishedEvent, stored progress) (ending string, err error) {
	sequence := published.Sequence
	claim, err := r.Claims.Claim(ctx, event, sequence)
	if err != nil {
		return "", fmt.Errorf("claim event: %w", err)
	}
	if claim != prefs.ClaimNew {
		r.Log.Debug("event is a duplicate", zap.Uint64("sequence", sequence))
		return EventDuplicate, nil
	}
	since, err := r.since(ctx, event)
	if err != nil {
		return "", err
	}
	planned, found := time.Now(), 0
	for recipients, err := range r.Members.Recipients(ctx, event.Account, event.User) {
		if err != nil {
			return "", fmt.Errorf("read the members of %s: %w", event.Account, err)
		}
		if !published.Deferred && len(recipients) >= largeAccount {
			return eventDeferred, nil
		}
		large := len(recipients) >= largeAccount
		if large && found == 0 {
			if err := r.resume(ctx, event, sequence, stored); err != nil {
				return "", err
			}
		}
		found += len(recipients)
		if err := r.tell(ctx, event, published, recipients, stored, since, planned); err != nil {
			return "", err
		}
		if large {
			if err := r.Claims.NoteStored(ctx, event, sequence, usersOf(recipients)); err != nil {
				return "", err
			}
		}
		if faultpoint.On && large {
			faultpoint.Reached("fan-out: chunk of a large account stored")
		}
	}
	if ending = EventRouted; found == 0 {
		ending = EventNobody
		if err := r.tellNobody(ctx, event, sequence, planned); err != nil {
			return "", err
		}
	}
	if err := r.Claims.MarkRouted(ctx, event, sequence); err != nil {
		return "", err
	}
	if found >= largeAccount {
		if err := r.Claims.ForgetStored(ctx, event, sequence); err != nil { // it is forgotten in time
			r.Log.Warn("Redis still holds how far an event was routed", zap.Uint64("sequence", sequence), zap.Error(err))
		}
	}
	return ending, nil
}

// tell plans an event for some members, and returns when all of it is stored.
func (r *Router) tell(ctx context.Context, event schema.Event, published queue.PublishedEvent, to []prefs.Recipient, stored progress, since, planned time.Time) error {
	room, publish := &r.room, r.Deliveries.PublishPlans
	if published.Deferred {
		room, publish = &r.roomBehind, r.Deliveries.PublishPlansBehind
	}
	leave, err := room.enter(ctx, len(to))
	if err != nil {
		return fmt.Errorf("wait for other events: %w", err)
	}
	defer leave()
	plans := slices.DeleteFunc(r.plan(event, published.Sequence, to, r.Offered, planned),
		func(p schema.Plan) bool { return stored[p.User] })
	for i := range plans {
		for j := range plans[i].Deliveries {
			d := &plans[i].Deliveries[j]
			d.Published, d.Since, d.Crowd = published.Stored, since, r.Share.Exceeds(event.Account, d.Channel, planned)
		}
	}
	if err := publish(ctx, plans); err != nil {
		return err
	}
	for _, p := range plans {
		stored[p.User] = true
		r.planned(p)
	}
	return nil
}

// resume learns how far another worker has come, before it died, with the event
// of a large account. Of an event for few there is little to store once more.
func (r *Router) resume(ctx context.Context, event schema.Event, sequence uint64, stored progress) error {
	users, err := r.Claims.Stored(ctx, event, sequence)
	for _, user := range users {
		stored[user] = true
	}
	return err
}

func usersOf(recipients []prefs.Recipient) []string {
	users := make([]string, len(recipients))
	for i, r := range recipients {
		users[i] = r.User
	}
	return users
}

// Plans says what an event means now by the offered channels, for all members of
// its account or for one user alone, in chunks. Nothing is stored, and an outage
// that the event began or ended is not noted once more. Its deliveries wait apart,
// as those of an account that has more than its share: what is routed again is in
// nobody's way.
func (r *Router) Plans(ctx context.Context, event schema.Event, sequence uint64, user string, offered []string) iter.Seq2[[]schema.Plan, error] {
	return func(yield func([]schema.Plan, error) bool) {
		if event.User != "" && user != "" && event.User != user {
			return
		}
		planned := time.Now()
		for recipients, err := range r.Members.Recipients(ctx, event.Account, cmp.Or(user, event.User)) {
			if err != nil {
				yield(nil, fmt.Errorf("read the members of %s: %w", event.Account, err))
				return
			}
			plans := r.plan(event, sequence, recipients, offered, planned)
			for i := range plans {
				for j := range plans[i].Deliveries {
					plans[i].Deliveries[j].Crowd = true
				}
			}
			if !yield(plans, nil) {
				return
			}
		}
	}
}

// plan says what an event means for some members of its account.
func (r *Router) plan(event schema.Event, sequence uint64, recipients []prefs.Recipient, offered []string, now time.Time) []schema.Plan {
	r.logUnreadable(recipients)
	plans, summary := prefs.Plan(event, recipients, offered, now), channels.Line(event)
	for i := range plans {
		plans[i].Sequence, plans[i].Summary = sequence, summary
	}
	return plans
}

// tellNobody notes that an event has reached nobody, because its account has no
// members. The platform may mean it so; or Redis has lost them, and operators
// see here which events to route again once they are restored.
func (r *Router) tellNobody(ctx context.Context, event schema.Event, sequence uint64, now time.Time) error {
	plan := prefs.PlanNobody(event, r.Offered, now)
	plan.Sequence, plan.Summary = sequence, channels.Line(event)
	r.Log.Warn("nobody is told of an event", zap.Uint64("sequence", sequence), zap.String("type", event.Type),
		zap.String("account", event.Account), zap.String("user", event.User), zap.Stringer("reason", plan.Skipped[0].Rule))
	return r.Deliveries.PublishPlans(ctx, []schema.Plan{plan})
}

// since is when the outage began that the event ends. An event is not held up
// because that cannot be known, unless Redis is to be waited for anyway.
func (r *Router) since(ctx context.Context, event schema.Event) (time.Time, error) {
	if r.Outages == nil {
		return time.Time{}, nil
	}
	since, err := r.Outages.NoteTurn(ctx, event)
	if err != nil && !prefs.Unavailable(err) && ctx.Err() == nil {
		r.Log.Warn("nobody is told how long it was down", zap.String("type", event.Type), zap.Error(err))
		return time.Time{}, nil
	}
	return since, err
}

// logUnreadable tells operators of damaged records, which routing passes over.
func (r *Router) logUnreadable(recipients []prefs.Recipient) {
	for _, recipient := range recipients {
		if len(recipient.Unreadable) > 0 {
			r.Log.Error("damaged preferences", zap.String("user", recipient.User), zap.Strings("fields", recipient.Unreadable))
		}
	}
}
