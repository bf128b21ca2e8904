package breaker

import (
	"encoding/json"
	"fmt"
)

// Record is a State as it was read. It is replaced by comparison with what was
// read, so that of several who change it at the same time one does.
type Record struct {
	State
	text string
}

// ParseRecord reads what RecordOf has written. Nothing, and what makes no sense,
// are the zero State; the next change writes over it.
func ParseRecord(text string) Record {
	r := Record{text: text}
	if text != "" && json.Unmarshal([]byte(text), &r.State) != nil {
		r.State = State{}
	}
	return r
}

// RecordOf writes a State.
func RecordOf(s State) Record {
	text, err := json.Marshal(s)
	if err != nil { // a state holds nothing but texts, numbers and times
		panic(fmt.Sprintf("encode the state of an endpoint: %v", err))
	}
	return Record{State: s, text: string(text)}
}

// Text is the record as it is stored: as it was read, or empty if it was not
// there.
func (r Record) Text() string { return r.text }
