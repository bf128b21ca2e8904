package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// JobBucket is the key-value bucket of replay jobs.
const JobBucket = "TOCSIN_REPLAYS"

// jobAge is as long as dead letters are kept: then there is nothing left that an
// older job could be about.
const jobAge = deadAge

var (
	// ErrNoJob says that a job is no longer, or never was, there.
	ErrNoJob = errors.New("no such job")
	// ErrJobChanged says that somebody else has saved the job since it was read.
	ErrJobChanged = errors.New("the job was changed meanwhile")
)

// Job reads a job and its revision.
func (q *Queue) Job(ctx context.Context, id string) (value []byte, revision uint64, err error) {
	jobs, err := q.jobs(ctx)
	if err != nil {
		return nil, 0, err
	}
	entry, err := jobs.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return nil, 0, fmt.Errorf("%w: %s", ErrNoJob, id)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read job %s: %w", id, err)
	}
	return entry.Value(), entry.Revision(), nil
}

// SaveJob saves a job that was read at this revision, 0 for a new one. The error
// is ErrJobChanged if it has another one by now.
func (q *Queue) SaveJob(ctx context.Context, id string, value []byte, revision uint64) error {
	jobs, err := q.jobs(ctx)
	if err != nil {
		return err
	}
	_, err = jobs.Update(ctx, id, value, revision)
	if isWrongRevision(err) {
		return fmt.Errorf("save job %s: %w", id, ErrJobChanged)
	}
	return wrap(err, "save job %s", id)
}

// Jobs reads the ids of all jobs.
func (q *Queue) Jobs(ctx context.Context) ([]string, error) {
	jobs, err := q.jobs(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := jobs.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	return ids, wrap(err, "list jobs")
}

// RemoveJob forgets a job.
func (q *Queue) RemoveJob(ctx context.Context, id string) error {
	jobs, err := q.jobs(ctx)
	if err != nil {
		return err
	}
	return wrap(jobs.Purge(ctx, id), "remove job %s", id)
}

// jobs opens the bucket. It is made when it is first needed: most fleets never
// replay anything.
func (q *Queue) jobs(ctx context.Context) (jetstream.KeyValue, error) {
	bucket, err := q.js.KeyValue(ctx, JobBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = q.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: JobBucket, Description: "replays of dead letters", TTL: jobAge, LimitMarkerTTL: time.Hour,
			Replicas: q.replicas(ctx),
		})
	}
	return bucket, wrap(err, "open bucket %s", JobBucket)
}

// replicas is how many the dead letters have: what replays them is as safe.
func (q *Queue) replicas(ctx context.Context) int {
	stream, err := q.js.Stream(ctx, DeadStream)
	if err != nil {
		return 1
	}
	return stream.CachedInfo().Config.Replicas
}

// isWrongRevision reports whether a key has another revision than was expected:
// JetStream's error code 10071 (server/errors.json).
func isWrongRevision(err error) bool {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	return ok && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}
