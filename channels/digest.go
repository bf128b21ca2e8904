package channels

import (
	"context"
	"strings"
	"time"

	"tocsin/schema"
)

// Digester is a Channel that can mention other deliveries to the same target in
// a message, because the target takes only so many messages (Spec.Rate).
type Digester interface {
	// SendDigest is Send with a line for each of also, at most MostBriefs and
	// none left out: what is mentioned counts as delivered.
	SendDigest(ctx context.Context, d schema.Delivery, also []Brief, to Target) error
}

// MostBriefs is how many others one message may mention: more than a screenful
// is not read.
const MostBriefs = 40

// Brief is a delivery in one line.
type Brief struct {
	Text    string // one line of printable characters, as Line makes it
	Outcome schema.Outcome
	Time    time.Time // of the event
}

// DeliveryLine is Line with how long the resource was down, if that is known.
func DeliveryLine(d schema.Delivery) string {
	line := Line(d.Event)
	if fact := outage(d); fact != nil {
		line += " after " + fact.Value
	}
	return line
}

// Line says in a few words what happened to what, and in which stack.
func Line(e schema.Event) string {
	d := describe(e)
	title, stack := clean(d.title(), longestValue), d.stack()
	if stack == "" || strings.Contains(title, stack) {
		return title
	}
	return title + " (" + stack + ")"
}
