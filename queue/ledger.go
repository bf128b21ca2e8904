package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"tocsin/schema"
)

// entry is a record on its way into the ledger. It needs no idempotency key:
// who reads the ledger knows records by what they tell.
func entry(r schema.Record) *nats.Msg {
	text, err := json.Marshal(r)
	if err != nil { // a record holds nothing but texts, numbers and times
		panic(fmt.Sprintf("encode a record of the ledger: %v", err))
	}
	return &nats.Msg{Subject: schema.LedgerSubject(r.Account, r.User), Data: text}
}

// LedgerQuery chooses records of the ledger.
type LedgerQuery struct {
	Account string    // empty: any
	User    string    // empty: any
	Since   time.Time // stored then or later; zero: as far back as there are any
	Until   time.Time // stored before; zero: up to now
}

func (l LedgerQuery) subject() string {
	if l.Account == "" && l.User == "" {
		return schema.LedgerSubjects
	}
	account, user := l.Account, l.User
	if account == "" {
		account = "*"
	}
	if user == "" {
		user = "*"
	}
	return schema.LedgerSubject(account, user)
}

// Ledger reads records, oldest first, as many as there are when it begins. A
// record that nobody can read is passed over: another version may have written
// it, or another program.
func (q *Queue) Ledger(ctx context.Context, l LedgerQuery) iter.Seq2[schema.Record, error] {
	return func(yield func(schema.Record, error) bool) {
		last, err := q.last(ctx, LedgerStream)
		if err == nil {
			err = q.records(ctx, l, last, func(r schema.Record) bool { return yield(r, nil) })
		}
		if err != nil {
			yield(schema.Record{}, fmt.Errorf("read the ledger: %w", err))
		}
	}
}

// readers is how many questions are put to the ledger at the same time.
const readers = 8

// Ledgers answers several questions beside each other. Records of one question
// come oldest first; do is called for one record at a time.
func (q *Queue) Ledgers(ctx context.Context, questions []LedgerQuery, do func(schema.Record)) error {
	if len(questions) == 0 {
		return nil
	}
	last, err := q.last(ctx, LedgerStream)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	var one sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, l := range questions {
		group.Go(func() error {
			return q.records(ctx, l, last, func(r schema.Record) bool {
				one.Lock()
				defer one.Unlock()
				do(r)
				return true
			})
		})
	}
	return wrap(group.Wait(), "read the ledger")
}

func (q *Queue) records(ctx context.Context, l LedgerQuery, last uint64, do func(schema.Record) bool) error {
	from := place{stream: LedgerStream, subject: l.subject(), since: l.Since}
	return q.upTo(ctx, from, last, func(msg *jetstream.RawStreamMsg) bool {
		if !l.Until.IsZero() && !msg.Time.Before(l.Until) {
			return false
		}
		var record schema.Record
		if json.Unmarshal(msg.Data, &record) != nil {
			return true
		}
		return do(record)
	})
}

// Routed is the sequence up to which every event of TOCSIN_EVENTS has been
// routed. Deliveries of later ones may not be stored yet, although the ledger
// has them as planned.
func (q *Queue) Routed(ctx context.Context) (uint64, error) {
	router, err := q.js.Consumer(ctx, EventStream, routerConsumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) { // no worker has run yet
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up consumer %s of %s: %w", routerConsumer, EventStream, err)
	}
	routed := router.CachedInfo().AckFloor.Stream
	for _, aside := range [...]place{
		{stream: DeliveryStream, subject: eventsCrowd()},
		{stream: RetryStream, subject: aloneSubject(events)},
	} {
		err := q.each(ctx, aside, func(msg *jetstream.RawStreamMsg) bool {
			first, err := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
			if err == nil && first > 0 {
				// Those in hand beside it may have gone aside after it.
				routed = min(routed, first-min(first, window))
			}
			return false
		})
		if err != nil {
			return 0, fmt.Errorf("read which events wait aside: %w", err)
		}
	}
	return routed, nil
}
