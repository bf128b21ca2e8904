package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
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

// page reads one page of at most size messages, up to the message last, and says up to where it has read,
// and whether to go on.
func (q *Queue) page(ctx context.Context, p place, size int, last uint64, do func(*jetstream.RawStreamMsg) bool) (uint64, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	begin := jetstreamext.GetBatchSeq(p.after + 1)
	if p.after == 0 && !p.since.IsZero() {
		begin = jetstreamext.GetBatchStartTime(p.since)
	}
	messages, err := jetstreamext.GetBatch(ctx, q.js, p.stream, size,
		jetstreamext.GetBatchSubject(p.subject), jetstreamext.GetBatchMaxBytes(pageBytes), begin)
	if err != nil {
		return p.after, false, err
	}
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return p.after, false, nil
		}
		if err == nil {
			err = putRight(msg)
		}
		if err != nil {
			return p.after, false, err
		}
		if msg.Sequence > last || !do(msg) {
			return msg.Sequence, false, nil
		}
		p.after = msg.Sequence
	}
	return p.after, true, nil
}

// putRight makes up for a publisher who gave a message headers by which the server
// tells where it lies (ADR-31). The server adds its own behind them, and the
// library reads the first: a sequence of the publisher's choice would have the
// same page read again and again.
func putRight(msg *jetstream.RawStreamMsg) error {
	forged := false
	for _, name := range [...]string{jetstream.SequenceHeader, jetstream.SubjectHeader, jetstream.TimeStampHeaer} {
		if values := msg.Header[name]; len(values) > 1 {
			msg.Header[name], forged = values[len(values)-1:], true
		}
	}
	if !forged {
		return nil
	}
	var unnumbered, undated error
	msg.Subject = msg.Header.Get(jetstream.SubjectHeader)
	msg.Sequence, unnumbered = strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	msg.Time, undated = time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	return wrap(errors.Join(unnumbered, undated), "read where a message lies")
}

// message reads one message. The error is jetstream.ErrMsgNotFound if it is not
// there.
func (q *Queue) message(ctx context.Context, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	if sequence == 0 { // the server would take it for no question
		return nil, jetstream.ErrMsgNotFound
	}
	s, err := q.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	msg, err := s.GetMsg(ctx, sequence)
	if err != nil {
		return nil, err
	}
	return msg, putRight(msg)
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
