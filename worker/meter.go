package worker

import (
	"context"
	"errors"
	"strings"
	"time"

	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/schema"
)

// Ending is what became of a delivery in hand, as it is counted: of every pair
// there is one count, so there is a closed list of them, Endings.
type Ending struct {
	Outcome string // one of the outcomes below
	Reason  string // one of the classes below, or a schema.Rule
}

// Outcomes of deliveries in hand.
const (
	OutcomeDelivered  = "delivered"
	OutcomeRetried    = "retried"    // the attempt failed, and another one will be made
	OutcomeDead       = "dead"       // it became a dead letter
	OutcomeSuppressed = "suppressed" // it is not wanted any more; the reason is the rule
	OutcomeHeld       = "held"       // no attempt was made: its endpoint takes nothing now
)

// Classes of reasons.
const (
	reasonOK       = "ok"     // delivered by a message of its own
	reasonListed   = "listed" // delivered as a line of another message to the same room
	reasonOpen     = "open"   // held: its endpoint, or the host of it, is known not to work
	reasonBusy     = "busy"   // held: its endpoint, or the host of it, has enough in hand
	reasonPaced    = "paced"  // held: its room takes no more messages for a while
	reasonTimeout  = "timeout"
	reasonUnreach  = "unreached"    // no connection, or it broke
	reasonLimited  = "rate_limited" // status 429
	reasonStatus   = "status_"      // any other: of HTTP, and of SMTP, where 4xx is for the moment and 5xx for good
	reasonOurs     = "misconfigured"
	reasonUnasked  = "unavailable" // the target's settings, or its turn, could not be read
	reasonAnything = "other"
)

// Endings lists every Ending that a Deliverer reports.
func Endings() []Ending {
	all := []Ending{
		{OutcomeDelivered, reasonOK}, {OutcomeDelivered, reasonListed},
		{OutcomeHeld, reasonOpen}, {OutcomeHeld, reasonBusy}, {OutcomeHeld, reasonPaced},
		{OutcomeDead, reasonOpen}, {OutcomeDead, reasonBusy}, {OutcomeDead, reasonPaced},
	}
	for _, rule := range schema.Rules() {
		all = append(all, Ending{OutcomeSuppressed, string(rule)})
	}
	for _, reason := range [...]string{
		reasonTimeout, reasonUnreach, reasonLimited, "status_4xx", "status_5xx", reasonOurs, reasonUnasked, reasonAnything,
	} {
		all = append(all, Ending{OutcomeRetried, reason}, Ending{OutcomeDead, reason})
	}
	return all
}

// meter counts what a Deliverer does. It is called for every delivery, from many
// goroutines.
type meter interface {
	// Attempted is told of each attempt how long the far end was waited for.
	Attempted(took time.Duration)
	// Ended is told what became of each delivery. Where that is its delivery,
	// latency is the time since its event was published, or it was replayed.
	Ended(e Ending, latency time.Duration)
	// Targeted is told what was done about a target that fails: one of the
	// measures.
	Targeted(measure string)
}

// What is done about targets that fail.
const (
	MeasureWarned      = "warned"       // its owner was told that it fails, and when it will be switched off
	MeasureSwitchedOff = "switched_off" // it is gone, or has failed for too long
)

func (dl *Deliverer) targeted(measure string) {
	if dl.Meter != nil {
		dl.Meter.Targeted(measure)
	}
}

func (dl *Deliverer) attempted(took time.Duration) {
	if dl.Meter != nil {
		dl.Meter.Attempted(took)
	}
}

func (dl *Deliverer) ended(outcome, reason string) {
	if dl.Meter != nil {
		dl.Meter.Ended(Ending{outcome, reason}, 0)
	}
}

func (dl *Deliverer) delivered(d schema.Delivery, reason string) {
	if dl.Meter == nil {
		return
	}
	published := d.Published
	if published.IsZero() {
		published = d.Planned
	}
	dl.Meter.Ended(Ending{OutcomeDelivered, reason}, max(dl.now().Sub(published), 0))
}

// classOf is the class of a failure: how it shows from outside, whatever becomes
// of the delivery.
func classOf(f channels.Failure) string {
	switch {
	case f.Kind == channels.Misconfigured:
		return reasonOurs
	case f.Status == "429", strings.HasPrefix(f.Status, "429 "):
		return reasonLimited
	case f.Status != "" && (f.Status[0] == '4' || f.Status[0] == '5'):
		return reasonStatus + f.Status[:1] + "xx"
	case errors.Is(f.Err, context.DeadlineExceeded):
		return reasonTimeout
	case f.Unreached:
		return reasonUnreach
	}
	return reasonAnything
}

func classOfHeld(held breaker.Held) string {
	if held.Open {
		return reasonOpen
	}
	return reasonBusy
}
