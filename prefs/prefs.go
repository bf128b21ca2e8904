// Package prefs knows who is told of what, and where: accounts and their
// members, each user's choices, and the targets that a user has set up, with
// their credentials encrypted.
//
// Plan turns an event and its recipients into deliveries and is pure. Store
// keeps everything in Redis. The user's record is the only authority: routing
// reads it to plan, and every attempt of a delivery reads it again, so that a
// change counts at once, also for retries that already wait.
//
// Keys. Braces are hash tags: all keys of a user lie in one slot of a Redis
// Cluster, so that scripts over them are atomic there too.
//
//	tocsin:account:{A}:members   set of user ids
//	tocsin:user:{U}:accounts     set of account ids: the reverse of members, and what a delivery is checked against
//	tocsin:user:{U}:profile      JSON of Profile; a user exists as long as this key does
//	tocsin:user:{U}:prefs        hash: "<type>/<channel>" is "1" or "0" and when it was chosen, the user's own choices only;
//	                             "target/<channel>/<id>" is the time since when the target is set up,
//	                             or "off <time> <reason>" when it was switched off
//	tocsin:user:{U}:targets      hash: "<channel>/<id>" is the target's settings, sealed
//	tocsin:user:{U}:health       hash: "<channel>/<id>" is how the target fares (breaker.State), once it has failed
//	tocsin:user:{U}:pending/<channel>/<id>   settings that wait for a proof, sealed; expires
//	tocsin:quota:<name>          how often something that is bounded was done; expires
//	tocsin:event:<hash>          which stream sequence of an event is routed; expires
//	tocsin:event:<hash>:stored:<sequence>  members for whom a large event is stored, while it is routed; expires
//	tocsin:link:<id>             a settings link that was used; expires when the link does
package prefs

import (
	"errors"
	"fmt"
	"strings"

	"tocsin/schema"
)

const (
	emailChannel = "email"
	iosChannel   = "ios"
	mainTarget   = "main" // the id where a user has one target in a channel
)

var (
	// ErrNoUser says that a user is not known: never saved, or deleted.
	ErrNoUser = errors.New("no such user")
	// ErrNoTarget says that a user has not set up the target.
	ErrNoTarget = errors.New("no such target")
	// ErrTooManyTargets says that a user has MaxTargets already, or MaxPerChannel
	// in one channel.
	ErrTooManyTargets = errors.New("too many targets")
	// ErrChanged says that what was to be changed is no longer as it was seen.
	ErrChanged = errors.New("it was changed at the same time")
	// ErrNoPending says that no settings wait for a proof: there never were any,
	// or their time is over.
	ErrNoPending = errors.New("nothing waits for a confirmation")
)

// Cell is one square of the preferences table.
type Cell struct {
	Type    string // one of schema.Types
	Channel string
}

// TargetRef names a target within a user's record.
type TargetRef struct {
	Channel string
	ID      string // "main", or the id of a device
}

func (r TargetRef) String() string { return r.Channel + "/" + r.ID }

// refOf undoes String.
func refOf(name string) TargetRef {
	channel, id, _ := strings.Cut(name, "/")
	return TargetRef{channel, id}
}

func (r TargetRef) check() error {
	return errors.Join(checkID("channel", r.Channel), checkID("target", r.ID))
}

func checkID(what, id string) error {
	if schema.ValidID(id) {
		return nil
	}
	return fmt.Errorf("%s id %.80q is not 1 to 64 letters, digits, hyphens and underscores", what, id)
}

// wanted reports whether a user wants this type by this channel once the
// channel is set up: the user's own choice, or else the type's default.
func wanted(choices map[Cell]bool, cell Cell) bool {
	if chosen, ok := choices[cell]; ok {
		return chosen
	}
	return defaultFor(cell.Type)
}

func defaultFor(typeName string) bool {
	t, known := schema.TypeNamed(typeName)
	return known && t.Default || schema.IsNotice(typeName)
}
