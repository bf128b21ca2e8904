package schema

import (
	"encoding/json"
	"time"
)

// Header is the headers of a NATS message. Names are compared without regard
// to case, as the CloudEvents binding for NATS asks, although NATS itself
// compares them exactly (ADR-4).
type Header = map[string][]string

// Event is a CloudEvent 1.0 that has passed validation.
type Event struct {
	ID      string    // unique within Source
	Source  string    // URI-reference of the producer
	Type    string    // one of Types
	Account string    // whose members are told
	User    string    // if set, only this member of the account is told
	Subject string    // the resource, for example "stack/5999b763"; may be empty
	Time    time.Time // when it happened, or when JetStream stored it if the producer did not say

	// For people's eyes, where the data has no name. May be empty.
	ResourceName string
	StackName    string
	Link         string // as published; not checked to be a URL

	// TraceParent is the span that published the event, or whatever has handled it
	// last: a traceparent of the W3C's Trace Context. Empty if nobody traces it.
	TraceParent string

	// Data is the resource as the platform's API gives it, a JSON object, byte
	// for byte as published.
	Data json.RawMessage
}
