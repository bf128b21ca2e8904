package ops

import (
	"net/url"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// letterForm is how a queue.LetterFilter is typed into the page.
type letterForm struct {
	Channel, Type, Account, User, Host, Cause, Reason string
	Since, Until                                      string // as inputs of the type datetime-local have them, in UTC
	Error                                             string // what is wrong with it
}

// Set reports whether anything is chosen.
func (f letterForm) Set() bool { return f != letterForm{} }

// localTime is the format of datetime-local (HTML section 4.10.5.1.11), to the
// minute or the second.
var localTime = [...]string{"2006-01-02T15:04", "2006-01-02T15:04:05"}

func readLetterForm(q url.Values) letterForm {
	return letterForm{
		Channel: q.Get("channel"), Type: q.Get("type"), Account: q.Get("account"), User: q.Get("user"), Host: q.Get("host"),
		Cause: q.Get("cause"), Reason: q.Get("reason"), Since: q.Get("since"), Until: q.Get("until"),
	}
}

// filter is what the form chooses. What makes no sense chooses nothing, and Error
// says so.
func (f *letterForm) filter() (queue.LetterFilter, bool) {
	since, ok := readMoment(f.Since)
	until, alsoOK := readMoment(f.Until)
	filter := queue.LetterFilter{
		Channel: f.Channel, Type: f.Type, Account: f.Account, User: f.User, Host: f.Host, Cause: queue.Cause(f.Cause), Reason: f.Reason,
		Since: since, Until: until,
	}
	if !ok || !alsoOK {
		f.Error = "Write times as 2026-03-01T12:00."
	} else if err := filter.Check(); err != nil {
		f.Error = err.Error()
	}
	return filter, f.Error == ""
}

func readMoment(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	for _, layout := range localTime {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// Query is the form as a link carries it.
func (f letterForm) Query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"channel": f.Channel, "type": f.Type, "account": f.Account, "user": f.User, "host": f.Host,
		"cause": f.Cause, "reason": f.Reason, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// Link is the query of the page with these choices.
func (f letterForm) Link() string { return "?" + f.Query().Encode() }

// With is a link to the page with one more choice.
func (f letterForm) With(name, value string) string {
	q := f.Query()
	q.Set(name, value)
	return "?" + q.Encode()
}

// choice is an entry of a select.
type choice struct {
	Value, Label string
}

var causes = []choice{
	{"", "Any cause"},
	{string(queue.Permanent), "Refused for good"},
	{string(queue.Exhausted), "Tried for too long"},
	{string(queue.Gone), "The target is gone"},
	{string(queue.Invalid), "The event did not validate"},
	{string(queue.Poison), "It never settled"},
}

// causeLabel says a cause to people.
func causeLabel(c queue.Cause) string {
	for _, known := range causes[1:] {
		if known.Value == string(c) {
			return known.Label
		}
	}
	return string(c)
}

func types() []choice {
	all := []choice{{"", "Any event"}}
	for _, t := range schema.Types() {
		all = append(all, choice{t.Name, t.Name})
	}
	return append(all, choice{schema.UnknownType, "unknown"})
}

func (c *Console) channels() []choice {
	all := []choice{{"", "Any channel"}}
	for _, spec := range c.Specs {
		all = append(all, choice{spec.Name, spec.Label})
	}
	return append(all, choice{queue.EventLetters, "Events that did not validate"})
}

// label is a channel's name for people.
func (c *Console) label(channel string) string {
	for _, known := range c.channels()[1:] {
		if known.Value == channel {
			return known.Label
		}
	}
	return channel
}
