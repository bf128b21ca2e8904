package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"tocsin/queue"
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
	pass := run.letters
	if job.Events != nil {
		pass = run.events
	}
	if err := pass(ctx); err != nil || run.job.State != Running {
		return run.job, err
	}
	return run.end(ctx)
}

// letters replays letter by letter, until all are handled or the job is told
// otherwise.
func (r *run) letters(ctx context.Context) error {
	for letter, err := range r.replays.Letters.DeadLetters(ctx, r.job.Filter, r.job.After) {
		if err != nil {
			return err
		}
		if letter.Sequence > r.job.Plan.Until {
			break
		}
		r.add(letter)
		if !r.due() {
			continue
		}
		if err := r.handle(ctx); err != nil || r.job.State != Running {
			return err
		}
	}
	return r.handle(ctx)
}

func (j *Job) take(holder string, lease time.Duration) error {
	switch {
	case j.State.Ended():
		return fmt.Errorf("%w: it is %s", ErrEnded, j.State)
	case j.State == InPlanning:
		return ErrNoPlan
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
	bytes    int // of what is in hand
	sieve    sieve
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
		after: job.After, saved: time.Now(), progress: progress, sieve: sieve{replays: r},
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
	return len(r.inHand) >= r.size || r.bytes >= batchBytes || r.tired()
}

// tired reports whether it is time to save, lest the lease runs out.
func (r *run) tired() bool { return time.Since(r.saved) > r.replays.lease()/4 }

// handle replays what is in hand, as far as it is still wanted, and keeps how far
// the job has come. In this order: after a crash between the two, letters that
// are gone are not met again.
func (r *run) handle(ctx context.Context) error {
	if err := r.pace(ctx, len(r.inHand)); err != nil {
		return err
	}
	wanted, err := r.wanted(ctx)
	if err != nil {
		return err
	}
	if err := r.replays.Letters.Replay(ctx, wanted...); err != nil {
		return err
	}
	r.job.Replayed += len(wanted)
	r.inHand, r.bytes = r.inHand[:0], 0
	return r.renew(ctx)
}

// wanted leaves out, and counts, what is not to be replayed.
func (r *run) wanted(ctx context.Context) ([]queue.DeadLetter, error) {
	skips, err := r.sieve.skips(ctx, r.inHand)
	if err != nil {
		return nil, err
	}
	wanted := make([]queue.DeadLetter, 0, len(r.inHand))
	for i, l := range r.inHand {
		if skips[i] == "" {
			wanted = append(wanted, l)
			continue
		}
		r.job.Skipped++
		r.job.Skips.skip(skips[i], 1)
	}
	return wanted, nil
}

// renew saves how far the job has come, and holds on to it.
func (r *run) renew(ctx context.Context) error {
	return r.keep(ctx, func(job *Job) { job.Leased = time.Now().Add(r.replays.lease()) })
}

// keep saves how far the job has come, and learns what it was told meanwhile.
func (r *run) keep(ctx context.Context, do func(*Job)) error {
	job, err := r.replays.change(ctx, r.job.ID, func(job *Job) error {
		if job.Holder != r.job.Holder {
			return ErrHeld
		}
		job.Replayed, job.Skipped, job.Skips = r.job.Replayed, r.job.Skipped, r.job.Skips
		job.Routed, job.After = r.job.Routed, r.after
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
		if job.Events == nil {
			job.Gone = max(job.Plan.Letters-job.Replayed-job.Skipped, 0)
		}
	})
	return r.job, err
}

// letGo lets another process have the job at once.
func (r *run) letGo(ctx context.Context) {
	if job, err := r.replays.letGo(ctx, r.job); err == nil { // else the lease runs out
		r.job = job
	}
}

func (r *Replays) letGo(ctx context.Context, held Job) (Job, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.lease()/4)
	defer cancel()
	return r.change(ctx, held.ID, func(job *Job) error {
		if job.Holder != held.Holder {
			return ErrHeld
		}
		job.Holder, job.Leased = "", time.Time{}
		if job.Planning != nil {
			job.Planning.Begun--
		}
		return nil
	})
}

// nothingToRun reports whether a job is in other hands, or in none any more.
func nothingToRun(err error) bool {
	return errors.Is(err, ErrHeld) || errors.Is(err, ErrEnded) || errors.Is(err, queue.ErrNoJob)
}
