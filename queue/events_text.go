package queue

import (
	"fmt"
	"strings"
)

// String says in a line what the filter chooses, as the audit stream has it.
func (f EventFilter) String() string {
	return inLine(f.Sequences, "events", [][2]string{
		{"type", f.Type}, {"account", f.Account}, {"source", f.Source}, {"id", f.ID}, {"since", moment(f.Since)}, {"until", moment(f.Until)},
	})
}

// inLine joins what is set: names and values, and sequences of a kind.
func inLine(sequences []uint64, kind string, set [][2]string) string {
	var parts []string
	for _, part := range set {
		if part[1] != "" {
			parts = append(parts, part[0]+" "+part[1])
		}
	}
	if n := len(sequences); n > namedInText {
		parts = append(parts, fmt.Sprintf("%d %s from %d", n, kind, sequences[0]))
	} else if n > 0 {
		parts = append(parts, kind+" "+strings.Trim(fmt.Sprint(sequences), "[]"))
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}
