package schema

// Turn is what an event says of an outage of its resource.
type Turn int

// Turns of an outage.
const (
	NoTurn Turn = iota
	Begins      // the resource has failed; said again, it still does
	Ends        // it works again
)

// Turn tells the two pairs of types of which one ends what the other began. A
// process that is down is never said to be back.
func (t Type) Turn() Turn {
	switch t.Name {
	case "server.stopped", "job.fail":
		return Begins
	case "server.backon", "job.backon":
		return Ends
	}
	return NoTurn
}
