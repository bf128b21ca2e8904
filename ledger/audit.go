package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tocsin/schema"
)

// Audit counts what became of deliveries, and finds those of which nothing did.
// Tell it first how far events are Routed and what Waits, then every record.
// What is left is missing, or was moved from queue to queue while it was looked
// for: ask again, and tell it what waits then and what the ledger has got since.
type Audit struct {
	deliveries map[string]*traced // by id
	waiting    map[string]bool
	routed     uint64
	nobody     map[[2]string]bool // events by source and id that nobody was told of
}

// traced is what the audit knows of a delivery. It holds no more than that: there
// can be millions.
type traced struct {
	planned   *schema.Record // of the plan that it belongs to
	place     schema.Planned
	end       schema.RecordKind
	round     int // of replays, that the end belongs to
	delivered int
	last      time.Time // when it was delivered last
}

// NewAudit makes an audit that knows of nothing.
func NewAudit() *Audit {
	return &Audit{deliveries: map[string]*traced{}, waiting: map[string]bool{}, nobody: map[[2]string]bool{}}
}

// Routed notes up to which event of TOCSIN_EVENTS all are routed. Of a later one
// the deliveries may follow their plan: it is routed again if its worker died.
func (a *Audit) Routed(sequence uint64) { a.routed = sequence }

// Waits notes that a delivery lies in a queue.
func (a *Audit) Waits(id string) { a.waiting[id] = true }

// Add notes a record. One that is there twice counts once: a worker stores it
// again when it has not heard that it is stored. Another attempt that arrived,
// after a crash, has another time.
func (a *Audit) Add(r schema.Record) {
	if r.User == schema.Nobody {
		a.nobody[[2]string{r.Source, r.Event}] = true
	}
	if r.Kind == schema.RecordPlanned {
		for _, p := range r.Deliveries {
			t := a.trace(p.ID)
			t.planned, t.place = &r, p
		}
		return
	}
	t := a.trace(r.Delivery)
	switch {
	case r.Replay > t.round, r.Replay == t.round && r.Kind.Ends():
		t.round, t.end = r.Replay, ""
		if r.Kind.Ends() {
			t.end = r.Kind
		}
	}
	if r.Kind == schema.RecordDelivered && !r.At.Equal(t.last) {
		t.delivered, t.last = t.delivered+1, r.At
	}
}

func (a *Audit) trace(id string) *traced {
	if a.deliveries[id] == nil {
		a.deliveries[id] = &traced{}
	}
	return a.deliveries[id]
}

// Result is what an audit has found. Planned is the sum of Delivered,
// Suppressed, Dead, Waiting and the length of Missing.
type Result struct {
	Planned    int `json:"planned"`
	Delivered  int `json:"delivered"`
	Suppressed int `json:"suppressed"`
	Dead       int `json:"dead"`
	Waiting    int `json:"waiting"`

	// Nobody is how many events reached nobody, because their account had no
	// members when they were routed. Many at once mean that Redis has lost them.
	Nobody int `json:"nobody"`

	Missing []Loss `json:"missing"` // planned, not ended, and waiting nowhere
	Double  []Loss `json:"double"`  // the far end has accepted it more than once
}

// Loss names a delivery that something is wrong with.
type Loss struct {
	Delivery string `json:"delivery"`
	Account  string `json:"account"`
	User     string `json:"user"`
	Channel  string `json:"channel"`
	Target   string `json:"target"`
	Source   string `json:"source"`
	Event    string `json:"event"`
	Times    int    `json:"times,omitempty"` // of Double: how often it arrived
}

// Result counts the deliveries whose plan the audit has seen. Others were
// planned before the time that is audited.
func (a *Audit) Result() Result {
	result := Result{Nobody: len(a.nobody), Missing: []Loss{}, Double: []Loss{}}
	for _, id := range slices.Sorted(maps.Keys(a.deliveries)) {
		t := a.deliveries[id]
		if t.planned == nil {
			continue
		}
		result.Planned++
		switch {
		case t.end == schema.RecordDelivered:
			result.Delivered++
		case t.end == schema.RecordSuppressed:
			result.Suppressed++
		case t.end == schema.RecordDead:
			result.Dead++
		case a.waiting[id], t.planned.Sequence > a.routed:
			result.Waiting++
		default:
			result.Missing = append(result.Missing, t.loss(0))
		}
		if t.delivered > t.round+1 {
			result.Double = append(result.Double, t.loss(t.delivered))
		}
	}
	slices.SortStableFunc(result.Double, func(a, b Loss) int { return cmp.Compare(b.Times, a.Times) })
	return result
}

func (t *traced) loss(times int) Loss {
	return Loss{
		Delivery: t.place.ID, Account: t.planned.Account, User: t.planned.User,
		Channel: t.place.Channel, Target: t.place.Target,
		Source: t.planned.Source, Event: t.planned.Event, Times: times,
	}
}
