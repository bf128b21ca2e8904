package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"tocsin/queue"
)

// Reports is where reports are kept, for an hour; *queue.Queue is one.
type Reports interface {
	// FleetReports reads what was reported since, oldest first.
	FleetReports(ctx context.Context, since time.Time) iter.Seq2[queue.FleetReport, error]
}

// Snapshot is the fleet at one moment.
type Snapshot struct {
	At       time.Time    `json:"at"`
	Members  []Member     `json:"members"`  // those that are there first, then those that went in the last minutes
	Channels []ChannelNow `json:"channels"` // by name
}

// Alive is how many members there are of a role, or of any for "".
func (s Snapshot) Alive(role string) int {
	alive := 0
	for _, m := range s.Members {
		if m.Alive() && (role == "" || role == m.Role) {
			alive++
		}
	}
	return alive
}

// Member is a process as a reader sees it.
type Member struct {
	Report                  // its newest
	Silence time.Duration   `json:"silence"` // how long ago that was, in nanoseconds
	Rates   map[string]Rate `json:"rates"`   // by channel
}

// Alive reports whether the process is there.
func (m Member) Alive() bool { return m.State == Working || m.State == Draining }

// ChannelNow is a channel of the whole fleet.
type ChannelNow struct {
	Name     string   `json:"name"`
	Workers  int      `json:"workers"` // that deliver by it now
	Slots    int      `json:"slots"`
	InFlight int      `json:"in_flight"`
	Backlog  *Backlog `json:"backlog,omitempty"` // nil: nobody looks
	Breakers Breakers `json:"breakers,omitempty"`
	Rate     Rate     `json:"rate"`
}

// Rate is how fast a channel is, over the last minute or a plot's step.
type Rate struct {
	Attempts   float64 `json:"attempts_per_second"`
	Delivered  float64 `json:"delivered_per_second"`
	Retried    float64 `json:"retried_per_second"`
	Dead       float64 `json:"dead_per_second"`
	Suppressed float64 `json:"suppressed_per_second"`

	Failures map[string]float64 `json:"failures_per_second,omitempty"` // by class of reason

	// Latency from publication to delivery, in seconds; 0: nothing was delivered.
	P50 float64 `json:"latency_p50_seconds"`
	P90 float64 `json:"latency_p90_seconds"`
	P99 float64 `json:"latency_p99_seconds"`
}

// rateOf is what these counts are as a rate, over so long a time.
func rateOf(c Counts, over time.Duration) Rate {
	seconds := over.Seconds()
	if seconds <= 0 {
		return Rate{}
	}
	r := Rate{
		Attempts: c.Attempts / seconds, Delivered: c.Delivered / seconds, Retried: c.Retried / seconds,
		Dead: c.Dead / seconds, Suppressed: c.Suppressed / seconds,
		P50: c.Latency.Quantile(0.5), P90: c.Latency.Quantile(0.9), P99: c.Latency.Quantile(0.99),
	}
	for class, n := range c.Failures {
		if n > 0 {
			if r.Failures == nil {
				r.Failures = map[string]float64{}
			}
			r.Failures[class] = n / seconds
		}
	}
	return r
}

const (
	// lately is the time over which Now takes rates.
	lately = time.Minute
	// remembered is for how long Now shows a process that is gone.
	remembered = 5 * time.Minute
)

// Now reads the fleet as it is.
func Now(ctx context.Context, reports Reports) (Snapshot, error) {
	now := time.Now()
	recent, err := read(reports.FleetReports(ctx, now.Add(-remembered)))
	if err != nil {
		return Snapshot{}, err
	}
	return snapshot(recent, now), nil
}

// read passes over what nobody can read: another version may have written it.
// All times become those of the server, so that a process whose clock is wrong
// is not taken for one that is gone.
func read(all iter.Seq2[queue.FleetReport, error]) ([]Report, error) {
	var reports []Report
	for stored, err := range all {
		if err != nil {
			return nil, fmt.Errorf("read the fleet's reports: %w", err)
		}
		var r Report
		if json.Unmarshal(stored.Text, &r) != nil || r.Process == "" {
			continue
		}
		r.Skew = r.At.Sub(stored.Stored)
		r.At, r.Started = stored.Stored, r.Started.Add(-r.Skew)
		reports = append(reports, r)
	}
	return reports, nil
}

