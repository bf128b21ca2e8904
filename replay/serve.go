package replay

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Serve runs every job that is to run and that nobody runs, also one whose
// process has died, until ctx is done, and makes plans that take long, one at a
// time: each can take some 100 MB. It looks for them every so often.
func (r *Replays) Serve(ctx context.Context, every time.Duration, log *zap.Logger) {
	var running sync.WaitGroup
	defer running.Wait()
	var mine sync.Map // ids of the jobs that this process runs
	plans := make(chan struct{}, 1)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		jobs, err := r.List(ctx)
		if err != nil && ctx.Err() == nil {
			log.Warn("cannot look for replays", zap.Error(err))
		}
		for _, job := range jobs {
			if job.State != Running && job.State != InPlanning || job.held("", time.Now()) {
				continue
			}
			if _, already := mine.LoadOrStore(job.ID, true); already {
				continue
			}
			running.Go(func() {
				defer mine.Delete(job.ID)
				log := log.With(zap.String("replay", job.ID))
				if job.State == Running {
					r.serve(ctx, job, log)
					return
				}
				select {
				case plans <- struct{}{}:
					r.servePlan(ctx, job.ID, log)
					<-plans
				default: // at the next look
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *Replays) serve(ctx context.Context, job Job, log *zap.Logger) {
	log.Info("replay goes on", zap.Int("letters", job.Plan.Letters), zap.Int("handled", job.Handled()))
	job, err := r.Run(ctx, job.ID, nil)
	switch {
	case err == nil:
		log.Info("replay rests", zap.String("state", string(job.State)), zap.Int("replayed", job.Replayed), zap.Int("skipped", job.Skipped))
	case ctx.Err() == nil && !nothingToRun(err):
		log.Warn("replay is interrupted; it will go on", zap.Error(err))
	}
}

func (r *Replays) servePlan(ctx context.Context, id string, log *zap.Logger) {
	log.Info("replay is planned")
	job, err := r.makePlan(ctx, id)
	switch {
	case err == nil:
		log.Info("replay has a plan", zap.String("state", string(job.State)), zap.Int("letters", job.Plan.Letters), zap.Int("events", job.Plan.Events), zap.String("why", job.Why))
	case ctx.Err() == nil && !nothingToRun(err):
		log.Warn("planning is interrupted; it begins anew", zap.Error(err))
	}
}
