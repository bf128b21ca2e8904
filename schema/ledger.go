package schema

import (
	"maps"
	"slices"
	"time"
)

// LedgerSubjects are all subjects of the ledger.
const LedgerSubjects = "tocsin.ledger.>"

// LedgerSubject holds what became of the deliveries to one member of an account.
func LedgerSubject(account, user string) string { return "tocsin.ledger." + account + "." + user }

// Nobody stands in place of a member where an event's account has none: somebody
// who looks for the event finds it, and why nobody was told. No user has this id.
const Nobody = "@nobody"

// Record is one entry of the ledger, as it lies there in JSON. For each event
// and each member of its account there is one of kind Planned; it names every
// delivery, and why there is none by the other channels. For each of these
// deliveries there is one Failed for every attempt that failed, and at last one
// of Delivered, Suppressed or Dead. A record can be there twice, after a crash
// between storing it and acknowledging what it tells of.
type Record struct {
	Kind    RecordKind `json:"kind"`
	At      time.Time  `json:"at"`
	Account string     `json:"account"`
	User    string     `json:"user"`

	// The event: enough to find it in TOCSIN_EVENTS, and to say what it was.
	Source   string `json:"source"`
	Event    string `json:"event"` // its id within Source
	Type     string `json:"type"`
	Sequence uint64 `json:"sequence,omitempty"` // in TOCSIN_EVENTS; of Planned
	Summary  string `json:"summary,omitempty"`  // one line for people; of Planned

	// Of Planned.
	Deliveries []Planned `json:"deliveries,omitempty"`
	Skipped    []Skipped `json:"skipped,omitempty"`

	// Of all other kinds.
	Delivery string        `json:"delivery,omitempty"` // the delivery id
	Channel  string        `json:"channel,omitempty"`
	Target   string        `json:"target,omitempty"`
	Attempt  int           `json:"attempt,omitempty"` // the number of the attempt, counted from 1; 0: none was made
	Replay   int           `json:"replay,omitempty"`  // how often the delivery had been replayed by then
	Status   string        `json:"status,omitempty"`  // what the far end said; see Attempt
	Reason   string        `json:"reason,omitempty"`  // one line for people; of Failed, Suppressed and Dead
	Rule     Rule          `json:"rule,omitempty"`    // of Suppressed
	Cause    string        `json:"cause,omitempty"`   // of Dead: queue.Cause
	Took     time.Duration `json:"took,omitempty"`    // nanoseconds that the attempt took
	Next     time.Time     `json:"next,omitzero"`     // when the next attempt is due; of Failed
}

// RecordKind says what a Record tells.
type RecordKind string

// Kinds of records.
const (
	RecordPlanned    RecordKind = "planned"    // the event was routed
	RecordFailed     RecordKind = "failed"     // an attempt failed and another one will be made
	RecordDelivered  RecordKind = "delivered"  // the far end has it
	RecordSuppressed RecordKind = "suppressed" // it is not wanted any more; Rule says by what
	RecordDead       RecordKind = "dead"       // it lies on its dead-letter subject
	RecordReplayed   RecordKind = "replayed"   // a dead letter was sent on its way again
)

// Ends reports whether a record of this kind is the last of its delivery,
// unless that is replayed.
func (k RecordKind) Ends() bool {
	return k == RecordDelivered || k == RecordSuppressed || k == RecordDead
}

// Planned is a delivery that an event has made.
type Planned struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Target  string `json:"target"`
}

// Skipped is a channel, or one target of it, by which a member was not told.
type Skipped struct {
	Channel string `json:"channel"`
	Target  string `json:"target,omitempty"` // where it is about one target alone
	Rule    Rule   `json:"rule"`
}

// Rule is what keeps a delivery from being made.
type Rule string

// Rules.
const (
	RuleNoUser     Rule = "no_user"     // the user is not known any more
	RuleNotMember  Rule = "not_member"  // the user is not, or no longer, a member of the account
	RuleNoMembers  Rule = "no_members"  // the account has no members, or the preferences of all are lost; User is Nobody
	RuleNotSetUp   Rule = "not_set_up"  // the user has no target in the channel
	RuleTargetOff  Rule = "target_off"  // the target was switched off: it is gone, or failed for too long
	RuleChosenOff  Rule = "chosen_off"  // the user switched the type off for the channel
	RuleDefaultOff Rule = "default_off" // the type is off by default, and the user did not switch it on
)

var ruleTexts = map[Rule]string{
	RuleNoUser:     "no such user any more",
	RuleNotMember:  "no longer a member of the account",
	RuleNoMembers:  "the account has no members",
	RuleNotSetUp:   "not set up",
	RuleTargetOff:  "target is switched off",
	RuleChosenOff:  "switched off by the user",
	RuleDefaultOff: "off by default for this type",
}

// Rules lists all of them.
func Rules() []Rule { return slices.Sorted(maps.Keys(ruleTexts)) }

// String says the rule in words for people.
func (r Rule) String() string { return ruleTexts[r] }