// snapshot is the fleet at a moment, told from reports in any order.
func snapshot(reports []Report, now time.Time) Snapshot {
	s := Snapshot{At: now}
	totals := map[string]*total{}
	for _, of := range byProcess(reports) {
		m, pace := memberOf(of, now)
		s.Members = append(s.Members, m)
		for name, c := range m.Channels {
			if totals[name] == nil {
				totals[name] = &total{ChannelNow: ChannelNow{Name: name}}
			}
			totals[name].add(m, c, pace[name])
		}
	}
	for _, t := range totals {
		if t.Workers > 0 || t.Backlog != nil {
			t.Rate = rateOf(t.counts, time.Second)
			s.Channels = append(s.Channels, t.ChannelNow)
		}
	}
	slices.SortFunc(s.Members, inOrder)
	slices.SortFunc(s.Channels, func(a, b ChannelNow) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// memberOf is a process, told from its reports, oldest first, and what it counts
// in a second by channel.
func memberOf(reports []Report, now time.Time) (Member, map[string]Counts) {
	last := reports[len(reports)-1]
	m := Member{Report: last, Silence: max(now.Sub(last.At), 0), Rates: map[string]Rate{}}
	pace := map[string]Counts{}
	if m.State != Left && m.Silence > SilentAfter {
		m.State = Silent
	}
	if !m.Alive() {
		return m, pace
	}
	first, since := before(reports, last.At.Add(-lately))
	seconds := last.At.Sub(since).Seconds()
	for name, c := range last.Channels {
		if seconds > 0 {
			pace[name] = Counts{}.plus(c.Counts, 1/seconds).plus(first.Channels[name].Counts, -1/seconds)
		}
		m.Rates[name] = rateOf(pace[name], time.Second)
	}
	return m, pace
}

// before is the report from which to count, and when that was: the first one
// after a moment, or, of a process that is younger, its start.
func before(reports []Report, moment time.Time) (Report, time.Time) {
	first := reports[0]
	if first.Started.After(moment) {
		return Report{}, first.Started
	}
	for _, r := range reports {
		if !r.At.Before(moment) {
			return r, r.At
		}
	}
	return first, first.At
}

// total gathers a channel of the whole fleet.
type total struct {
	ChannelNow
	counts Counts    // in a second
	looked time.Time // when the backlog was
}

func (t *total) add(m Member, c Channel, pace Counts) {
	if !m.Alive() {
		return
	}
	if c.Slots > 0 {
		t.Workers++
	}
	t.Slots += c.Slots
	t.InFlight += c.InFlight
	t.counts = t.counts.plus(pace, 1)
	if c.Backlog != nil && m.At.After(t.looked) {
		t.Backlog, t.looked = c.Backlog, m.At
	}
	t.Breakers = t.Breakers.seen(c.Breakers)
}

// seen takes the most that any process has seen.
func (b Breakers) seen(other Breakers) Breakers {
	for state, n := range other {
		if b == nil {
			b = Breakers{}
		}
		b[state] = max(b[state], n)
	}
	return b
}

// byProcess sorts the reports of each process by time, and leaves out those that
// come twice.
func byProcess(reports []Report) map[string][]Report {
	processes := map[string][]Report{}
	for _, r := range reports {
		processes[r.Process] = append(processes[r.Process], r)
	}
	for process, of := range processes {
		slices.SortFunc(of, func(a, b Report) int { return a.At.Compare(b.At) })
		processes[process] = slices.CompactFunc(of, func(a, b Report) bool { return a.At.Equal(b.At) })
	}
	return processes
}

// inOrder sorts members: those that are there first, then by role, host and
// start.
func inOrder(a, b Member) int {
	gone := func(m Member) int {
		if m.Alive() {
			return 0
		}
		return 1
	}
	return cmp.Or(gone(a)-gone(b), -cmp.Compare(a.Role, b.Role), cmp.Compare(a.Host, b.Host),
		a.Started.Compare(b.Started), cmp.Compare(a.Process, b.Process))
}
