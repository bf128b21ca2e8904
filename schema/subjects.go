package schema

import (
	"regexp"
	"strings"
)

// Subjects of the contract. Tokens that we fill in are event types, channel
// names and ids, all of which ValidID or the type table has checked.
const (
	EventSubjects = "tocsin.events.>"
	DeadSubjects  = "tocsin.dead.>"
	// UnknownType stands for the type of an event that names none of ours.
	UnknownType = "unknown"
)

// EventSubject is where events of this type are published.
func EventSubject(typeName string) string { return "tocsin.events." + typeName }

// TypeOf is the event type that a subject names, or UnknownType.
func TypeOf(subject string) string {
	name, ok := strings.CutPrefix(subject, EventSubject(""))
	if _, known := TypeNamed(name); !ok || !known {
		return UnknownType
	}
	return name
}

// DeliverySubject holds the deliveries of a channel that wait for their first attempt.
func DeliverySubject(channel string) string { return "tocsin.deliveries." + channel }

// DeadSubject holds the deliveries that a channel could not make.
func DeadSubject(channel, typeName string) string { return "tocsin.dead." + channel + "." + typeName }

// DeadEventSubject holds the events that did not validate.
func DeadEventSubject(typeName string) string { return "tocsin.dead.event." + typeName }

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidID reports whether s may stand as an account, user or target id: ids
// are tokens of subjects and of Redis keys, so they hold neither dots,
// wildcards nor braces.
func ValidID(s string) bool { return idPattern.MatchString(s) }
