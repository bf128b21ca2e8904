// Package channeltest is the contract that every channel passes: what it does
// when the far end takes a delivery, cannot at the moment, never will, asks to
// wait, hangs or floods, and what its errors must never tell.
package channeltest

import (
	"encoding/json"
	"fmt"
	"time"

	"tocsin/channels"
	"tocsin/schema"
)

// Subject is a channel under test with its far end.
//
// The functions from Temporarily to Flood script the far end: each makes the
// one attempt that follows end in that way, after which the far end takes
// everything again. One that is nil has no counterpart in the protocol, and
// its part of the contract is not run; Temporarily, Permanently and Hang every
// protocol has.
type Subject struct {
	Spec    channels.Spec
	Channel channels.Channel
	Target  channels.Target // one that the far end takes deliveries for

	// Arrived lists what reached the far end so far, oldest first and whether
	// or not it was taken, by the delivery id that the protocol carried.
	Arrived func() []string
	// CarriesID says that the protocol carries the delivery id.
	CarriesID bool

	Temporarily func()                           // refuses, and says that it may pass
	Permanently func()                           // refuses for good
	Wait        func(time.Duration)              // refuses, and asks not to be tried sooner
	Hang        func() (reached <-chan struct{}) // says nothing; reached is closed once an attempt is there
	Flood       func()                           // answers with far more than anybody would read

	// Secrets must not be in the text of any error: the target's credentials,
	// the person's address, the path and query of a URL.
	Secrets []string
}

// delivery makes the nth delivery to the subject's target.
func (s Subject) delivery(n int) schema.Delivery {
	return schema.Delivery{
		Event: schema.Event{
			ID:           fmt.Sprintf("channeltest-%d", n),
			Source:       "urn:tocsin:channeltest",
			Type:         "stack.redeploy.fail",
			Account:      "acme",
			Subject:      "stack/5999b763474b0eafa5fafb64bff0ba80",
			Time:         time.Unix(1751846400, 0).UTC(),
			ResourceName: "Ledger",
			StackName:    "Ledger",
			Link:         "https://app.example.com/stacks/5999b763474b0eafa5fafb64bff0ba80",
			Data:         json.RawMessage(`{"uid":"5999b763474b0eafa5fafb64bff0ba80","name":"Ledger","environment":"production","status":2}`),
		},
		User:    "grace",
		Channel: s.Spec.Name,
		Target:  s.Target.ID,
		Planned: time.Unix(1751846401, 0).UTC(),
	}
}
