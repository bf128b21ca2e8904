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
	Off     []TargetRef   // set up, and switched off since

	// Unreadable names the fields of the user's record that make no sense. They
	// are left out of Choices and Targets, so that one broken record neither
	// stops the account's other members nor what is whole in it.
	Unreadable []string
}

// Plan says what an event means for each recipient: a delivery for each target,
// where the channel is offered and the recipient wants the type by it, and for
// every other offered channel and target why there is none. If the event names
// a user, only that user has a plan. The result is ordered by user and holds no
// user twice.
func Plan(e schema.Event, recipients []Recipient, offered []string, now time.Time) []schema.Plan {
	offered = slices.Sorted(slices.Values(offered))
	var plans []schema.Plan
	for _, r := range recipients {
		if e.User == "" || e.User == r.User {
			plans = append(plans, planFor(e, r, offered, now))
		}
	}
	byUser := func(a, b schema.Plan) int { return cmp.Compare(a.User, b.User) }
	slices.SortStableFunc(plans, byUser)
	return slices.CompactFunc(plans, func(a, b schema.Plan) bool { return byUser(a, b) == 0 })
}

// PlanNobody says of an event that no recipient was found for why that is so:
// its account has no members, or the one that it names is none of them.
func PlanNobody(e schema.Event, offered []string, now time.Time) schema.Plan {
	plan, rule := schema.Plan{Event: e, User: e.User, At: now}, schema.RuleNotMember
	if e.User == "" {
		plan.User, rule = schema.Nobody, schema.RuleNoMembers
	}
	for _, channel := range slices.Sorted(slices.Values(offered)) {
		plan.Skipped = append(plan.Skipped, schema.Skipped{Channel: channel, Rule: rule})
	}
	return plan
}

func planFor(e schema.Event, r Recipient, offered []string, now time.Time) schema.Plan {
	plan := schema.Plan{Event: e, User: r.User, At: now}
	for _, channel := range offered {
		if rule := r.refuses(Cell{e.Type, channel}); rule != "" {
			plan.Skipped = append(plan.Skipped, schema.Skipped{Channel: channel, Rule: rule})
			continue
		}
		for _, id := range targetsIn(channel, r.Targets) {
			plan.Deliveries = append(plan.Deliveries, schema.Delivery{
				Event: e, User: r.User, Channel: channel, Target: id, Planned: now,
			})
		}
		for _, id := range targetsIn(channel, r.Off) {
			plan.Skipped = append(plan.Skipped, schema.Skipped{Channel: channel, Target: id, Rule: schema.RuleTargetOff})
		}
	}
	return plan
}

// refuses says why nothing of a type goes out by a whole channel, or "".
func (r Recipient) refuses(cell Cell) schema.Rule {
	on, chosen := r.Choices[cell]
	switch {
	case !slices.ContainsFunc(r.Targets, cell.by) && !slices.ContainsFunc(r.Off, cell.by):
		return schema.RuleNotSetUp
	case chosen && !on:
		return schema.RuleChosenOff
	case !chosen && !defaultFor(cell.Type):
		return schema.RuleDefaultOff
	}
	return ""
}

// by reports whether a target is one of the cell's channel.
func (c Cell) by(ref TargetRef) bool { return ref.Channel == c.Channel }

// targetsIn lists the ids of a channel's targets in order, none twice.
func targetsIn(channel string, refs []TargetRef) []string {
	var ids []string
	for _, ref := range refs {
		if ref.Channel == channel {
			ids = append(ids, ref.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
