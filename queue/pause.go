package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"tocsin/schema"
)

// PauseBucket is the key-value bucket of paused channels.
const PauseBucket = "TOCSIN_PAUSES"

// Pause says that a channel delivers nothing for now, in the whole fleet.
type Pause struct {
	Channel string    `json:"channel"`
	By      string    `json:"by"`             // who paused it
	Why     string    `json:"why,omitempty"`  // in words
	At      time.Time `json:"at"`             // when
	Until   time.Time `json:"until,omitzero"` // when it resumes by itself; zero: when somebody says so
}

// over reports whether a channel has resumed by itself.
func (p Pause) over(now time.Time) bool { return !p.Until.IsZero() && !p.Until.After(now) }

// until is what the server is told. A pause without an end ends in a hundred
// years.
func (p Pause) until() time.Time {
	if p.Until.IsZero() {
		return p.At.AddDate(100, 0, 0)
	}
	return p.Until
}

// PauseChannel keeps the whole fleet from beginning any delivery of a channel:
// first attempts and retries stay where they wait, and none of them spends
// anything. What is in hand is finished. To pause a paused channel changes until
// when, and why.
//
// The server itself hands nothing out (ADR-26, consumer pause), so that it holds
// for workers of any version, and over restarts of workers and server. The bucket
// says who paused the channel and why, and makes consumers that are made later
// begin paused. If PauseChannel fails half-way, only a part of the channel is
// paused; say it again.
func (q *Queue) PauseChannel(ctx context.Context, p Pause) error {
	if !schema.ValidID(p.Channel) || p.Channel == events {
		return fmt.Errorf("pause %q: that is not the name of a channel", p.Channel)
	}
	if p.At.IsZero() {
		p.At = time.Now().UTC()
	}
	if p.over(p.At) {
		return fmt.Errorf("pause %s until %s: that is over", p.Channel, p.Until.Format(time.RFC3339))
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("pause %s: %w", p.Channel, err)
	}
	pauses, err := q.pauses(ctx)
	if err == nil {
		_, err = pauses.Put(ctx, p.Channel, text)
	}
	if err != nil {
		return fmt.Errorf("pause %s: %w", p.Channel, err)
	}
	return q.eachConsumer(p.Channel, func(stream, consumer string) error {
		_, err := q.js.PauseConsumer(ctx, stream, consumer, p.until())
		return wrap(err, "pause consumer %s of %s", consumer, stream)
	})
}

// ErrNotPaused says that a channel is not paused.
var ErrNotPaused = errors.New("it is not paused")

// ResumeChannel ends a pause. What came due meanwhile is due now. The error is
// ErrNotPaused if nothing of the channel was paused. If ResumeChannel fails
// half-way, say it again.
func (q *Queue) ResumeChannel(ctx context.Context, channel string) error {
	pauses, err := q.pauses(ctx)
	if err != nil {
		return fmt.Errorf("resume %s: %w", channel, err)
	}
	_, err = readPause(ctx, pauses, channel)
	paused := err == nil
	if err != nil && !errors.Is(err, ErrNotPaused) {
		return fmt.Errorf("resume %s: %w", channel, err)
	}
	// First, so that a consumer that is made from now on does not begin paused.
	if err := pauses.Delete(ctx, channel); err != nil && !errors.Is(err, jetstream.ErrInvalidKey) {
		return fmt.Errorf("resume %s: %w", channel, err)
	}
	err = q.eachConsumer(channel, func(stream, name string) error {
		consumer, err := q.js.Consumer(ctx, stream, name)
		if err == nil && consumer.CachedInfo().Paused {
			paused = true
			_, err = q.js.ResumeConsumer(ctx, stream, name)
		}
		return wrap(err, "resume consumer %s of %s", name, stream)
	})
	if err == nil && !paused {
		return fmt.Errorf("resume %s: %w", channel, ErrNotPaused)
	}
	return err
}

// Pauses reads the channels that are paused, by name.
func (q *Queue) Pauses(ctx context.Context) ([]Pause, error) {
	pauses, err := q.js.KeyValue(ctx, PauseBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", PauseBucket, err)
	}
	channels, err := pauses.Keys(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, fmt.Errorf("list paused channels: %w", err)
	}
	var all []Pause
	for _, channel := range slices.Sorted(slices.Values(channels)) {
		p, err := readPause(ctx, pauses, channel)
		if errors.Is(err, ErrNotPaused) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func readPause(ctx context.Context, pauses jetstream.KeyValue, channel string) (Pause, error) {
	entry, err := pauses.Get(ctx, channel)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return Pause{}, ErrNotPaused
	}
	if err != nil {
		return Pause{}, fmt.Errorf("read the pause of %s: %w", channel, err)
	}
	p := Pause{At: entry.Created()}
	_ = json.Unmarshal(entry.Value(), &p) // one that nobody can read is a pause all the same
	p.Channel = channel
	if p.over(time.Now()) {
		return Pause{}, ErrNotPaused
	}
	return p, nil
}

// eachConsumer does something with each consumer of a channel that there is, and
// goes on after an error.
func (q *Queue) eachConsumer(channel string, do func(stream, consumer string) error) error {
	pool := q.NewPool(0)
	pool.Deliveries(channel, 1, nil) // it never runs: its lanes say which consumers there are
	var failed []error
	for _, l := range pool.lanes {
		if err := do(l.stream, l.consumer.Durable); err != nil && !isMissing(err) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// isMissing reports whether a consumer, or its stream, is not there.
func isMissing(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
}

// beginPaused makes a consumer of a paused channel begin paused. One that is there
// already stays as it is: the server ignores it then. Whether it can be told or
// not, the fleet works on.
func (q *Queue) beginPaused(ctx context.Context, consumer *jetstream.ConsumerConfig) {
	channel := consumer.FilterSubject[strings.LastIndexByte(consumer.FilterSubject, '.')+1:]
	if channel == "" || channel == events {
		return
	}
	look, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	p, err := q.pauseOf(look, channel)
	if err == nil {
		until := p.until()
		consumer.PauseUntil = &until
	} else if !errors.Is(err, ErrNotPaused) && ctx.Err() == nil {
		q.log.Warn("cannot tell whether the channel is paused; working on", zap.String("channel", channel), zap.Error(err))
	}
}

// lookTimeout bounds how long a lane waits to be told whether it is paused.
const lookTimeout = 3 * time.Second

// pauseOf reads the pause of a channel, and makes no bucket for it.
func (q *Queue) pauseOf(ctx context.Context, channel string) (Pause, error) {
	pauses, err := q.js.KeyValue(ctx, PauseBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return Pause{}, ErrNotPaused
	}
	if err != nil {
		return Pause{}, fmt.Errorf("open bucket %s: %w", PauseBucket, err)
	}
	return readPause(ctx, pauses, channel)
}

// pauses opens the bucket, and makes it when it is first needed.
func (q *Queue) pauses(ctx context.Context) (jetstream.KeyValue, error) {
	bucket, err := q.js.KeyValue(ctx, PauseBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = q.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: PauseBucket, Description: "channels that are paused, by whom and why", History: 1, Replicas: q.replicas(ctx),
		})
	}
	return bucket, wrap(err, "open bucket %s", PauseBucket)
}
