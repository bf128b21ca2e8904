package replay

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"tocsin/queue"
)

// Plan is what a job has found and would do.
type Plan struct {
	Letters  int       `json:"letters"`
	Unwanted int       `json:"unwanted"`        // of these, not wanted any more: they will be skipped
	Skips    Skips     `json:"skips,omitempty"` // all that will be skipped, by why
	Oldest   time.Time `json:"oldest,omitzero"`
	Newest   time.Time `json:"newest,omitzero"`
	Until    uint64    `json:"until"` // the newest letter of the plan: one that dies later is not replayed

	// Of a plan for events.
	Events     int `json:"events,omitempty"`
	Deliveries int `json:"deliveries,omitempty"` // that they make: will be sent

	Groups   []Group   `json:"groups"`
	Examples []Example `json:"examples"`
}

// Group counts letters that have in common where they went and why they died, or
// deliveries of events by channel and type.
type Group struct {
	Channel string `json:"channel"`        // queue.EventLetters for events
	Type    string `json:"type,omitempty"` // of deliveries of events
	Host    string `json:"host,omitempty"`
	Answer  string `json:"answer,omitempty"` // the far end's status; without one the reason, its numbers as #
	Letters int    `json:"letters"`
}

// Example names one letter, or one delivery of an event.
type Example struct {
	Sequence uint64    `json:"seq"`
	Died     time.Time `json:"died,omitzero"`
	Stored   time.Time `json:"stored,omitzero"` // of an event
	Channel  string    `json:"channel"`
	Type     string    `json:"type"`
	Account  string    `json:"account,omitempty"`
	User     string    `json:"user,omitempty"`
	Host     string    `json:"host,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

const (
	// mostExamples and mostGroups bound what a person reads, and what a job takes.
	mostExamples = 20
	mostGroups   = 100
)

// ErrNothing says that no dead letter matches.
var ErrNothing = errors.New("no dead letter matches")

// Plan finds the letters and keeps a job that would replay them. The error is
// queue.ErrNoLetter if one that is named by its sequence is not there, and
// ErrNothing if there are none.
func (r *Replays) Plan(ctx context.Context, f queue.LetterFilter, rate float64) (Job, error) {
	job, err := letterJob(f, rate)
	if err != nil {
		return Job{}, err
	}
	return r.plan(ctx, job)
}

func letterJob(f queue.LetterFilter, rate float64) (Job, error) {
	if rate < 0 {
		return Job{}, fmt.Errorf("the rate is %g, and cannot be negative", rate)
	}
	return Job{ID: newID(), Filter: f, Rate: rate, Made: time.Now().UTC()}, f.Check()
}

// plan makes a job's plan, and keeps the job.
func (r *Replays) plan(ctx context.Context, job Job) (Job, error) {
	plan, err := r.find(ctx, job, nil)
	if err != nil {
		return Job{}, err
	}
	job.State, job.Plan = Planned, plan
	return job, r.save(ctx, job, 0)
}

// find makes a job's plan, and tells how far it is after each letter, or event.
func (r *Replays) find(ctx context.Context, job Job, tell func(Planning)) (Plan, error) {
	p := planner{replays: r, groups: map[Group]int{}, sieve: sieve{replays: r}, tell: tell}
	if job.Events != nil {
		return p.events(ctx, job)
	}
	return p.letters(ctx, job.Filter)
}

func (p *planner) letters(ctx context.Context, f queue.LetterFilter) (_ Plan, err error) {
	if p.far.Last, err = p.replays.Letters.LastLetter(ctx); err != nil {
		return Plan{}, err
	}
	p.named = slices.Clone(f.Sequences)
	for letter, err := range p.replays.Letters.DeadLetters(ctx, f, 0) {
		if err != nil {
			return Plan{}, err
		}
		if err := p.add(ctx, letter, f.Matches(letter)); err != nil {
			return Plan{}, err
		}
		p.met(letter.Sequence, p.plan.Letters)
	}
	if err := p.ask(ctx); err != nil {
		return Plan{}, err
	}
	switch {
	case len(p.named) > 0:
		return Plan{}, fmt.Errorf("%w: %d", queue.ErrNoLetter, p.named[0])
	case p.plan.Letters == 0:
		return Plan{}, ErrNothing
	}
	return p.done(), nil
}

// newID is short enough to be typed; there are few jobs at a time.
func newID() string { return rand.Text()[:10] }

// planner counts letters as they are read, in bounded memory.
type planner struct {
	replays *Replays
	plan    Plan
	groups  map[Group]int
	named   []uint64 // letters that were named and have not been met
	sieve   sieve
	asking  []queue.DeadLetter // whose users have not been asked yet
	far     Planning
	tell    func(Planning) // how far it is; nil: nobody
}

func (p *planner) add(ctx context.Context, l queue.DeadLetter, matches bool) error {
	p.named = slices.DeleteFunc(p.named, func(sequence uint64) bool { return sequence == l.Sequence })
	if !matches {
		return nil
	}
	if p.plan.Letters == 0 {
		p.plan.Oldest = l.Died
	}
	p.plan.Letters++
	p.plan.Newest, p.plan.Until = l.Died, l.Sequence
	if len(p.plan.Examples) < mostExamples {
		p.plan.Examples = append(p.plan.Examples, exampleOf(l))
	}
	p.count(groupOf(l), 1)
	l.Header, l.Body = nil, nil
	if l.Delivery != nil {
		bare := *l.Delivery
		bare.Event.Data = nil
		l.Delivery = &bare
	}
	if p.asking = append(p.asking, l); len(p.asking) < batch {
		return nil
	}
	return p.ask(ctx)
}

// count puts what is beyond the bound together, by channel.
func (p *planner) count(g Group, n int) {
	if _, known := p.groups[g]; !known && len(p.groups) >= mostGroups {
		g = Group{Channel: g.Channel, Type: g.Type, Answer: "others"}
	}
	p.groups[g] += n
}

func (p *planner) ask(ctx context.Context) error {
	skips, err := p.sieve.skips(ctx, p.asking)
	if err != nil {
		return err
	}
	for _, why := range skips {
		p.plan.Skips.skip(why, 1)
		if why != "" && why != SkipDelivered {
			p.plan.Unwanted++
		}
	}
	p.asking = p.asking[:0]
	return nil
}

func (p *planner) done() Plan {
	p.plan.Groups = make([]Group, 0, len(p.groups))
	for g, n := range p.groups {
		g.Letters = n
		p.plan.Groups = append(p.plan.Groups, g)
	}
	slices.SortFunc(p.plan.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Channel, b.Channel),
			cmp.Compare(a.Host, b.Host), cmp.Compare(a.Answer, b.Answer))
	})
	return p.plan
}

func groupOf(l queue.DeadLetter) Group {
	channel, _ := l.Place()
	g := Group{Channel: channel, Answer: Answer(l)}
	if l.Delivery != nil {
		g.Host = l.Delivery.Last.Host
	}
	return g
}

func exampleOf(l queue.DeadLetter) Example {
	channel, typeName := l.Place()
	s := Example{Sequence: l.Sequence, Died: l.Died.UTC(), Channel: channel, Type: typeName, Reason: l.Reason}
	if d := l.Delivery; d != nil {
		s.Account, s.User, s.Host = d.Event.Account, d.User, d.Last.Host
	}
	return s
}

// Answer is what letters that died of the same thing have in common: the far
// end's status, or without one the reason, its numbers as #.
func Answer(l queue.DeadLetter) string {
	status := ""
	if l.Delivery != nil {
		status = l.Delivery.Last.Status
	}
	return cmp.Or(status, number.ReplaceAllString(l.Reason, " #"))
}

// number leaves alone what is part of a word, such as UTF-8.
var number = regexp.MustCompile(`\s\d+`)
