package queue

import (
	"fmt"
	"strings"
	"time"
)

// namedInText is how many letters a text names one by one.
const namedInText = 10

// String says in a line what the filter chooses, as the audit stream has it.
func (f LetterFilter) String() string {
	var parts []string
	for _, part := range [...]struct{ name, value string }{
		{"channel", f.Channel}, {"type", f.Type}, {"account", f.Account}, {"user", f.User}, {"host", f.Host},
		{"cause", string(f.Cause)}, {"reason", f.Reason}, {"since", moment(f.Since)}, {"until", moment(f.Until)},
	} {
		if part.value != "" {
			parts = append(parts, part.name+" "+part.value)
		}
	}
	if n := len(f.Sequences); n > namedInText {
		parts = append(parts, fmt.Sprintf("%d letters from %d", n, f.Sequences[0]))
	} else if n > 0 {
		parts = append(parts, "letters "+strings.Trim(fmt.Sprint(f.Sequences), "[]"))
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
