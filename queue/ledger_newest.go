package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/schema"
)

// LedgerEntry is a record where it lies.
type LedgerEntry struct {
	Sequence uint64
	Stored   time.Time
	schema.Record
}

// NewestRecords reads the ledger before a sequence, newest first; 0: from the
// end. Those stored before l.Since end it.
func (q *Queue) NewestRecords(ctx context.Context, l LedgerQuery, before uint64) iter.Seq2[LedgerEntry, error] {
	return func(yield func(LedgerEntry, error) bool) {
		from := place{stream: LedgerStream, subject: l.subject()}
		err := newest(ctx, q, from, before, func(msg *jetstream.RawStreamMsg) (LedgerEntry, bool) {
			e := LedgerEntry{Sequence: msg.Sequence, Stored: msg.Time}
			return e, json.Unmarshal(msg.Data, &e.Record) == nil
		}, func(e LedgerEntry) bool {
			return (l.Since.IsZero() || !e.Stored.Before(l.Since)) && yield(e, nil)
		})
		if err != nil {
			yield(LedgerEntry{}, fmt.Errorf("read the ledger: %w", err))
		}
	}
}
