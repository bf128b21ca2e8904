package queue

import "time"

// namedInText is how many letters a text names one by one.
const namedInText = 10

// String says in a line what the filter chooses, as the audit stream has it.
func (f LetterFilter) String() string {
	return inLine(f.Sequences, "letters", [][2]string{
		{"channel", f.Channel}, {"type", f.Type}, {"account", f.Account}, {"user", f.User}, {"host", f.Host},
		{"cause", string(f.Cause)}, {"reason", f.Reason}, {"since", moment(f.Since)}, {"until", moment(f.Until)},
	})
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
