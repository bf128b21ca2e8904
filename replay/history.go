package replay

import (
	"context"
	"hash/maphash"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// fate is what has become of a delivery by now, as the ledger tells it.
type fate struct {
	sent      int64 // when its newest pass began, in nanoseconds
	died      int64 // when that ended as a dead letter; 0: it did not
	replay    int32 // the newest pass; 0 is the first
	delivered int32 // 1 + the newest pass that arrived; 0: none
	open      bool  // the newest pass has not ended: it waits for an attempt
}

// member is where the ledger tells of a delivery.
type member struct{ account, user string }

// history remembers fates of deliveries since a time. Members are looked up when
// they are first met: reading the whole ledger would take as long for one letter
// as for a million. What becomes of a delivery later is not missed: who sends one
// on its way takes its letter away.
type history struct {
	ledger  records
	since   time.Time
	members map[member]bool
	seed    maphash.Seed
	fates   map[uint64]fate // by a hash of the delivery id; among a million, two that are alike by chance are one in ten million
}

// records are what the ledger holds: a *queue.Queue.
type records interface {
	Ledgers(ctx context.Context, questions []queue.LedgerQuery, do func(schema.Record)) error
}

const (
	// mostRemembered bounds fates and members: some 80 MB. Beyond it everything is
	// forgotten, and looked up again as it is needed.
	mostRemembered = 1_500_000
	// skew is by how much clocks of two machines may differ.
	skew = time.Minute
)

func newHistory(ledger records, since time.Time) *history {
	return &history{
		ledger: ledger, since: since.Add(-skew), members: map[member]bool{}, seed: maphash.MakeSeed(), fates: map[uint64]fate{},
	}
}

// learn reads what is not known of these members.
func (h *history) learn(ctx context.Context, members []member) error {
	if len(h.fates)+len(h.members) > mostRemembered {
		h.forget()
	}
	var questions []queue.LedgerQuery
	for _, m := range members {
		if h.members[m] {
			continue
		}
		h.members[m] = true
		questions = append(questions, queue.LedgerQuery{Account: m.account, User: m.user, Since: h.since})
	}
	err := h.ledger.Ledgers(ctx, questions, h.add)
	if err != nil {
		h.forget() // half of what there is would look like the whole
	}
	return err
}

func (h *history) forget() {
	clear(h.members)
	clear(h.fates)
}

func (h *history) key(id string) uint64 { return maphash.String(h.seed, id) }

func (h *history) add(r schema.Record) {
	if r.Kind != schema.RecordPlanned {
		key := h.key(r.Delivery)
		h.fates[key] = h.fates[key].after(r)
		return
	}
	for _, p := range r.Deliveries {
		if key := h.key(p.ID); h.fates[key] == (fate{}) {
			h.fates[key] = fate{open: true, sent: r.At.UnixNano()}
		}
	}
}

// after is the fate with one more record.
func (f fate) after(r schema.Record) fate {
	pass := int32(min(max(r.Replay, 0), 1<<30)) //nolint:gosec // it is bounded
	if pass > f.replay {
		f = fate{delivered: f.delivered, replay: pass, sent: r.At.UnixNano(), open: true}
	}
	if r.Kind == schema.RecordFailed && pass == f.replay {
		f.open = true // also where the ledger does not reach back to its plan
	}
	if r.Kind == schema.RecordDelivered {
		f.delivered = max(f.delivered, pass+1)
	}
	if pass == f.replay && r.Kind.Ends() {
		f.open, f.died = false, 0
		if r.Kind == schema.RecordDead {
			f.died = r.At.UnixNano()
		}
	}
	return f
}

// of is the fate of a delivery, if the ledger has it.
func (h *history) of(d schema.Delivery) (fate, bool) {
	f, known := h.fates[h.key(d.ID())]
	return f, known
}

// begun notes that a delivery was sent on its way.
func (h *history) begun(d schema.Delivery) {
	key := h.key(d.ID())
	h.fates[key] = fate{
		delivered: h.fates[key].delivered, replay: int32(d.Replays), sent: time.Now().UnixNano(), open: true, //nolint:gosec // it is one more than was read
	}
}
