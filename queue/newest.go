package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// firstWindow is how many sequences are looked through at first, for a page that
// people read.
const firstWindow = 200

// newest calls do with the messages of a place that lie before a sequence, newest
// first, until do says no; before 0: with all that are there when it begins. The
// server reads forwards alone, so it is asked for one window after another, wider
// ones where little is found. read takes from a message what is to be kept, or
// says that it is nothing: as much as a window holds is in memory.
func newest[T any](ctx context.Context, q *Queue, p place, before uint64,
	read func(*jetstream.RawStreamMsg) (T, bool), do func(T) bool) error {
	stream, err := q.js.Stream(ctx, p.stream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", p.stream, err)
	}
	state := stream.CachedInfo().State
	end := state.LastSeq
	if before > 0 {
		end = min(end, before-1)
	}
	for width := uint64(firstWindow); end >= max(state.FirstSeq, 1); {
		p.after = max(state.FirstSeq, 1) - 1
		if end-p.after > width {
			p.after = end - width
		}
		next := p.after
		met, found, err := stretch(ctx, q, p, end, read)
		if err != nil {
			return err
		}
		for _, value := range slices.Backward(found) {
			if !do(value) {
				return nil
			}
		}
		switch {
		case met < pageMessages/2:
			width *= 2
		case met > pageMessages:
			width = max(width/2, 1)
		}
		end = next
	}
	return nil
}

// stretch reads what lies behind p.after and up to end, and counts what it met.
func stretch[T any](ctx context.Context, q *Queue, p place, end uint64, read func(*jetstream.RawStreamMsg) (T, bool)) (met int, found []T, err error) {
	for p.after < end {
		after, more, err := q.page(ctx, p, pageMessages, end, func(msg *jetstream.RawStreamMsg) bool {
			met++
			if value, ok := read(msg); ok {
				found = append(found, value)
			}
			return true
		})
		if err == nil && more {
			err = ctx.Err() // a page whose time is over ends like one that was read
		}
		if err != nil || !more {
			return met, found, err
		}
		p.after = after
	}
	return met, found, nil
}

// firstSince is the sequence of the first message of a place that was stored at
// a moment or later; 0 if there is none.
func (q *Queue) firstSince(ctx context.Context, p place, moment time.Time) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	request := directRequest{Since: &moment, Subject: p.subject, Batch: 1}
	first, err := q.direct(ctx, p.stream, request, func(*jetstream.RawStreamMsg) bool { return false })
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err == nil && first == 0:
		err = cmp.Or(ctx.Err(), nats.ErrTimeout)
	}
	return first, err
}
