package worker

import (
	"time"

	"tocsin/schema"
)

// What becomes of events, as it is counted.
const (
	EventRouted    = "routed"    // each of its deliveries is stored
	EventNobody    = "nobody"    // its account has no members, so there are no deliveries
	EventDuplicate = "duplicate" // it was published twice, and was routed before
	EventRefused   = "refused"   // it does not validate, and became a dead letter
	EventFailed    = "failed"    // it cannot be routed for another reason, and became a dead letter
)

// routeMeter counts what a Router does. It is called from many goroutines.
type routeMeter interface {
	// Routed is told what became of an event, and how long after its publication.
	Routed(typeName, ending string, latency time.Duration)
	// Planned is told of each delivery that is stored. Those of the crowd exceed
	// their account's share.
	Planned(channel string, crowd bool)
}

func (r *Router) routed(typeName, ending string, stored time.Time) {
	if r.Meter != nil {
		r.Meter.Routed(typeName, ending, max(time.Since(stored), 0))
	}
}

func (r *Router) planned(p schema.Plan) {
	if r.Meter == nil {
		return
	}
	for _, d := range p.Deliveries {
		r.Meter.Planned(d.Channel, d.Crowd)
	}
}
