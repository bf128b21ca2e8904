package replay

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Serve runs every job that is to run and that nobody runs, also one whose
// process has died, until ctx is done. It looks for them every so often.
func (r *Replays) Serve(ctx context.Context, every time.Duration, log *zap.Logger) {
	var running sync.WaitGroup
	defer running.Wait()
	var mine sync.Map // ids of the jobs that this process runs
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		jobs, err := r.List(ctx)
		if err != nil && ctx.Err() == nil {
			log.Warn("cannot look for replays", zap.Error(err))
		}
		for _, job := range jobs {
			if job.State != Running || job.held("", time.Now()) {
				continue
			}
			if _, already := mine.LoadOrStore(job.ID, true); already {
				continue
			}
			running.Go(func() {
				defer mine.Delete(job.ID)
				r.serve(ctx, job, log.With(zap.String("replay", job.ID)))
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
