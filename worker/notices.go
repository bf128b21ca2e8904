package worker

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/schema"
)

// steps are how long a target has failed without one success when its owner is
// warned, and, the last, when it is switched off.
var steps = [...]time.Duration{1 * day, 3 * day, 4 * day, 5 * day}

const (
	day     = 24 * time.Hour
	offStep = len(steps) - 1
)

// warnOwner takes the next step towards switching off a target, if it is time
// for it. One step comes after the other, each as long after the one before as
// if attempts were made all the time: where they are rare, nobody is switched
// off without having been warned a day before.
func (dl *Deliverer) warnOwner(stop context.Context, log *zap.Logger, d schema.Delivery, p permit, fares breaker.State) {
	now := dl.now()
	if len(p.visits) == 0 || !isTime(fares, now) {
		return
	}
	if fares.Warned >= offStep {
		if !dl.stillFails(stop, log, p, fares) {
			return
		}
		since := fares.Failing.UTC().Format("2 January 2006, 15:04 MST")
		reason := fmt.Errorf("nothing could be delivered since %s; at last: %s", since, fares.Error)
		dl.switchOff(stop, log, d, channels.Failure{Err: reason}, now)
		return
	}
	if !dl.mailWarning(stop, log, d, fares) {
		return // the next attempt tries again
	}
	dl.targeted(MeasureWarned)
	if _, err := dl.noteStep(stop, log, p, fares, now); err != nil {
		log.Warn("an owner may be warned twice", zap.Error(err))
	}
}

// stillFails asks the fleet whether the target fares as this worker believes: it
// may have worked, or been saved anew, while the attempt was under way. WarnedAt
// stays: if this worker dies before it has switched the target off, the next
// attempt does.
func (dl *Deliverer) stillFails(stop context.Context, log *zap.Logger, p permit, fares breaker.State) bool {
	noted, err := dl.noteStep(stop, log, p, fares, fares.WarnedAt)
	return err == nil && noted.Warned > fares.Warned && noted.Failing.Equal(fares.Failing)
}

// noteStep counts a step for the fleet, unless another worker was faster, or the
// target works again.
func (dl *Deliverer) noteStep(stop context.Context, log *zap.Logger, p permit, fares breaker.State, at time.Time) (noted breaker.State, err error) {
	err = patiently(stop, log, "note a step towards switching a target off", func() (err error) {
		noted, err = p.visits[0].Change(context.WithoutCancel(stop), func(s breaker.State) (breaker.State, bool) {
			if s.Warned != fares.Warned || !s.Failing.Equal(fares.Failing) {
				return s, false
			}
			s.Warned, s.WarnedAt = s.Warned+1, at
			return s, true
		})
		return err
	})
	return noted, err
}

// isTime reports whether the next step is due.
func isTime(fares breaker.State, now time.Time) bool {
	if fares.Failing.IsZero() {
		return false
	}
	n := min(fares.Warned, offStep)
	if now.Before(fares.Failing.Add(steps[n])) {
		return false
	}
	return n == 0 || !now.Before(fares.WarnedAt.Add(steps[n]-steps[n-1]))
}

// mailWarning says that a target fails and will be switched off. The mail's id
// follows from what it says, so that two workers who send it send one.
func (dl *Deliverer) mailWarning(stop context.Context, log *zap.Logger, d schema.Delivery, fares breaker.State) bool {
	now := dl.now()
	notice, err := schema.NoticeOfFailing(d, schema.Failing{
		Channel: dl.Spec.Label, Reason: fares.Error, Since: fares.Failing,
		Off: now.Add(steps[offStep] - steps[fares.Warned]).UTC().Truncate(time.Minute),
	}, fares.Warned+1, now)
	return dl.tell(stop, log, d, notice, err)
}

// tellOwner mails the owner of a target that was switched off.
func (dl *Deliverer) tellOwner(stop context.Context, log *zap.Logger, d schema.Delivery, f channels.Failure) {
	notice, err := schema.NoticeOfSwitchedOff(d, schema.SwitchedOff{Channel: dl.Spec.Label, Reason: f.Error()}, dl.now())
	dl.tell(stop, log, d, notice, err)
}

// tell sends a notice to the owner of d's target, unless it is mail itself that
// does not reach them, and reports whether nothing is left to do. It is a
// delivery like any other, with retries and an end.
func (dl *Deliverer) tell(stop context.Context, log *zap.Logger, d schema.Delivery, notice schema.Delivery, err error) bool {
	if dl.Notices == nil || d.Channel == schema.NoticeChannel {
		return true
	}
	if err == nil {
		err = patiently(stop, log, "tell the owner of a target", func() error {
			plan := schema.PlanOf(notice, channels.Line(notice.Event))
			return dl.Notices.PublishPlans(context.WithoutCancel(stop), []schema.Plan{plan})
		})
	}
	if err != nil {
		log.Warn("the owner of a target is not told", zap.String("notice", notice.Event.Type), zap.Error(err))
	}
	return err == nil
}
