package api

import (
	"context"
	"iter"
	"net/http"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// deadLetters reads dead letters: a *queue.Queue.
type deadLetters interface {
	DeadLetters(ctx context.Context, f queue.LetterFilter, after uint64) iter.Seq2[queue.DeadLetter, error]
	DeadLetter(ctx context.Context, sequence uint64) (queue.DeadLetter, error)
}

// LetterLine is a dead letter in a list. It is exported because the library
// documents what is embedded only then.
type LetterLine struct {
	Sequence uint64    `json:"seq" doc:"Names the letter."`
	Died     time.Time `json:"died"`
	Channel  string    `json:"channel" doc:"'event' for an event that did not validate."`
	Type     string    `json:"type"`
	Account  string    `json:"account,omitempty"`
	User     string    `json:"user,omitempty"`
	Target   string    `json:"target,omitempty"`
	Host     string    `json:"host,omitempty" doc:"Of the far end, where the user's settings name it."`
	Delivery string    `json:"delivery,omitempty" doc:"The delivery's id."`
	Cause    string    `json:"cause" enum:"invalid,permanent,gone,exhausted,poison"`
	Attempts int       `json:"attempts"`
	Replays  int       `json:"replays,omitempty" doc:"How often it was replayed before it died."`
	Status   string    `json:"status,omitempty" doc:"What the far end said last."`
	Reason   string    `json:"reason"`
}

// letterWhole is a dead letter with all that it holds, but for credentials.
type letterWhole struct {
	LetterLine
	Headers map[string][]string `json:"headers"`
	Body    string              `json:"body" doc:"As it was published, but what may be a credential is '…'."`
}

func lineOf(l queue.DeadLetter) LetterLine {
	line := LetterLine{Sequence: l.Sequence, Died: l.Died.UTC(), Cause: string(l.Cause), Reason: l.Reason}
	line.Channel, line.Type = l.Place()
	if d := l.Delivery; d != nil {
		line.Account, line.User, line.Target, line.Host = d.Event.Account, d.User, d.Target, d.Last.Host
		line.Delivery, line.Attempts, line.Replays, line.Status = d.ID(), d.Attempts, d.Replays, d.Last.Status
	}
	return line
}

// mostRead is how many letters one request looks at, found or not: a second's
// work, whatever the filter.
const mostRead = 20_000

func (a *API) registerDead() {
	const topic = "Dead letters"
	type list struct {
		queue.LetterFilter
		After uint64 `query:"after" doc:"Only letters behind this one: what the last answer gave as next."`
		Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
	}
	type letterList struct {
		Letters []LetterLine `json:"letters" nullable:"false" doc:"Oldest first."`
		Next    uint64       `json:"next,omitempty" doc:"Ask again with after=next: there may be more. A list can be short, or empty, all the same: one request looks at 20,000 letters."`
	}
	type letters struct{ Body letterList }
	register(a, operation{
		id: "list-dead", method: http.MethodGet, path: "/v1/dead", tag: topic, summary: "Events and deliveries that could not be handled",
		errors: []int{http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *list) (*letters, error) {
		if err := in.Check(); err != nil {
			return nil, invalid(fault("query", err.Error()))
		}
		found, next, err := a.deadPage(ctx, in.LetterFilter, in.After, in.Limit)
		return &letters{Body: letterList{Letters: found, Next: next}}, err
	})

	type one struct {
		Sequence uint64 `path:"seq" doc:"The letter's number."`
	}
	type letter struct{ Body letterWhole }
	register(a, operation{
		id: "get-dead", method: http.MethodGet, path: "/v1/dead/{seq}", tag: topic, summary: "One dead letter, whole",
	}, func(ctx context.Context, in *one) (*letter, error) {
		l, err := a.Dead.DeadLetter(ctx, in.Sequence)
		if err != nil {
			return nil, err
		}
		out := &letter{Body: letterWhole{LetterLine: lineOf(l), Headers: map[string][]string{}, Body: string(schema.Redacted(l.Body))}}
		for name, values := range l.Header {
			for _, value := range values {
				out.Body.Headers[name] = append(out.Body.Headers[name], schema.RedactedText(value))
			}
		}
		return out, nil
	})
}

// deadPage is a page of letters, and behind which one the next begins; 0 if there
// is none.
func (a *API) deadPage(ctx context.Context, f queue.LetterFilter, after uint64, limit int) (found []LetterLine, next uint64, err error) {
	found = []LetterLine{}
	read := 0
	for l, err := range a.Dead.DeadLetters(ctx, f, after) {
		if err != nil {
			return nil, 0, err
		}
		if len(found) == limit || read == mostRead {
			return found, after, nil
		}
		read++
		after = l.Sequence
		if f.Matches(l) {
			found = append(found, lineOf(l))
		}
	}
	return found, 0, nil
}
