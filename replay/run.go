package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"tocsin/queue"
	"tocsin/schema"
)

const (
	// batch and batchBytes are how many letters are replayed at a time, at most,
	// and so how many are held in memory: one may have a megabyte.
	batch      = 500
	batchBytes = 8 << 20
	// defaultLease is far above the time that one letter takes at the slowest rate.
	defaultLease = time.Minute
	// slowest is the least rate, in letters a second.
	slowest = 0.1
)

// Run runs a job to its end and calls progress as it goes. It returns early
// when the job is paused or cancelled; when ctx is done, having let go of the
// job, which another process may then run; and with ErrHeld if one does already.
func (r *Replays) Run(ctx context.Context, id string, progress func(Job)) (Job, error) {
	holder := rand.Text()
	job, err := r.change(ctx, id, func(job *Job) error { return job.take(holder, r.lease()) })
	if err != nil {
		return job, err
	}
	run := newRun(r, job, progress)
	defer run.letGo(ctx)
	for letter, err := range r.Letters.DeadLetters(ctx, job.Filter, job.After) {
		if err != nil {
			return run.job, err
		}
		if letter.Sequence > job.Plan.Until {
			break
		}
		run.add(letter)
		if !run.due() {
			continue
		}
		if err := run.handle(ctx); err != nil || run.job.State != Running {
			return run.job, err
		}
	}
	if err := run.handle(ctx); err != nil || run.job.State != Running {
		return run.job, err
	}
	return run.end(ctx)
}

func (j *Job) take(holder string, lease time.Duration) error {
	switch {
	case j.State.Ended():
		return fmt.Errorf("%w: it is %s", ErrEnded, j.State)
	case j.held(holder, time.Now()):
		return ErrHeld
	}
	j.State, j.Holder, j.Leased = Running, holder, time.Now().Add(lease)
	return nil
}

// run is a job in the hands of this process.
type run struct {
	replays  *Replays
	job      Job
	limiter  *rate.Limiter
	size     int // of a batch
	inHand   []queue.DeadLetter
	bytes    int    // of what is in hand
	after    uint64 // the newest letter that was looked at
	saved    time.Time
	progress func(Job)
}

func newRun(r *Replays, job Job, progress func(Job)) *run {
	size, limit := batch, rate.Inf
	if job.Rate > 0 {
		limit = rate.Limit(max(job.Rate, slowest))
		size = min(max(int(job.Rate), 1), batch) // about a second's worth
	}
	return &run{
		replays: r, job: job, limiter: rate.NewLimiter(limit, size), size: size,
		after: job.After, saved: time.Now(), progress: progress,
	}
}

func (r *run) add(l queue.DeadLetter) {
	r.after = l.Sequence
	if r.job.Filter.Matches(l) {
		r.inHand = append(r.inHand, l)
		r.bytes += len(l.Body)
	}
}

// due reports whether a batch is full, or has taken so long to find that the
// lease has to be renewed.
func (r *run) due() bool {
	return len(r.inHand) >= r.size || r.bytes >= batchBytes || time.Since(r.saved) > r.replays.lease()/4
}

// handle replays what is in hand, as far as it is still wanted, and keeps how far
// the job has come. In this order: after a crash between the two, letters that
// are gone are not met again.
func (r *run) handle(ctx context.Context) error {
	if err := r.limiter.WaitN(ctx, len(r.inHand)); err != nil {
		return fmt.Errorf("keep the rate: %w", err)
	}
	wanted, err := r.wanted(ctx)
	if err != nil {
		return err
	}
	if err := r.replays.Letters.Replay(ctx, wanted...); err != nil {
		return err
	}
	r.job.Replayed += len(wanted)
	r.job.Skipped += len(r.inHand) - len(wanted)
	r.inHand, r.bytes = r.inHand[:0], 0
	return r.keep(ctx, func(job *Job) { job.Leased = time.Now().Add(r.replays.lease()) })
}

// wanted leaves out deliveries that are not wanted any more. Events are routed
// anew, and everybody is asked then.
func (r *run) wanted(ctx context.Context) ([]queue.DeadLetter, error) {
	deliveries := make([]schema.Delivery, 0, len(r.inHand))
	for _, l := range r.inHand {
		if l.Delivery != nil {
			deliveries = append(deliveries, *l.Delivery)
		}
	}
	rules, err := r.replays.unwanted(ctx, deliveries)
	if err != nil {
		return nil, err
	}
	wanted := make([]queue.DeadLetter, 0, len(r.inHand))
	for _, l := range r.inHand {
		if l.Delivery != nil {
			rule := rules[0]
			if rules = rules[1:]; rule != "" {
				continue
			}
		}
		wanted = append(wanted, l)
	}
	return wanted, nil
}

// keep saves how far the job has come, and learns what it was told meanwhile.
func (r *run) keep(ctx context.Context, do func(*Job)) error {
	job, err := r.replays.change(ctx, r.job.ID, func(job *Job) error {
		if job.Holder != r.job.Holder {
			return ErrHeld
		}
		job.Replayed, job.Skipped, job.After = r.job.Replayed, r.job.Skipped, r.after
		do(job)
		return nil
	})
	if err != nil {
		return err
	}
	r.job, r.saved = job, time.Now()
	if r.progress != nil {
		r.progress(job)
	}
	return nil
}

func (r *run) end(ctx context.Context) (Job, error) {
	err := r.keep(ctx, func(job *Job) {
		job.State, job.Holder, job.Leased = Done, "", time.Time{}
		job.Gone = max(job.Plan.Letters-job.Replayed-job.Skipped, 0)
	})
	return r.job, err
}

// letGo lets another process have the job at once.
func (r *run) letGo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.replays.lease()/4)
	defer cancel()
	job, err := r.replays.change(ctx, r.job.ID, func(job *Job) error {
		if job.Holder != r.job.Holder {
			return ErrHeld
		}
		job.Holder, job.Leased = "", time.Time{}
		return nil
	})
	if err == nil { // else the lease runs out
		r.job = job
	}
}

// nothingToRun reports whether a job is in other hands, or in none any more.
func nothingToRun(err error) bool {
	return errors.Is(err, ErrHeld) || errors.Is(err, ErrEnded) || errors.Is(err, queue.ErrNoJob)
}
