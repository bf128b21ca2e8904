package replay

import (
	"context"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// fate is what has become of a delivery by now, as the ledger tells it.
type fate struct {
	delivered int       // 1 + the newest replay that arrived; 0: none, and not the first pass
	replay    int       // the newest replay; 0: the first pass
	sent      time.Time // when that began
	died      time.Time // when it ended as a dead letter; zero: it did not
	open      bool      // that has not ended: it waits for an attempt
}

// member is where the ledger tells of a delivery.
type member struct{ account, user string }

// history remembers fates of deliveries that were planned or died since a time.
// Reading all of it at once would take too much memory, and reading it for each
// delivery too much time: it is read by member, kept for a while, and forgotten
// when it grows.
type history struct {
	ledger  records
	since   time.Time
	members map[member]*memory
	size    int // fates that are remembered
}

type memory struct {
	read  time.Time
	fates map[string]fate // by delivery id
}

// records are what the ledger holds: a *queue.Queue.
type records interface {
	Ledgers(ctx context.Context, questions []queue.LedgerQuery, do func(schema.Record)) error
}

const (
	// mostFates is how many fates are remembered: some 40 MB.
	mostFates = 200_000
	// stale is after how long a member is looked up again: somebody else may have
	// replayed a delivery meanwhile.
	stale = 30 * time.Second
	// skew is by how much clocks of two machines may differ.
	skew = time.Minute
)

func newHistory(ledger records, since time.Time) *history {
	return &history{ledger: ledger, since: since.Add(-skew), members: map[member]*memory{}}
}

// learn reads what is not known of these members.
func (h *history) learn(ctx context.Context, members []member) error {
	if h.size > mostFates {
		clear(h.members)
		h.size = 0
	}
	now := time.Now()
	var questions []queue.LedgerQuery
	for _, m := range members {
		if known := h.members[m]; known != nil && now.Sub(known.read) < stale {
			continue
		} else if known != nil {
			h.size -= len(known.fates)
		}
		h.members[m] = &memory{read: now, fates: map[string]fate{}}
		questions = append(questions, queue.LedgerQuery{Account: m.account, User: m.user, Since: h.since})
	}
	err := h.ledger.Ledgers(ctx, questions, h.add)
	if err != nil {
		clear(h.members) // half of what there is would look like the whole
		h.size = 0
	}
	return err
}

func (h *history) add(r schema.Record) {
	m := h.members[member{r.Account, r.User}]
	if m == nil {
		return
	}
	before := len(m.fates)
	if r.Kind == schema.RecordPlanned {
		for _, p := range r.Deliveries {
			if _, known := m.fates[p.ID]; !known {
				m.fates[p.ID] = fate{open: true, sent: r.At}
			}
		}
	} else {
		m.fates[r.Delivery] = m.fates[r.Delivery].after(r)
	}
	h.size += len(m.fates) - before
}

// after is the fate with one more record.
func (f fate) after(r schema.Record) fate {
	if r.Replay > f.replay {
		f = fate{delivered: f.delivered, replay: r.Replay, sent: r.At, open: true}
	}
	if r.Kind == schema.RecordDelivered {
		f.delivered = max(f.delivered, r.Replay+1)
	}
	if r.Replay == f.replay && r.Kind.Ends() {
		f.open, f.died = false, time.Time{}
		if r.Kind == schema.RecordDead {
			f.died = r.At
		}
	}
	return f
}

// of is the fate of a delivery, if its member is known and the ledger has it.
func (h *history) of(d schema.Delivery) (fate, bool) {
	m := h.members[member{d.Event.Account, d.User}]
	if m == nil {
		return fate{}, false
	}
	f, known := m.fates[d.ID()]
	return f, known
}

// begun notes that a delivery was sent on its way, before the ledger is asked
// again.
func (h *history) begun(d schema.Delivery) {
	if m := h.members[member{d.Event.Account, d.User}]; m != nil {
		f := m.fates[d.ID()]
		m.fates[d.ID()] = fate{delivered: f.delivered, replay: d.Replays, sent: time.Now(), open: true}
	}
}
