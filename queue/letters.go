package queue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/schema"
)

// EventLetters stands, where a channel can, for events that did not validate.
const EventLetters = "event"

// LetterFilter chooses dead letters: those for which all that is set is true.
type LetterFilter struct {
	Channel string    `json:"channel,omitempty" query:"channel" doc:"Of this channel; 'event' for events that did not validate."`
	Type    string    `json:"type,omitempty" query:"type" doc:"Of this event type."`
	Account string    `json:"account,omitempty" query:"account" doc:"Of this account."`
	User    string    `json:"user,omitempty" query:"user" doc:"Of this user."`
	Host    string    `json:"host,omitempty" query:"host" doc:"Whose far end had this host, with or without its port."`
	Cause   Cause     `json:"cause,omitempty" query:"cause" enum:"invalid,permanent,gone,exhausted,poison" doc:"Of this cause."`
	Reason  string    `json:"reason,omitempty" query:"reason" doc:"Whose reason or status contains this text."`
	Since   time.Time `json:"since,omitzero" query:"since" doc:"Dead since then."`
	Until   time.Time `json:"until,omitzero" query:"until" doc:"Dead before then."`

	Sequences []uint64 `json:"sequences,omitempty" doc:"These letters alone."`
}

// mostSequences is how many letters can be named one by one: a replay keeps its
// filter in one message, of at most 1 MiB.
const mostSequences = 10_000

// Check says what can match nothing.
func (f LetterFilter) Check() error {
	if f.Channel != "" && !schema.ValidID(f.Channel) {
		return fmt.Errorf("channel: %q is not the name of a channel", f.Channel)
	}
	if _, known := schema.TypeNamed(f.Type); f.Type != "" && f.Type != schema.UnknownType && !known {
		return fmt.Errorf("type: there is no event type %q", f.Type)
	}
	if len(f.Sequences) > mostSequences {
		return fmt.Errorf("sequences: at most %d letters can be named one by one, and these are %d", mostSequences, len(f.Sequences))
	}
	return nil
}

// subject narrows what the server sends.
func (f LetterFilter) subject() string {
	channel, typeName := f.Channel, f.Type
	if channel == "" {
		channel = "*"
	}
	if typeName == "" {
		typeName = ">"
	}
	return schema.DeadSubject(channel, typeName)
}

// Matches reports whether a letter is chosen.
func (f LetterFilter) Matches(l DeadLetter) bool {
	var d schema.Delivery
	if l.Delivery != nil {
		d = *l.Delivery
	}
	channel, typeName := l.Place()
	return (f.Channel == "" || f.Channel == channel) &&
		(f.Type == "" || f.Type == typeName) &&
		(f.Account == "" || f.Account == d.Event.Account) &&
		(f.User == "" || f.User == d.User) &&
		(f.Host == "" || isHost(f.Host, d.Last.Host)) &&
		(f.Cause == "" || f.Cause == l.Cause) &&
		(f.Reason == "" || strings.Contains(l.Reason, f.Reason) || strings.Contains(d.Last.Status, f.Reason)) &&
		(f.Since.IsZero() || !l.Died.Before(f.Since)) &&
		(f.Until.IsZero() || l.Died.Before(f.Until)) &&
		(len(f.Sequences) == 0 || slices.Contains(f.Sequences, l.Sequence))
}

// isHost compares what a person typed with a host and its port.
func isHost(typed, host string) bool {
	return strings.EqualFold(typed, host) || len(typed) < len(host) && host[len(typed)] == ':' && strings.EqualFold(typed, host[:len(typed)])
}

// Place is the channel, or EventLetters, and the event type of a letter. Where
// it lies says so much even of one that nobody can read.
func (l DeadLetter) Place() (channel, typeName string) {
	if d := l.Delivery; d != nil {
		return d.Channel, d.Event.Type
	}
	place := strings.TrimPrefix(l.Subject, strings.TrimSuffix(schema.DeadSubjects, ">"))
	channel, typeName, _ = strings.Cut(place, ".")
	return channel, typeName
}
