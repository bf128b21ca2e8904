package ledger

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"tocsin/schema"
)

// Audit counts what became of deliveries, and finds those of which nothing did.
// Tell it first how far events are Routed and what Waits, then every record.
// What is left is missing, or was moved from queue to queue while it was looked
// for: ask again, and tell it what waits then and what the ledger has got since.
type Audit struct {
	deliveries map[string]*traced // by id
	waiting    map[string]bool
	stuck      map[string]bool
	routed     uint64
	names      map[string]string  // one copy of each text that many deliveries share
	nobody     map[[2]string]bool // events by source and id that nobody was told of
	plans      map[uint64]*plan   // the newest of each event for each user, by their hash
	seed       maphash.Seed
}

// traced is what the audit knows of a delivery. It holds no more than that: there
// can be millions.
type traced struct {
	plan      *plan // that it belongs to
	id        string
	channel   string
	target    string
	begun     bool // something has become of it, so that it was stored
	end       schema.RecordKind
	round     int // of replays, that the end belongs to
	delivered int
	last      int64 // when it was delivered last, in nanoseconds
}

// plan is what the audit remembers of a record of kind planned.
type plan struct {
	account, user, source, event string
	sequence                     uint64
	at                           int64    // when it was made, in nanoseconds
	off                          []string // channels that the plan after it skips
}

func (p *plan) sameAs(other *plan) bool {
	return p.event == other.event && p.source == other.source && p.user == other.user
}

// NewAudit makes an audit that knows of nothing.
func NewAudit() *Audit {
	return &Audit{
		deliveries: map[string]*traced{}, waiting: map[string]bool{}, stuck: map[string]bool{}, names: map[string]string{}, nobody: map[[2]string]bool{},
		plans: map[uint64]*plan{}, seed: maphash.MakeSeed(),
	}
}

// name is text without the message that it was read from, and but one copy of it.
func (a *Audit) name(text string) string {
	if known, ok := a.names[text]; ok {
		return known
	}
	text = strings.Clone(text)
	a.names[text] = text
	return text
}

// Routed notes up to which event of TOCSIN_EVENTS all are routed. Of a later one
// the deliveries may follow their plan: it is routed again if its worker died.
func (a *Audit) Routed(sequence uint64) { a.routed = sequence }

// Waits notes that a delivery lies in a queue.
func (a *Audit) Waits(id string) { a.waiting[id] = true }

// Stuck notes that a delivery lies in a queue that will never hand it out again.
// That is no waiting.
func (a *Audit) Stuck(id string) { a.stuck[id] = true }

// Needs reports whether a delivery that is stuck is to be handed out again:
// nothing has become of it, and it waits nowhere else. known is whether the audit
// can tell.
func (a *Audit) Needs(id string) (needs, known bool) {
	t := a.deliveries[id]
	if t == nil || t.plan == nil {
		return false, false
	}
	return t.end == "" && !a.waiting[id], true
}

// Add notes a record. One that is there twice counts once: a worker stores it
// again when it has not heard that it is stored. Another attempt that arrived,
// after a crash, has another time.
func (a *Audit) Add(r schema.Record) {
	if r.User == schema.Nobody {
		a.nobody[[2]string{r.Source, r.Event}] = true
	}
	if r.Kind == schema.RecordPlanned {
		p := a.plan(r)
		for _, d := range r.Deliveries {
			t := a.trace(d.ID)
			if t.plan == nil || t.plan.at < p.at {
				t.plan, t.channel, t.target = p, a.name(d.Channel), a.name(d.Target)
			}
		}
		return
	}
	t := a.trace(r.Delivery)
	t.begun = true
	switch {
	case r.Replay > t.round, r.Replay == t.round && r.Kind.Ends():
		t.round, t.end = r.Replay, ""
		if r.Kind.Ends() {
			t.end = r.Kind
		}
	}
	if at := r.At.UnixNano(); r.Kind == schema.RecordDelivered && at != t.last {
		t.delivered, t.last = t.delivered+1, at
	}
}

// plan remembers a record of kind planned, and what it changes about the one
// before it. An event is planned again if its deliveries could not be stored, and
// its user may have changed their mind by then.
func (a *Audit) plan(r schema.Record) *plan {
	p := &plan{account: a.name(r.Account), user: a.name(r.User), source: a.name(r.Source), event: r.Event, sequence: r.Sequence, at: r.At.UnixNano()}
	key := maphash.Comparable(a.seed, [...]string{p.event, p.source, p.user})
	before := a.plans[key]
	switch {
	case before == nil || !before.sameAs(p):
		a.plans[key] = p
	case before.at < p.at:
		a.plans[key] = p
		for _, skipped := range r.Skipped {
			before.off = append(before.off, a.name(skipped.Channel))
		}
	}
	return p
}

// withdrawn reports whether nothing is to become of a delivery: it was not
// stored, and the next plan of its event says why it is not to be made. One that
// the next plan does not speak of is none: of an event that is routed again only
// what there never was is planned.
func (a *Audit) withdrawn(t *traced) bool {
	return slices.Contains(t.plan.off, t.channel) && !t.begun && !a.waiting[t.id] && !a.stuck[t.id]
}

func (a *Audit) trace(id string) *traced {
	if a.deliveries[id] == nil {
		a.deliveries[id] = &traced{id: id}
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

	// Stuck lie in a queue although they were acknowledged: a NATS server that was
	// killed had forgotten to remove them. Those that have not ended are missing.
	Stuck int `json:"stuck"`

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
// planned before the time that is audited. What the next plan of the same event
// skips counts only if it was stored.
func (a *Audit) Result() Result {
	result := Result{Nobody: len(a.nobody), Stuck: len(a.stuck), Missing: []Loss{}, Double: []Loss{}}
	for id, t := range a.deliveries {
		if t.plan == nil || a.withdrawn(t) {
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
		case a.waiting[id], t.plan.sequence > a.routed:
			result.Waiting++
		default:
			result.Missing = append(result.Missing, t.loss(0))
		}
		if t.delivered > t.round+1 {
			result.Double = append(result.Double, t.loss(t.delivered))
		}
	}
	for _, losses := range [...][]Loss{result.Missing, result.Double} {
		slices.SortFunc(losses, func(a, b Loss) int {
			return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Delivery, b.Delivery))
		})
	}
	return result
}

func (t *traced) loss(times int) Loss {
	return Loss{
		Delivery: t.id, Account: t.plan.account, User: t.plan.user, Channel: t.channel, Target: t.target,
		Source: t.plan.source, Event: t.plan.event, Times: times,
	}
}
