package queue

import (
	"context"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// NewestLetters reads the dead letters before a sequence, newest first; 0: from
// the end. They are narrowed by what the server can tell alone: ask f about each.
// Bodies are left out.
func (q *Queue) NewestLetters(ctx context.Context, f LetterFilter, before uint64) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		from := place{stream: DeadStream, subject: f.subject()}
		if before == 0 && !f.Until.IsZero() {
			var err error
			if before, err = q.firstSince(ctx, from, f.Until); err != nil {
				yield(DeadLetter{}, fmt.Errorf("look for dead letters before %s: %w", f.Until, err))
				return
			}
		}
		err := newest(ctx, q, from, before, bare, func(l DeadLetter) bool {
			return (f.Since.IsZero() || !l.Died.Before(f.Since)) && yield(l, nil)
		})
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("read dead letters on %s: %w", from.subject, err))
		}
	}
}

func bare(msg *jetstream.RawStreamMsg) (DeadLetter, bool) {
	l := readLetter(msg)
	l.Body, l.Header = nil, nil
	if l.Delivery != nil {
		l.Delivery.Event.Data = nil
	}
	return l, true
}

// DeadCounts counts the dead letters by subject, which tells the channel and the
// type, as the server has them: it costs as little for a million as for one.
func (q *Queue) DeadCounts(ctx context.Context) (map[DeadPlace]uint64, error) {
	stream, err := q.js.Stream(ctx, DeadStream)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", DeadStream, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(schema.DeadSubjects))
	if err != nil {
		return nil, fmt.Errorf("count dead letters: %w", err)
	}
	counts := map[DeadPlace]uint64{}
	for subject, n := range info.State.Subjects {
		var p DeadPlace
		p.Channel, p.Type = DeadLetter{Subject: subject}.Place()
		counts[p] += n
	}
	return counts, nil
}

// DeadPlace is what the subject of a dead letter tells.
type DeadPlace struct {
	Channel string // EventLetters for events that did not validate
	Type    string
}
