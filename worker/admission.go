package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/pace"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
)

// permit lets a delivery be sent now. Who has one sends, or abandons it.
type permit struct {
	visits []*breaker.Visit // of its target and of its host; none where the channel isolates nothing
	host   channels.Host
	turn   turn // of its room
}

// admit asks whether a delivery may be sent now. If not, it says what becomes of
// it instead.
func (dl *Deliverer) admit(stop, ctx context.Context, log *zap.Logger, d schema.Delivery, r prefs.Resolution) (p permit, instead *queue.Outcome) {
	otherwise := func(o queue.Outcome) (permit, *queue.Outcome) { return permit{}, &o }
	host := dl.hostOf(r)
	visits, held, err := dl.visit(stop, ctx, d, r.Fares, host)
	switch {
	case err != nil:
		return otherwise(dl.undecided(stop, ctx, log, d, err))
	case held.For > 0:
		return otherwise(dl.hold(log, d, held, classOfHeld(held)))
	}
	asked := false
	defer func() {
		if !asked { // it panicked, and nobody else gives the seats back
			dl.abandon(ctx, visits)
		}
	}()
	turn, err := dl.takeTurn(stop, ctx, d, r)
	asked = true
	if err == nil && turn.verdict.Answer == pace.Send {
		return permit{visits, host, turn}, nil
	}
	dl.abandon(ctx, visits)
	switch {
	case err != nil:
		return otherwise(dl.undecided(stop, ctx, log, d, err))
	case turn.verdict.Answer == pace.Told:
		log.Info("delivered in another message", zap.String("by", turn.verdict.By))
		d.Last = schema.Attempt{At: dl.now(), Reason: "told in another message to the same room"}
		dl.delivered(d, reasonListed)
		return otherwise(queue.Delivered(d))
	}
	return otherwise(dl.hold(log, d, breaker.Held{For: turn.verdict.Wait}, reasonPaced))
}

// undecided is what becomes of a delivery about which something could not be
// asked, however patiently.
func (dl *Deliverer) undecided(stop, ctx context.Context, log *zap.Logger, d schema.Delivery, err error) queue.Outcome {
	if stop.Err() != nil || ctx.Err() != nil {
		return queue.HandBack()
	}
	return dl.failed(log, d, channels.Failure{Err: err}, reasonUnasked)
}

// hold sends a delivery away whose endpoint takes nothing now. No attempt is
// counted, and the ledger has nothing to tell; but its retry window goes on.
func (dl *Deliverer) hold(log *zap.Logger, d schema.Delivery, held breaker.Held, class string) queue.Outcome {
	now := dl.now()
	d.Planned = earlier(d.Planned, now)
	d.Due = now.Add(held.For)
	if d.Due.Sub(d.Planned) <= dl.Policy.Within(dl.Spec.Window).Window {
		log.Debug("held back", zap.Bool("open", held.Open), zap.Time("due", d.Due))
		dl.ended(OutcomeHeld, class)
		return queue.Park(d)
	}
	reason := "its endpoint never had room for it"
	if held.Open {
		reason = "held back because its endpoint does not work: " + held.Why
	}
	log.Warn("dead; its retry window is over", zap.String("reason", reason))
	dl.ended(OutcomeDead, class)
	return queue.Bury(d, queue.Death{Cause: queue.Exhausted, Reason: reason})
}

// abandon gives up visits of which no attempt was made.
func (dl *Deliverer) abandon(ctx context.Context, visits []*breaker.Visit) {
	if err := breaker.Abandon(context.WithoutCancel(ctx), dl.now(), visits); err != nil {
		dl.Log.Warn("nobody else tries an endpoint for a while", zap.Error(err))
	}
}

// earlier guards against a moment that a wrong clock put into the future.
func earlier(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}
