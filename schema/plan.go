package schema

import "time"

// Plan is what an event means for one member of its account: by which targets
// they are told, and why not by the others.
type Plan struct {
	Event    Event
	Sequence uint64 // of the event in TOCSIN_EVENTS; 0 for a notice of ours
	Summary  string // the event in one line for people
	User     string
	At       time.Time // when the event was routed

	Deliveries []Delivery // ordered by channel and target, none twice
	Skipped    []Skipped  // ordered by channel and target
}

// PlanOf is the plan of a delivery that no event of the platform made.
func PlanOf(d Delivery, summary string) Plan {
	return Plan{Event: d.Event, Summary: summary, User: d.User, At: d.Planned, Deliveries: []Delivery{d}}
}

// Record is how the ledger tells of the plan.
func (p Plan) Record() Record {
	r := recordOf(RecordPlanned, p.Event, p.User, p.At)
	r.Sequence, r.Summary, r.Skipped = p.Sequence, p.Summary, p.Skipped
	r.Deliveries = make([]Planned, len(p.Deliveries))
	for i, d := range p.Deliveries {
		r.Deliveries[i] = Planned{ID: d.ID(), Channel: d.Channel, Target: d.Target}
	}
	return r
}

// Record is how the ledger tells what became of a delivery, by its newest
// attempt.
func (d Delivery) Record(kind RecordKind, at time.Time) Record {
	r := recordOf(kind, d.Event, d.User, at)
	r.Delivery, r.Channel, r.Target = d.ID(), d.Channel, d.Target
	r.Attempt, r.Replay = d.Attempts, d.Replays
	r.Status, r.Reason, r.Took = d.Last.Status, d.Last.Reason, d.Last.Took
	return r
}

func recordOf(kind RecordKind, e Event, user string, at time.Time) Record {
	return Record{
		Kind: kind, At: at.UTC(), Account: e.Account, User: user,
		Source: e.Source, Event: e.ID, Type: e.Type,
	}
}
