package channels

import (
	"context"
	"strings"
	"time"

	"tocsin/schema"
)

// Exchange is what passed between a channel and the far end in one attempt, for
// the person who tests the channel.
type Exchange struct {
	Status  string              `json:"status,omitempty"` // what the far end said: "204", "550 5.1.1"
	Header  map[string][]string `json:"headers,omitempty"`
	Excerpt string              `json:"excerpt,omitempty"` // the beginning of its answer, at most ExcerptBytes of valid UTF-8
	Signed  string              `json:"signed,omitempty"`  // what was signed, where the channel signs
}

// ExcerptBytes bounds the part of an answer that an Exchange keeps.
const ExcerptBytes = 2048

// Excerpt is the beginning of an answer as an Exchange has it.
func Excerpt(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), ExcerptBytes)], "")
}

// Trial is the result of an attempt that somebody waits for.
type Trial struct {
	Exchange
	Took time.Duration `json:"took"`
	Err  error         `json:"-"` // nil: the far end accepted it; else as Send returns it
}

// Try makes one attempt, as a delivery would, and tells what passed.
func Try(ctx context.Context, c Channel, d schema.Delivery, to Target) Trial {
	var trial Trial
	began := time.Now()
	trial.Err = c.Send(context.WithValue(ctx, observed{}, &trial.Exchange), d, to)
	trial.Took = time.Since(began)
	if trial.Status == "" && trial.Err != nil {
		trial.Status = FailureOf(trial.Err).Status
	}
	return trial
}

type observed struct{}

// Observed is where a channel notes what passes, or nil in an ordinary
// attempt, which nobody watches.
func Observed(ctx context.Context) *Exchange {
	exchange, _ := ctx.Value(observed{}).(*Exchange)
	return exchange
}
