package queue

import (
	"time"

	"tocsin/schema"
)

// Outcome is what becomes of a message that was handed out. Handlers return
// it; settle alone acts on it.
type Outcome struct {
	verdict  verdict
	delivery schema.Delivery // of park, bury and isolated
	wait     time.Duration   // of stayed
	death    Death
	record   *schema.Record // for the ledger; nil: nothing has become of a delivery
}

type verdict int

const (
	done         verdict = iota // nothing more to do
	park                        // store the delivery until it is due
	bury                        // store a dead letter
	stayed                      // leave it where it is for a while
	handBack                    // give it to another worker, now
	isolated                    // store the delivery to be tried alone
	isolateEvent                // store the event to be tried alone
	deferEvent                  // store the event to be routed beside the others
	abandon                     // leave it unacknowledged; it is handed out again after ackWait
)

var verdictTexts = map[verdict]string{
	done: "done", park: "parked", bury: "buried", stayed: "stayed", handBack: "handed back",
	isolated: "isolated", isolateEvent: "isolated", deferEvent: "deferred", abandon: "abandoned",
}

// String says in a word what becomes of the message.
func (o Outcome) String() string { return verdictTexts[o.verdict] }

// Done says that an event is routed, or needs no routing.
func Done() Outcome { return Outcome{verdict: done} }

// Delivered says that the far end has d, by its newest attempt, d.Last.
func Delivered(d schema.Delivery) Outcome {
	return Outcome{verdict: done, record: recordOf(d, schema.RecordDelivered)}
}

// Suppress says that d is not wanted any more. why says the rule in words.
func Suppress(d schema.Delivery, rule schema.Rule, why string) Outcome {
	record := recordOf(d, schema.RecordSuppressed)
	record.Rule, record.Reason = rule, oneLine(why)
	return Outcome{verdict: done, record: record}
}

// Retry says that the newest attempt, d.Last, failed, and that d is to be
// handed out again when d.Due has come.
func Retry(d schema.Delivery) Outcome {
	record := recordOf(d, schema.RecordFailed)
	record.Next = d.Due.UTC()
	return Outcome{verdict: park, delivery: d, record: record}
}

// Park says that no attempt was made, and that d is to be handed out again when
// d.Due has come.
func Park(d schema.Delivery) Outcome { return Outcome{verdict: park, delivery: d} }

// Bury says that d cannot be delivered.
func Bury(d schema.Delivery, death Death) Outcome {
	record := recordOf(d, schema.RecordDead)
	record.Cause, record.Reason = string(death.Cause), oneLine(death.Reason)
	return Outcome{verdict: bury, delivery: d, death: death, record: record}
}

func recordOf(d schema.Delivery, kind schema.RecordKind) *schema.Record {
	record := d.Record(kind, time.Now())
	record.Status, record.Reason = oneLine(record.Status), oneLine(record.Reason)
	return &record
}

// BuryEvent says that the event in hand cannot be routed.
func BuryEvent(death Death) Outcome { return Outcome{verdict: bury, death: death} }

// DeferEvent says that the event in hand has to wait for those of its own
// account: it goes to the lane beside, where it is handed out again.
func DeferEvent() Outcome { return Outcome{verdict: deferEvent} }

// HandBack says that this worker is stopping before it could do anything.
func HandBack() Outcome { return Outcome{verdict: handBack} }

func stayFor(wait time.Duration) Outcome { return Outcome{verdict: stayed, wait: wait} }

// Cause is why a letter is dead, in one word.
type Cause string

// Causes of death.
const (
	Invalid   Cause = "invalid"   // the event does not validate
	Permanent Cause = "permanent" // the far end will never accept it as things are
	Gone      Cause = "gone"      // the target is no more
	Exhausted Cause = "exhausted" // the retry window is over
	Poison    Cause = "poison"    // it was handed out again and again and never settled
)

// Causes lists all of them.
func Causes() []Cause { return []Cause{Invalid, Permanent, Gone, Exhausted, Poison} }

// Death is why something became a dead letter.
type Death struct {
	Cause  Cause
	Reason string // one line for people
	Type   string // of an event that did not validate: its type, or schema.UnknownType
}
