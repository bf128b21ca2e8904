package worker

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.uber.org/zap"

	"tocsin/prefs"
	"tocsin/queue"
)

// maxFaults is how often an operation may fail for a reason that is not an
// outage before it is given up, so that one broken record does not hold a slot
// for ever.
const maxFaults = 5

// patiently runs op until it succeeds, with pauses that grow to a few seconds.
// Outages are waited out, however long. It gives up when stop is done, or after
// maxFaults failures that no waiting will mend.
func patiently(stop context.Context, log *zap.Logger, doing string, op func() error) error {
	if err := op(); err != nil { // the rule is that it succeeds, and needs no policy
		return insist(stop, log, doing, err, op)
	}
	return nil
}

// insist goes on after the first failure.
func insist(stop context.Context, log *zap.Logger, doing string, failed error, op func() error) error {
	policy := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMultiplier(2),
		backoff.WithMaxInterval(3*time.Second),
		backoff.WithMaxElapsedTime(0),
	)
	faults := 0
	return backoff.RetryNotify(func() (err error) {
		if err, failed = failed, nil; err == nil {
			err = op()
		}
		if err == nil || isOutage(err) {
			return err
		}
		if faults++; faults >= maxFaults {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(policy, stop), func(err error, next time.Duration) {
		log.Warn("waiting to "+doing, zap.Error(err), zap.Duration("next_try", next))
	})
}

// isOutage tells trouble that passes from trouble that stays.
func isOutage(err error) bool { return prefs.Unavailable(err) || queue.Unavailable(err) }
