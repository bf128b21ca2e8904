package prefs

import (
	"cmp"
	"slices"
	"time"

	"tocsin/schema"
)

// Recipient is what routing needs to know of one member of an account.
type Recipient struct {
	User    string
	Choices map[Cell]bool // the user's own choices; what is missing follows the default
	Targets []TargetRef   // set up and on

	// Unreadable names the fields of the user's record that make no sense. They
	// are left out of Choices and Targets, so that one broken record neither
	// stops the account's other members nor what is whole in it.
	Unreadable []string
}

// Plan lists the deliveries that an event makes: one for each target of each
// recipient, where the channel is offered and the recipient wants the type by
// it. If the event names a user, only that user is told. The result is ordered
// by user, channel and target, and holds no delivery id twice.
func Plan(e schema.Event, recipients []Recipient, offered []string, now time.Time) []schema.Delivery {
	var deliveries []schema.Delivery
	for _, r := range recipients {
		if e.User != "" && e.User != r.User {
			continue
		}
		for _, target := range r.Targets {
			if slices.Contains(offered, target.Channel) && wanted(r.Choices, Cell{e.Type, target.Channel}) {
				deliveries = append(deliveries, schema.Delivery{
					Event: e, User: r.User, Channel: target.Channel, Target: target.ID, Planned: now,
				})
			}
		}
	}
	slices.SortFunc(deliveries, byDestination)
	return slices.CompactFunc(deliveries, func(a, b schema.Delivery) bool { return byDestination(a, b) == 0 })
}

func byDestination(a, b schema.Delivery) int {
	return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Target, b.Target))
}
