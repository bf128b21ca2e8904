package worker

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"

	"tocsin/breaker"
	"tocsin/channels"
)

// attempt is one that has ended.
type attempt struct {
	began, ended time.Time
	failure      *channels.Failure // nil: delivered
}

// ofTarget is what it says of the target. That our own server cannot be reached
// is no target's fault.
func (a attempt) ofTarget(hostIsOurs bool) breaker.Evidence {
	e := breaker.Evidence{Began: a.began.UTC(), Ended: a.ended.UTC(), Verdict: breaker.Worked}
	if a.failure == nil {
		return e
	}
	e.Reason = brief(a.failure.Error())
	switch a.failure.Kind {
	case channels.Temporary:
		e.Verdict, e.Wait, e.Answered = breaker.Failed, a.failure.Wait, !a.failure.Unreached
	case channels.Permanent, channels.Gone:
		e.Verdict = breaker.Refused
	case channels.Misconfigured:
		e.Verdict = breaker.Unknown
	}
	if a.failure.Unreached && hostIsOurs {
		e.Verdict = breaker.Unknown
	}
	return e
}

// ofHost is what it says of the host: one that answers works, whatever it says.
func (a attempt) ofHost() breaker.Evidence {
	e := breaker.Evidence{Began: a.began.UTC(), Ended: a.ended.UTC()}
	switch {
	case a.failure == nil || a.failure.Status != "":
		e.Verdict = breaker.Worked
	case a.failure.Unreached:
		e.Verdict, e.Reason = breaker.Failed, brief(a.failure.Error())
	}
	return e
}

// brief is a reason as it is noted beside a target: one line, bounded.
func brief(reason string) string {
	reason = strings.Join(strings.Fields(reason), " ")
	if len(reason) > longestReason {
		return strings.ToValidUTF8(reason[:longestReason], "") + "…"
	}
	return reason
}

const longestReason = 300

// learn tells the fleet what an attempt says of its endpoint, and returns how
// the target fares then.
func (dl *Deliverer) learn(stop context.Context, log *zap.Logger, p permit, a attempt) breaker.State {
	evidence := []breaker.Evidence{a.ofTarget(p.host.Ours), a.ofHost()}
	for i, v := range p.visits {
		evidence[i] = v.Leave(evidence[i])
	}
	var states [2]breaker.State
	for i, v := range p.visits {
		err := patiently(stop, log, "note how an endpoint fares", func() (err error) {
			states[i], err = v.Learn(context.WithoutCancel(stop), evidence[i])
			return err
		})
		if err != nil {
			log.Warn("not noted how an endpoint fares", zap.Error(err))
		}
	}
	return states[0]
}
