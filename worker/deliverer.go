package worker

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/pace"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
)

// targets reads, at every attempt, where a delivery goes now, and switches off
// what is no more.
type targets interface {
	Resolve(ctx context.Context, d schema.Delivery) (prefs.Resolution, error)
	SwitchOff(ctx context.Context, user string, target prefs.TargetRef, reason string, savedBefore time.Time) (bool, error)
}

// Deliverer makes the attempts of one channel.
type Deliverer struct {
	Channel channels.Channel
	Spec    channels.Spec
	Targets targets
	Policy  Policy
	Pacer   *pace.Pacer // used where Spec has a rate
	Notices publisher   // to owners of targets that are switched off; nil where there is no email
	Slots   int         // attempts at a time
	Log     *zap.Logger

	Tracer    trace.Tracer     // nil: no spans, and the trace of an event is passed on as it came
	Meter     meter            // nil: nobody counts
	Isolation *Isolation       // used where Spec.Host is set; nil: endpoints are not kept apart
	Clock     func() time.Time // nil: the system's
}

func (dl *Deliverer) now() time.Time {
	if dl.Clock != nil {
		return dl.Clock()
	}
	return time.Now()
}

// Deliver makes one attempt and says what becomes of the delivery. When stop is
// done it gives up what it is only waiting for; an attempt that has begun ends
// with ctx.
func (dl *Deliverer) Deliver(stop, ctx context.Context, d schema.Delivery) queue.Outcome {
	log := dl.Log.WithLazy(zap.String("delivery", d.ID()), zap.String("type", d.Event.Type),
		zap.String("account", d.Event.Account), zap.String("user", d.User), traceField(d.Event))
	resolution, err := dl.resolve(stop, ctx, d)
	switch {
	case err != nil:
		return dl.undecided(stop, ctx, log, d, fmt.Errorf("read the target's settings: %w", err))
	case resolution.Suppressed != "":
		log.Info("suppressed", zap.String("reason", resolution.Why))
		dl.ended(OutcomeSuppressed, string(resolution.Suppressed))
		return queue.Suppress(d, resolution.Suppressed, resolution.Why)
	}
	p, instead := dl.admit(stop, ctx, log, d, resolution)
	if instead != nil {
		return *instead
	}
	return dl.send(stop, ctx, log, d, targetOf(d, resolution), p)
}

// send makes the attempt and acts on its answer.
func (dl *Deliverer) send(stop, ctx context.Context, log *zap.Logger, d schema.Delivery, to channels.Target, p permit) queue.Outcome {
	began := dl.now()
	traced, seen, end := dl.traceAttempt(ctx, d)
	err := dl.attempt(traced, seen, to, p.turn)
	end(err)
	if err != nil && ctx.Err() != nil {
		dl.abandon(ctx, p.visits)
		return queue.HandBack()
	}
	a := attempt{began: began, ended: dl.now()}
	took := a.ended.Sub(began)
	dl.attempted(took)
	if err == nil {
		dl.learn(stop, log, p, a)
		dl.told(stop, d, p.turn)
		d.Attempts++
		d.Last = schema.Attempt{At: began, Took: took}
		dl.delivered(d, reasonOK)
		log.Debug("delivered", zap.Int("attempt", d.Attempts), zap.Duration("took", took))
		return queue.Delivered(d)
	}
	failure := channels.FailureOf(err)
	a.failure = &failure
	fares := dl.learn(stop, log, p, a)
	dl.leaveAlone(stop, p.turn, failure.Wait)
	if failure.Kind == channels.Gone {
		dl.switchOff(stop, log, d, failure, began)
	} else {
		dl.warnOwner(stop, log, d, p, fares)
	}
	d.Last.Took, d.Last.Host = took, p.host.Address()
	return dl.failed(log, d, failure, classOf(failure))
}

func (dl *Deliverer) resolve(stop, ctx context.Context, d schema.Delivery) (resolution prefs.Resolution, err error) {
	err = patiently(stop, dl.Log, "read preferences", func() error {
		resolution, err = dl.Targets.Resolve(ctx, d)
		return err
	})
	return resolution, err
}

func targetOf(d schema.Delivery, r prefs.Resolution) channels.Target {
	return channels.Target{ID: d.Target, Settings: r.Settings, Since: r.Since, Person: channels.Person(r.Profile)}
}

// attempt sends once, within the channel's time, and turns a panic into the
// failure of this one delivery.
func (dl *Deliverer) attempt(ctx context.Context, d schema.Delivery, to channels.Target, t turn) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			dl.Log.Error("channel panicked", zap.String("delivery", d.ID()),
				zap.Any("cause", cause), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("channel %s panicked", dl.Spec.Name)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, dl.Spec.Timeout)
	defer cancel()
	return dl.speak(ctx, d, to, t)
}

// switchOff ends a target that is no more, unless its owner has saved it anew
// since it ended, or since the attempt began.
func (dl *Deliverer) switchOff(stop context.Context, log *zap.Logger, d schema.Delivery, f channels.Failure, began time.Time) {
	ended := f.Since
	if ended.IsZero() {
		ended = began
	}
	did := false
	err := patiently(stop, log, "switch a target off", func() (err error) {
		target := prefs.TargetRef{Channel: d.Channel, ID: d.Target}
		did, err = dl.Targets.SwitchOff(context.WithoutCancel(stop), d.User, target, f.Error(), ended)
		return err
	})
	if err != nil { // the next delivery to it will learn the same and try again
		log.Warn("target is still on", zap.Error(err))
	}
	if did {
		dl.targeted(MeasureSwitchedOff)
		dl.tellOwner(stop, log, d, f)
	}
}

// failed counts the attempt and decides between another one and a dead letter.
func (dl *Deliverer) failed(log *zap.Logger, d schema.Delivery, f channels.Failure, class string) queue.Outcome {
	now := dl.now()
	if f.Kind != channels.Misconfigured {
		d.Attempts++
	}
	d.Last = schema.Attempt{At: now, Status: f.Status, Reason: f.Error(), Host: d.Last.Host, Took: d.Last.Took}
	d.Planned = earlier(d.Planned, now) // its retry window would never end
	log = log.With(zap.Int("attempt", d.Attempts), zap.String("status", f.Status), zap.String("reason", f.Error()))
	switch f.Kind {
	case channels.Permanent:
		log.Warn("dead")
		return dl.bury(d, queue.Permanent, f, class)
	case channels.Gone:
		log.Warn("dead; its target is no more")
		return dl.bury(d, queue.Gone, f, class)
	case channels.Misconfigured:
		log.Error("this installation cannot deliver by the channel; waiting for its operator")
		f.Wait = max(f.Wait, misconfiguredWait)
	}
	due, worthwhile := dl.Policy.Within(dl.Spec.Window).Next(d.ID(), max(d.Attempts, 1), d.Planned, now, f.Wait)
	if !worthwhile {
		log.Warn("dead; its retry window is over")
		return dl.bury(d, queue.Exhausted, f, class)
	}
	d.Due = due
	dl.ended(OutcomeRetried, class)
	log.Info("failed; will be tried again", zap.Time("due", due))
	return queue.Retry(d)
}

func (dl *Deliverer) bury(d schema.Delivery, cause queue.Cause, f channels.Failure, class string) queue.Outcome {
	dl.ended(OutcomeDead, class)
	return queue.Bury(d, queue.Death{Cause: cause, Reason: f.Error()})
}

// misconfiguredWait is how soon a delivery that the installation itself held up
// is tried again: an operator who has mended it does not want to wait longer.
const misconfiguredWait = time.Minute
