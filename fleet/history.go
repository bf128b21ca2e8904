package fleet

import (
	"context"
	"slices"
	"time"
)

// History is how the fleet went. All lists have one value for each step.
type History struct {
	From     time.Time           `json:"from"`
	Step     time.Duration       `json:"step"`    // in nanoseconds
	Alive    []int               `json:"alive"`   // processes that reported in the step
	Workers  []int               `json:"workers"` // those among them that deliver or route
	Channels map[string][]Sample `json:"channels"`
}

// Sample is a channel of the whole fleet in one step.
type Sample struct {
	Rate     Rate     `json:"rate"`
	Slots    int      `json:"slots"`
	InFlight int      `json:"in_flight"`
	Backlog  *Backlog `json:"backlog,omitempty"` // nil: nobody looked
}

// Past reads how the fleet went, from a moment on until the last step that every
// process has reported of. A step is at least two reports long.
func Past(ctx context.Context, reports Reports, from time.Time, step time.Duration) (History, error) {
	all, err := read(reports.FleetReports(ctx, from.Add(-2*Every)))
	if err != nil {
		return History{}, err
	}
	return history(all, from, time.Now().Add(-Every), max(step, 2*Every)), nil
}

// history tells from reports in any order.
func history(reports []Report, from, to time.Time, step time.Duration) History {
	steps := max(int(to.Sub(from)/step), 0)
	h := History{From: from, Step: step, Alive: make([]int, steps), Workers: make([]int, steps), Channels: map[string][]Sample{}}
	tallies := map[string][]tally{}
	at := func(name string) []tally {
		if tallies[name] == nil {
			tallies[name] = make([]tally, steps)
		}
		return tallies[name]
	}
	for _, of := range byProcess(reports) {
		for _, last := range lastOfSteps(of, from, step, steps) {
			h.Alive[last.step]++
			if last.works() {
				h.Workers[last.step]++
			}
			for name, c := range last.Channels {
				at(name)[last.step].look(c, last.At)
			}
		}
		for i, r := range of {
			previous, since := Report{}, r.Started
			if i > 0 {
				previous, since = of[i-1], of[i-1].At
			} else if since.Before(from) {
				continue // what it counted before is not of this time
			}
			for name, c := range r.Channels {
				spread(at(name), c.Counts.plus(previous.Channels[name].Counts, -1), since.Sub(from), r.At.Sub(from), step)
			}
		}
	}
	for name, of := range tallies {
		for _, t := range of {
			t.sample.Rate = rateOf(t.counts, step)
			h.Channels[name] = append(h.Channels[name], t.sample)
		}
	}
	return h
}

// tally gathers one step of one channel.
type tally struct {
	sample Sample
	counts Counts
	looked time.Time
}

func (t *tally) look(c Channel, when time.Time) {
	t.sample.Slots += c.Slots
	t.sample.InFlight += c.InFlight
	if c.Backlog != nil && when.After(t.looked) {
		t.sample.Backlog, t.looked = c.Backlog, when
	}
}

// spread gives each step its share of what was counted between two moments.
func spread(steps []tally, counts Counts, begin, end, step time.Duration) {
	if end <= begin {
		return
	}
	for i := max(int(begin/step), 0); i < len(steps) && time.Duration(i)*step < end; i++ {
		overlap := min(end, time.Duration(i+1)*step) - max(begin, time.Duration(i)*step)
		if overlap > 0 {
			steps[i].counts = steps[i].counts.plus(counts, float64(overlap)/float64(end-begin))
		}
	}
}

// stepped is a report and the step it was made in.
type stepped struct {
	Report
	step int
}

func (s stepped) works() bool {
	for _, c := range s.Channels {
		if c.Slots > 0 {
			return true
		}
	}
	return false
}

// lastOfSteps is the newest report of each step.
func lastOfSteps(reports []Report, from time.Time, step time.Duration, steps int) []stepped {
	var last []stepped
	for _, r := range slices.Backward(reports) {
		i := int(r.At.Sub(from) / step)
		if r.At.Before(from) || i >= steps || len(last) > 0 && last[len(last)-1].step == i {
			continue
		}
		last = append(last, stepped{r, i})
	}
	return last
}
