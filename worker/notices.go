package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/schema"
)

// tellOwner mails the owner of a target that was switched off, unless it is
// mail itself that does not reach them. It is a delivery like any other, with
// retries and an end.
func (dl *Deliverer) tellOwner(stop context.Context, log *zap.Logger, d schema.Delivery, f channels.Failure) {
	if dl.Notices == nil || d.Channel == schema.NoticeChannel {
		return
	}
	notice, err := schema.NoticeOfSwitchedOff(d, schema.SwitchedOff{Channel: dl.Spec.Label, Reason: f.Error()}, time.Now())
	if err == nil {
		err = patiently(stop, log, "tell the owner of a target", func() error {
			plan := schema.PlanOf(notice, channels.Line(notice.Event))
			return dl.Notices.PublishPlans(context.WithoutCancel(stop), []schema.Plan{plan})
		})
	}
	if err != nil {
		log.Warn("the owner of a target is not told that it is off", zap.Error(err))
	}
}
