package channels

import (
	"errors"
	"time"
)

// Kind is what a failed attempt means for the next one.
type Kind int

// Kinds of failure.
const (
	Temporary     Kind = iota // try again by the backoff policy
	Permanent                 // this delivery will never succeed as things are: dead letter
	Gone                      // the target itself is no more: dead letter, and switch the target off
	Misconfigured             // the installation is at fault, not the target: wait for the operator, and count no attempt
)

// Failure is an attempt that did not deliver.
type Failure struct {
	Kind      Kind
	Status    string        // what the far end said: "503", "550 5.1.1", "410 Unregistered"; empty if nothing
	Wait      time.Duration // the far end asks not to be tried sooner; 0: it does not
	Unreached bool          // no connection, or no answer in time: this tells of the host and not only of the target
	Since     time.Time     // of Gone: dead from then on; a target saved later is kept. Zero: whenever it was saved
	Err       error         // holds no address, credential or payload
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// FailureOf reads what an error of Send means. An unmarked error is temporary.
func FailureOf(err error) Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		marked := *f
		marked.Err = err
		return marked
	}
	return Failure{Kind: Temporary, Err: err}
}
