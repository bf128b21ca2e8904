package queue

import (
	"time"

	"tocsin/schema"
)

// Outcome is what becomes of a message that was handed out. Handlers return
// it; settle alone acts on it.
type Outcome struct {
	verdict  verdict
	delivery schema.Delivery // of park and bury
	wait     time.Duration   // of stay
	death    Death
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
	abandon                     // leave it unacknowledged; it is handed out again after ackWait
)

// Done says that nothing is left to do: delivered, suppressed or routed.
func Done() Outcome { return Outcome{verdict: done} }

// Park says that d is to be handed out again when d.Due has come.
func Park(d schema.Delivery) Outcome { return Outcome{verdict: park, delivery: d} }

// Bury says that d cannot be delivered.
func Bury(d schema.Delivery, death Death) Outcome {
	return Outcome{verdict: bury, delivery: d, death: death}
}

// BuryEvent says that the event in hand cannot be routed.
func BuryEvent(death Death) Outcome { return Outcome{verdict: bury, death: death} }

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

// Death is why something became a dead letter.
type Death struct {
	Cause  Cause
	Reason string // one line for people
	Type   string // of an event that did not validate: its type, or schema.UnknownType
}
