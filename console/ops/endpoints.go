package ops

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/breaker"
	"tocsin/prefs"
)

// broken lists endpoints that do not work: a *breaker.Index.
type broken interface {
	Newest(ctx context.Context, kind string, phase breaker.Phase, most int) ([]string, error)
}

// hosts know how hosts fare: a *breaker.Hosts.
type hosts interface {
	Read(ctx context.Context, host string) (breaker.Record, error)
}

// owners know how users' targets fare: a *prefs.Store.
type owners interface {
	Targets(ctx context.Context, user string) ([]prefs.Target, error)
}

// endpointsView is what does not work, and what waits for it.
type endpointsView struct {
	layout
	Endpoints []endpointView
	More      bool // there are more than are shown
	Waiting   []groupView
	Parked    int  // deliveries that were looked at
	Cut       bool // there are older ones that were not
}

// endpointView is a host or a target whose circuit breaker is not closed.
type endpointView struct {
	Name, User, Label string
	Phase, Class      string
	Since, Until      time.Time
	Error             string
}

// mostEndpoints is how many of each kind and phase are listed.
const mostEndpoints = 50

var phases = []struct {
	phase       breaker.Phase
	word, class string
}{
	{breaker.Open, "open", "bad"}, {breaker.HalfOpen, "half-open", "warn"}, {breaker.Recovering, "recovering", "good"},
}

func (c *Console) showEndpoints(w http.ResponseWriter, r *http.Request, v visit) {
	view := endpointsView{layout: c.layout(v, "Endpoints", "endpoints")}
	if err := view.breakers(r.Context(), c); err != nil {
		c.unavailable(w, r, err)
		return
	}
	if err := view.waiting(r.Context(), c); err != nil {
		c.unavailable(w, r, err)
		return
	}
	c.show(w, http.StatusOK, "endpoints.html", view)
}

func (view *endpointsView) breakers(ctx context.Context, c *Console) error {
	kinds := []string{breaker.HostKind}
	for _, spec := range c.Specs {
		kinds = append(kinds, spec.Name)
	}
	for _, kind := range kinds {
		for _, p := range phases {
			names, err := c.Broken.Newest(ctx, kind, p.phase, mostEndpoints)
			if err != nil {
				return err
			}
			view.More = view.More || len(names) == mostEndpoints
			for _, name := range names {
				e := endpointView{Name: name, Label: c.label(kind), Phase: p.word, Class: p.class}
				if err := e.describe(ctx, c, kind); err != nil {
					return err
				}
				view.Endpoints = append(view.Endpoints, e)
			}
		}
	}
	return nil
}

// describe adds what is known of the endpoint beyond its phase.
func (e *endpointView) describe(ctx context.Context, c *Console, kind string) error {
	if kind == breaker.HostKind {
		e.Label = "Host"
		state, err := c.Hosts.Read(ctx, e.Name)
		e.Since, e.Until, e.Error = state.Failing, state.Until, state.Error
		return err
	}
	user, ref, _ := strings.Cut(e.Name, "/")
	e.User, e.Name = user, ref
	targets, err := c.Owners.Targets(ctx, user)
	if errors.Is(err, prefs.ErrNoUser) {
		return nil
	}
	for _, t := range targets {
		if t.String() == ref {
			e.Since, e.Until, e.Error = t.Health.Since, t.Health.Next, t.Health.Error
		}
	}
	return err
}

// waiting counts what is parked, the newest first, by host and by what it answered.
func (view *endpointsView) waiting(ctx context.Context, c *Console) error {
	limited, cancel := context.WithTimeout(ctx, longestRead)
	defer cancel()
	counts := map[groupView]int{}
	for d, err := range c.Queue.NewestParked(limited) {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil || view.Parked == mostRead {
			view.Cut = true
			break
		}
		if err != nil {
			return err
		}
		view.Parked++
		answer := cmp.Or(d.Last.Status, d.Last.Reason, "not tried yet")
		counts[groupView{Channel: d.Channel, Host: d.Last.Host, Answer: answer}]++
	}
	for g, n := range counts {
		g.Letters, g.Label = n, c.label(g.Channel)
		view.Waiting = append(view.Waiting, g)
	}
	slices.SortFunc(view.Waiting, func(a, b groupView) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Answer, b.Answer))
	})
	view.Waiting = view.Waiting[:min(len(view.Waiting), lettersOnPage)]
	return nil
}
