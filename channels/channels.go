// Package channels says what a channel is: a way to bring one delivery to one
// target, and a description of itself from which configuration, settings page
// and metrics are made. Each channel is a folder below this one.
//
// A channel never retries, waits, logs or acknowledges. It sends once and
// returns nil, or an error that says what to do next: an unmarked error is
// temporary, because at-least-once forgives a duplicate but not a loss; what is
// not temporary must be said in a Failure.
package channels

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"tocsin/schema"
)

// Channel brings one delivery to one target.
type Channel interface {
	// Send makes one attempt and returns when the far end has answered or ctx
	// is done. It is called from many goroutines.
	Send(ctx context.Context, d schema.Delivery, to Target) error
}

// Target is where a delivery goes, as the user's settings say at this moment.
type Target struct {
	ID       string
	Settings json.RawMessage // an object with the fields that the channel's Spec names
	Since    time.Time       // when these settings were saved
	Person   Person
}

// Person is the user who is told.
type Person struct {
	Email    string `json:"email,omitempty"`
	Name     string `json:"name,omitempty"`
	TimeZone string `json:"time_zone,omitempty"` // IANA name; empty means UTC
	Locale   string `json:"locale,omitempty"`    // BCP 47; empty means English
}

// Spec describes a channel to everything around it.
type Spec struct {
	Name   string // token of subjects and keys: "webhook"
	Label  string // for people: "Webhook"
	Fields []Field

	// Many says that a user may have several targets (devices); otherwise the
	// one target has the id MainTarget.
	Many bool

	// Check says what is wrong with a target's settings, in words for the user.
	Check func(settings json.RawMessage) error

	Timeout     time.Duration // the most that one attempt may take
	Window      time.Duration // how long a delivery is worth retrying; 0: the installation's
	Concurrency int           // attempts at a time in one worker, unless configured otherwise
	Rate        Rate          // how often one target may be sent to, by the whole fleet; zero: as often as it likes

	// RateOf is how often a target with these settings may be sent to, as its
	// owner wishes, in place of Rate; nil: owners have no say.
	RateOf func(settings json.RawMessage) Rate

	// Host says where a target with these settings is reached. Targets of such a
	// channel, and their hosts, are kept from holding each other up, and one that
	// fails for days is switched off. nil: the channel brings everything through
	// a server of its own, and there is nothing to keep apart.
	Host func(settings json.RawMessage) Host

	Config Config
}

// Host is where targets are reached.
type Host struct {
	Name string // "https://example.com:443"
	Ours bool   // the installation's: targets are not to blame if it cannot be reached
}

// Address is the host with its port where a user's settings name it, and empty
// where it is the installation's.
func (h Host) Address() string {
	if h.Ours {
		return ""
	}
	_, address, _ := strings.Cut(h.Name, "://")
	return address
}

// Rate bounds how often a target may be sent to.
type Rate struct {
	Messages int
	Per      time.Duration
}

// MainTarget is the id of a target where a user has only one in a channel.
const MainTarget = "main"

// Config is what an installation sets for a channel: a pointer to a struct
// whose tags make the flags and TOCSIN_ variables (alecthomas/kong).
type Config interface {
	// Present reports whether enough is configured to offer the channel.
	Present() bool
	// Open makes the channel. The error names the variable that is wrong.
	Open() (Channel, error)
}
