package ops

import (
	"net/url"
	"slices"
	"time"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

// storyForm is how stories are asked for.
type storyForm struct {
	Account, User, Event, Delivery, Type, Channel, Outcome string
	Since, Until                                           string // as inputs of the type datetime-local have them, in UTC
	Error                                                  string // what is wrong with it

	since, until time.Time
}

func readStoryForm(q url.Values) storyForm {
	f := storyForm{
		Account: q.Get("account"), User: q.Get("user"), Event: q.Get("event"), Delivery: q.Get("delivery"),
		Type: q.Get("type"), Channel: q.Get("channel"), Outcome: q.Get("outcome"), Since: q.Get("since"), Until: q.Get("until"),
	}
	var ok, alsoOK bool
	f.since, ok = readMoment(f.Since)
	f.until, alsoOK = readMoment(f.Until)
	switch {
	case !ok || !alsoOK:
		f.Error = "Write times as 2026-03-01T12:00."
	case f.Account != "" && !schema.ValidID(f.Account):
		f.Error = "That is not the id of an account."
	case f.User != "" && !schema.ValidID(f.User):
		f.Error = "That is not the id of a user."
	}
	return f
}

// Set reports whether anything is chosen.
func (f storyForm) Set() bool { return f != storyForm{} }

// Query is the form as a link carries it.
func (f storyForm) Query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"account": f.Account, "user": f.User, "event": f.Event, "delivery": f.Delivery, "type": f.Type,
		"channel": f.Channel, "outcome": f.Outcome, "since": f.Since, "until": f.Until,
	} {
		set(q, name, value)
	}
	return q
}

func (f storyForm) ledger() queue.LedgerQuery {
	return queue.LedgerQuery{Account: f.Account, User: f.User, Since: f.since}
}

// tells reports whether a record is of a story that is asked for.
func (f storyForm) tells(r schema.Record) bool {
	return (f.Event == "" || f.Event == r.Event) &&
		(f.Type == "" || f.Type == r.Type) &&
		(f.Delivery == "" || f.Delivery == r.Delivery || slices.ContainsFunc(r.Deliveries, func(p schema.Planned) bool { return p.ID == f.Delivery }))
}

// matches reports whether a whole story is asked for.
func (f storyForm) matches(s ledger.Story) bool {
	if !f.until.IsZero() && !s.At.Before(f.until) {
		return false
	}
	if f.Channel == "" && f.Outcome == "" {
		return true
	}
	return slices.ContainsFunc(s.Deliveries, func(d ledger.Delivery) bool {
		return (f.Channel == "" || f.Channel == d.Channel) && (f.Outcome == "" || f.Outcome == string(d.State))
	}) || (f.Outcome == "" || f.Outcome == notTold) && slices.ContainsFunc(s.Skipped, func(k schema.Skipped) bool {
		return f.Channel == "" || f.Channel == k.Channel
	})
}

// notTold is the outcome of a channel by which nothing was planned.
const notTold = "skipped"

var outcomes = []choice{
	{"", "Any outcome"},
	{string(ledger.Delivered), "Delivered"},
	{string(ledger.Waiting), "Waiting"},
	{string(ledger.Dead), "Dead"},
	{string(ledger.Suppressed), "Called off while it waited"},
	{notTold, "Never planned"},
}
