package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// Backlog is what lies in the streams at one moment. Channels are keys, and
// Routing for events.
type Backlog struct {
	Waiting  map[string]uint64        // ready for a first attempt, and in nobody's hands
	Oldest   map[string]time.Time     // when the oldest was stored whose first attempt is not over; missing where there is none
	Parked   map[string]uint64        // wait for another attempt, or for their endpoint
	Suspects map[string]uint64        // of Parked: never settled, and tried alone
	Dead     map[string]uint64        // dead letters
	Streams  map[string]StreamContent // by name
}

// StreamContent is how much lies in a stream.
type StreamContent struct {
	Messages, Bytes uint64
	MaxBytes        int64 // its bound; -1: none
}

// Backlog asks the server what lies in the streams: some fifteen short requests,
// none of which reads through a stream.
func (q *Queue) Backlog(ctx context.Context) (Backlog, error) {
	b := Backlog{
		Waiting: map[string]uint64{}, Oldest: map[string]time.Time{},
		Parked: map[string]uint64{}, Suspects: map[string]uint64{}, Dead: map[string]uint64{},
		Streams: map[string]StreamContent{},
	}
	readers := map[string]func(context.Context, jetstream.Stream, Backlog) error{
		EventStream: q.readEvents, RetryStream: readRetries, DeadStream: readDead, LedgerStream: nil,
	}
	for _, p := range q.partitions {
		readers[p.stream()] = q.readWaiting(p)
	}
	for name, read := range readers {
		stream, err := q.js.Stream(ctx, name)
		if err != nil {
			return b, fmt.Errorf("look up stream %s: %w", name, err)
		}
		info := stream.CachedInfo()
		b.Streams[name] = StreamContent{info.State.Msgs, info.State.Bytes, info.Config.MaxBytes}
		if read == nil {
			continue
		}
		if err := read(ctx, stream, b); err != nil {
			return b, fmt.Errorf("read what lies in %s: %w", name, err)
		}
	}
	return b, nil
}

func (q *Queue) readEvents(ctx context.Context, stream jetstream.Stream, b Backlog) error {
	router, err := stream.Consumer(ctx, routerConsumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) { // no worker has run yet
		b.Waiting[Routing] += stream.CachedInfo().State.Msgs
		return nil
	}
	if err != nil {
		return err
	}
	return q.wait(ctx, b, EventStream, Routing, router.CachedInfo())
}

// readWaiting asks the consumers of the subjects that hold anything, because
// what was acknowledged in the last moments of a server that was killed still
// lies in the stream. Where there is no consumer no worker delivers yet.
func (q *Queue) readWaiting(p partition) func(context.Context, jetstream.Stream, Backlog) error {
	return func(ctx context.Context, stream jetstream.Stream, b Backlog) error {
		counts, err := countsOf(ctx, stream, p.prefix()+">")
		for subject, n := range counts {
			if n == 0 {
				continue
			}
			consumer, err := stream.Consumer(ctx, p.consumerOf(subject))
			if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrInvalidConsumerName) {
				b.Waiting[heldFor(subject)] += n
				continue
			}
			if err != nil {
				return err
			}
			if err := q.wait(ctx, b, p.stream(), heldFor(subject), consumer.CachedInfo()); err != nil {
				return err
			}
		}
		return err
	}
}

// consumerOf is the name of the consumer of a subject of first attempts.
func (p partition) consumerOf(subject string) string {
	if channel, crowd := strings.CutPrefix(subject, p.crowd("")); crowd {
		return channel + "-crowd"
	}
	return strings.TrimPrefix(subject, p.prefix())
}

// wait adds what one consumer of a stream has before it.
func (q *Queue) wait(ctx context.Context, b Backlog, stream, channel string, info *jetstream.ConsumerInfo) error {
	b.Waiting[channel] += info.NumPending
	if info.NumPending == 0 && info.NumAckPending == 0 {
		return nil
	}
	subject := info.Config.FilterSubject
	if subject == "" {
		subject = schema.EventSubjects
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	request := directRequest{Sequence: info.AckFloor.Stream + 1, Subject: subject, Batch: 1}
	_, err := q.direct(ctx, stream, request, func(first *jetstream.RawStreamMsg) bool {
		if oldest, known := b.Oldest[channel]; !known || first.Time.Before(oldest) {
			b.Oldest[channel] = first.Time
		}
		return false
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) { // it was settled meanwhile
		return nil
	}
	return err
}

func readRetries(ctx context.Context, stream jetstream.Stream, b Backlog) error {
	counts, err := countsOf(ctx, stream, retrySubjects)
	for subject, n := range counts {
		channel := heldFor(subject)
		b.Parked[channel] += n
		if strings.HasPrefix(subject, aloneSubject("")) {
			b.Suspects[channel] += n
		}
	}
	return err
}

func readDead(ctx context.Context, stream jetstream.Stream, b Backlog) error {
	counts, err := countsOf(ctx, stream, schema.DeadSubjects)
	for subject, n := range counts {
		channel, _, _ := strings.Cut(strings.TrimPrefix(subject, strings.TrimSuffix(schema.DeadSubjects, ">")), ".")
		b.Dead[channel] += n
	}
	return err
}

// countsOf is how many messages each subject has. The server keeps count.
func countsOf(ctx context.Context, stream jetstream.Stream, subjects string) (map[string]uint64, error) {
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subjects))
	if err != nil {
		return nil, err
	}
	return info.State.Subjects, nil
}

// heldFor is the channel whose deliveries a subject holds, or Routing.
func heldFor(subject string) string {
	channel := subject[strings.LastIndexByte(subject, '.')+1:]
	if channel == events {
		return Routing
	}
	return channel
}

// Ping asks the server for an answer.
func (q *Queue) Ping(ctx context.Context) error {
	if !q.conn.IsConnected() {
		return errors.New("ask NATS for an answer: not connected")
	}
	return wrap(q.conn.FlushWithContext(ctx), "ask NATS for an answer")
}
