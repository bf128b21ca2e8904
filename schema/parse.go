package schema

import (
	"errors"
	"time"
)

// Message is a message of the events stream as NATS delivered it.
type Message struct {
	Subject string
	Header  Header
	Body    []byte
	Stored  time.Time // when JetStream stored it
}

// Invalid is the error of a message that is not an event of ours. It is meant
// for a header of the dead letter.
type Invalid struct {
	Type string // of the message's subject, or UnknownType

	// Reason names the field and the rule that it breaks in one printable line
	// of at most 300 bytes. It repeats nothing of the message but the names of
	// attributes.
	Reason string
}

func (i *Invalid) Error() string { return i.Reason }

// Parse reads and validates a message. Its content mode is told apart as the
// CloudEvents binding for NATS says: structured if the Content-Type begins
// with application/cloudevents or no header begins with ce-, binary otherwise.
//
// The event's Data is the JSON object without the white space around it, byte
// for byte as published, and may share memory with m.Body. The error is always
// an *[Invalid]. Parse may be called from many goroutines.
func (v *Validator) Parse(m Message) (Event, error) {
	typeName := TypeOf(m.Subject)
	e, err := v.parse(m, typeName)
	if err != nil {
		return Event{}, &Invalid{Type: typeName, Reason: err.Error()}
	}
	return e, nil
}

func (v *Validator) parse(m Message, typeName string) (Event, error) {
	if typeName == UnknownType {
		return Event{}, errors.New("subject: names no event type that exists")
	}
	if err := checkText("body", m.Body); err != nil {
		return Event{}, err
	}
	p, err := read(m)
	if err != nil {
		return Event{}, err
	}
	if err := v.check(p, typeName); err != nil {
		return Event{}, err
	}
	e, err := p.event(m.Stored)
	e.TraceParent = traceParentOf(e.TraceParent, m.Header)
	return e, err
}
