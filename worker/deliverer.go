package worker

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"tocsin/channels"
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
	Slots   int // attempts at a time
	Log     *zap.Logger
}

// Deliver makes one attempt and says what becomes of the delivery. When stop is
// done it gives up what it is only waiting for; an attempt that has begun ends
// with ctx.
func (dl *Deliverer) Deliver(stop, ctx context.Context, d schema.Delivery) queue.Outcome {
	log := dl.Log.With(zap.String("delivery", d.ID()), zap.String("type", d.Event.Type),
		zap.String("account", d.Event.Account), zap.String("user", d.User))
	resolution, err := dl.resolve(stop, ctx, d)
	switch {
	case err != nil && (stop.Err() != nil || ctx.Err() != nil):
		return queue.HandBack()
	case err != nil:
		return dl.failed(log, d, channels.Failure{Err: fmt.Errorf("read the target's settings: %w", err)})
	case resolution.Suppressed != "":
		log.Info("suppressed", zap.String("reason", resolution.Suppressed))
		return queue.Done()
	}
	began := time.Now()
	if err := dl.attempt(ctx, d, targetOf(d, resolution)); err != nil {
		if ctx.Err() != nil {
			return queue.HandBack()
		}
		failure := channels.FailureOf(err)
		if failure.Kind == channels.Gone {
			dl.switchOff(stop, log, d, failure, began)
		}
		return dl.failed(log, d, failure)
	}
	log.Info("delivered", zap.Int("attempt", d.Attempts+1), zap.Duration("took", time.Since(began)))
	return queue.Done()
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
func (dl *Deliverer) attempt(ctx context.Context, d schema.Delivery, to channels.Target) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			dl.Log.Error("channel panicked", zap.String("delivery", d.ID()),
				zap.Any("cause", cause), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("channel %s panicked", dl.Spec.Name)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, dl.Spec.Timeout)
	defer cancel()
	return dl.Channel.Send(ctx, d, to)
}

// switchOff ends a target that is no more, unless its owner has saved it anew
// since it ended, or since the attempt began.
func (dl *Deliverer) switchOff(stop context.Context, log *zap.Logger, d schema.Delivery, f channels.Failure, began time.Time) {
	ended := f.Since
	if ended.IsZero() {
		ended = began
	}
	err := patiently(stop, log, "switch a target off", func() error {
		target := prefs.TargetRef{Channel: d.Channel, ID: d.Target}
		_, err := dl.Targets.SwitchOff(context.WithoutCancel(stop), d.User, target, f.Error(), ended)
		return err
	})
	if err != nil { // the next delivery to it will learn the same and try again
		log.Warn("target is still on", zap.Error(err))
	}
}

// failed counts the attempt and decides between another one and a dead letter.
func (dl *Deliverer) failed(log *zap.Logger, d schema.Delivery, f channels.Failure) queue.Outcome {
	now := time.Now()
	d.Attempts++
	d.Last = schema.Attempt{At: now, Status: f.Status, Reason: f.Error()}
	log = log.With(zap.Int("attempt", d.Attempts), zap.String("status", f.Status), zap.String("reason", f.Error()))
	switch f.Kind {
	case channels.Permanent:
		log.Warn("dead")
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: f.Error()})
	case channels.Gone:
		log.Warn("dead; its target is no more")
		return queue.Bury(d, queue.Death{Cause: queue.Gone, Reason: f.Error()})
	}
	due, worthwhile := dl.Policy.Within(dl.Spec.Window).Next(d.ID(), d.Attempts, d.Planned, now, f.Wait)
	if !worthwhile {
		log.Warn("dead; its retry window is over")
		return queue.Bury(d, queue.Death{Cause: queue.Exhausted, Reason: f.Error()})
	}
	d.Due = due
	log.Info("failed; will be tried again", zap.Time("due", due))
	return queue.Park(d)
}
