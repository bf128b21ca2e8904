package replay

import "strings"

// Chosen says in a line what the job is about, as the audit stream has it.
func (j Job) Chosen() string {
	if j.Events == nil {
		return "dead letters: " + j.Filter.String()
	}
	return j.Events.String()
}

// String says in a line which events are routed again, and for whom.
func (e Events) String() string {
	text := "events: " + e.Filter.String()
	if e.User != "" {
		text += ", for " + e.User
	}
	text += ", by " + strings.Join(e.Channels, ", ")
	if e.Resend {
		text += ", also what was delivered"
	}
	return text
}
