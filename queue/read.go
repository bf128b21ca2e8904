package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A page is what one request reads of a stream: so many messages, or so many
// bytes, because a dead letter may have a megabyte. The first page of several is
// short: who lists a few letters needs no more of them.
const (
	firstPage    = 125
	pageMessages = 1000
	pageBytes    = 8 << 20
)

// place chooses messages of a stream.
type place struct {
	stream  string
	subject string    // may hold wildcards
	after   uint64    // only messages behind this sequence; 0: from the first
	since   time.Time // only messages stored then or later; zero, or with after: any
}

// each calls do with the messages of a place, oldest first, as many as there are
// when it begins, until do says no. It takes nothing away, needs no consumer,
// and so can also read a work queue that workers consume. No more than a page is
// held at a time.
func (q *Queue) each(ctx context.Context, p place, do func(*jetstream.RawStreamMsg) bool) error {
	last, err := q.last(ctx, p.stream)
	if err != nil {
		return err
	}
	return q.upTo(ctx, p, last, do)
}

// last is the sequence of the newest message that a stream ever had.
func (q *Queue) last(ctx context.Context, stream string) (uint64, error) {
	s, err := q.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	return s.CachedInfo().State.LastSeq, nil
}

// upTo is each for messages up to the sequence last.
func (q *Queue) upTo(ctx context.Context, p place, last uint64, do func(*jetstream.RawStreamMsg) bool) error {
	for size := firstPage; p.after < last; size = min(2*size, pageMessages) {
		read, more, err := q.page(ctx, p, size, last, do)
		if err == nil && more {
			err = ctx.Err() // a page whose time is over ends like one that was read
		}
		if err != nil || !more {
			return err
		}
		p.after = read
	}
	return nil
}

// page reads one page of at most size messages, up to the message last, and says
// up to where it has read, and whether to go on.
func (q *Queue) page(ctx context.Context, p place, size int, last uint64, do func(*jetstream.RawStreamMsg) bool) (uint64, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	request := directRequest{Sequence: p.after + 1, Subject: p.subject, Batch: size, MaxBytes: pageBytes}
	if p.after == 0 && !p.since.IsZero() {
		request.Sequence, request.Since = 0, &p.since
	}
	more := true
	read, err := q.direct(ctx, p.stream, request, func(msg *jetstream.RawStreamMsg) bool {
		more = msg.Sequence <= last && do(msg)
		return more
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return p.after, false, nil
	}
	return max(p.after, read), more, err
}

// message reads one message. The error is jetstream.ErrMsgNotFound if it is not
// there.
func (q *Queue) message(ctx context.Context, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	if sequence == 0 { // the server would take it for no question
		return nil, jetstream.ErrMsgNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	var found *jetstream.RawStreamMsg
	last, err := q.direct(ctx, stream, directRequest{Sequence: sequence, Batch: 1}, func(msg *jetstream.RawStreamMsg) bool {
		found = msg
		return false
	})
	switch {
	case err != nil:
		return nil, err
	case last == 0:
		return nil, cmp.Or(ctx.Err(), nats.ErrTimeout)
	case last != sequence:
		return nil, jetstream.ErrMsgNotFound
	case found == nil:
		return nil, errors.New("its headers are no headers")
	}
	return found, nil
}

// bySequence reads chosen messages behind a sequence one by one, oldest first,
// and passes over those of which read says that they are gone.
func bySequence[T any](sequences []uint64, after uint64, gone error, read func(sequence uint64) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, sequence := range slices.Sorted(slices.Values(sequences)) {
			if sequence <= after {
				continue
			}
			message, err := read(sequence)
			if errors.Is(err, gone) {
				continue
			}
			if !yield(message, err) || err != nil {
				return
			}
		}
	}
}
