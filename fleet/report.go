package fleet

import "time"

// Roles of processes.
const (
	RoleWorker = "worker"
	RoleWeb    = "web"
)

// State is what a process says of itself.
type State string

// States of processes.
const (
	Working  State = "working"
	Draining State = "draining" // told to stop: it finishes what it has in hand
	Left     State = "left"     // it has ended, as it was told
	Silent   State = "silent"   // it has not reported for SilentAfter: killed, or cut off
)

// Every is how often a process reports.
const Every = 10 * time.Second

// SilentAfter is how long a process may say nothing: two reports may be lost, or
// late.
const SilentAfter = 3*Every + Every/2

// Self is what does not change while a process lives.
type Self struct {
	Process string    `json:"process"` // its id: another one for each start
	Host    string    `json:"host"`
	Version string    `json:"version"`
	Role    string    `json:"role"`
	Started time.Time `json:"started"`
}

// Report is what a process said of itself at one moment.
type Report struct {
	Self
	At       time.Time          `json:"at"`
	Skew     time.Duration      `json:"skew,omitempty"` // as it is read: how far its clock is ahead of the server's
	State    State              `json:"state"`          // never Silent
	Channels map[string]Channel `json:"channels,omitempty"`
	Events   map[string]float64 `json:"events,omitempty"`  // routed since it started, by what became of them
	Servers  map[string]bool    `json:"servers,omitempty"` // "nats", "redis": whether it reaches them
}

// Channel is one channel of one process. The name that the router has among
// channels is Routing.
type Channel struct {
	Slots    int      `json:"slots"`              // messages that can be in hand at a time
	InFlight int      `json:"in_flight"`          // messages in hand
	Counts   Counts   `json:"counts"`             // since the process started
	Backlog  *Backlog `json:"backlog,omitempty"`  // of the whole fleet; nil: this process does not look
	Breakers Breakers `json:"breakers,omitempty"` // of the whole fleet, as far as this process knows
}

// Routing stands where a channel can, for events on their way to be routed.
const Routing = "route"

// Breakers counts endpoints by the state of their circuit breaker.
type Breakers map[string]int

// Backlog is what waits on a channel in the whole fleet.
type Backlog struct {
	Waiting     int     `json:"waiting"`        // deliveries before their first attempt; events before routing
	Parked      int     `json:"parked"`         // deliveries that wait for a later attempt
	Oldest      float64 `json:"oldest_seconds"` // age of the oldest that waits for its first attempt
	DeadLetters int     `json:"dead_letters"`
}
