package bench

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"time"
)

// Scenario is one question about a fleet.
type Scenario struct {
	Name    string
	About   string             // what is measured, for people
	Targets map[string]float64 // by figure: what it has to reach, or may not exceed

	Slow  bool   // not a part of the short form
	Needs string // a program beside redis-server that has to be on the PATH; without it, not a part of the long form
	Fresh bool   // each run needs a site of its own, because one leaves something behind

	Patience time.Duration // how long nothing may arrive before the rest counts as lost; zero: usualPatience

	// Prepare seeds the people, starts the worker, and warms everything up.
	Prepare func(ctx context.Context, s *Site) error
	// Run measures once. Unless Fresh is set it is called several
	// times on the same site.
	Run func(ctx context.Context, s *Site) (Figures, error)
}

// Possible reports whether the program is there that the scenario needs.
func (sc Scenario) Possible() bool {
	if sc.Needs == "" {
		return true
	}
	_, err := exec.LookPath(sc.Needs)
	return err == nil
}

// Scenarios are all there are.
func Scenarios() []Scenario {
	return []Scenario{
		oneToOne(),
		fanOut(),
		latency(),
		hanging(),
		pushes(),
		mails(),
		hangingHalf(),
		largeAccount(),
		crowd(),
		parked(),
		dueAtOnce(),
		endpointBack(),
		soak(),
		letters(),
		severalWorkers(),
		gorush(),
	}
}

// Result is what several runs of a scenario have measured.
type Result struct {
	Scenario string               `json:"scenario"`
	About    string               `json:"about"`
	Targets  map[string]float64   `json:"targets,omitempty"`
	Values   map[string][]float64 `json:"values"` // by figure, one of each run
}

// Measure runs a scenario on a site of its own. told hears how it goes.
func Measure(ctx context.Context, sc Scenario, o Options, told func(string)) (Result, error) {
	result := Result{Scenario: sc.Name, About: sc.About, Targets: sc.Targets, Values: map[string][]float64{}}
	if !sc.Possible() {
		return result, fmt.Errorf("%s needs %s on the PATH; 'make bench-peers' installs and measures it", sc.Name, sc.Needs)
	}
	var site *Site
	defer func() {
		if site != nil {
			site.Close()
		}
	}()
	for run := range o.Runs {
		began := time.Now()
		if site != nil && sc.Fresh {
			site.Close()
			site = nil
		}
		if site == nil {
			var err error
			if site, err = prepared(ctx, sc, o); err != nil {
				return result, fmt.Errorf("prepare %s: %w", sc.Name, err)
			}
		}
		figures, err := sc.Run(ctx, site)
		if err != nil {
			return result, fmt.Errorf("%s, run %d: %w", sc.Name, run+1, err)
		}
		for name, value := range figures {
			result.Values[name] = append(result.Values[name], value)
		}
		told(fmt.Sprintf("%s: run %d of %d took %s", sc.Name, run+1, o.Runs, time.Since(began).Round(100*time.Millisecond)))
	}
	return result, nil
}

// prepared is a site on which sc can be run.
func prepared(ctx context.Context, sc Scenario, o Options) (*Site, error) {
	site, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	site.patience = cmp.Or(sc.Patience, usualPatience)
	if err := sc.Prepare(ctx, site); err != nil {
		site.Close()
		return nil, err
	}
	return site, nil
}

// figures lists the names of a result's figures in the order of a table: what
// has a target first, and then what is most looked at.
func (r Result) figures() []string {
	rank := func(name string) int {
		if _, has := r.Targets[name]; has {
			return -1
		}
		return slices.Index([]string{"throughput", "cpu", "ratio", "p50", "p99"}, name) & 0xff // those not in the list last
	}
	names := slices.Sorted(maps.Keys(r.Values))
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}
