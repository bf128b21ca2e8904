package schema

import "time"

// AuditSubjects are all subjects of the audit stream.
const AuditSubjects = "tocsin.audit.>"

// AuditSubject holds what was done by one way.
func AuditSubject(via Via) string { return "tocsin.audit." + string(via) }

// Via is the way by which something was done.
type Via string

// Ways.
const (
	ByConsole Via = "console" // the ops console, in a browser
	ByAPI     Via = "api"     // the HTTP API
	ByCommand Via = "command" // the command line
)

// Act is one entry of the audit stream, as it lies there in JSON: what a person
// or a program did to an installation, or tried to. There is one of outcome
// ActBegun, stored before anything is done, and one that says how it ended. Where
// the second is missing, the process died in between.
type Act struct {
	ID string    `json:"id"` // of the act: the same in both entries
	At time.Time `json:"at"`

	Who  string `json:"who"`            // the name of an ops key, user@host of a command, the mark of an API key
	Role string `json:"role,omitempty"` // of an ops key
	Via  Via    `json:"via"`
	From string `json:"from,omitempty"` // the address that asked, where one did

	What   string `json:"what"`             // "replay.start"
	On     string `json:"on"`               // "replay 7XK2PQ44AB"
	Detail string `json:"detail,omitempty"` // one line for people

	Outcome ActOutcome `json:"outcome"`
	Reason  string     `json:"reason,omitempty"` // of ActFailed and ActRefused
}

// ActOutcome says how far an act has come.
type ActOutcome string

// Outcomes of an act.
const (
	ActBegun   ActOutcome = "begun"   // it is about to be done
	ActDone    ActOutcome = "done"    // it was done
	ActFailed  ActOutcome = "failed"  // it was tried, and may be done in part
	ActRefused ActOutcome = "refused" // whoever asked may not do so: nothing was done
)
