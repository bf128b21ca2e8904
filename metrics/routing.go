package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/schema"
	"tocsin/worker"
)

func (m *Metrics) makeRouting() {
	m.events = counterVec(m, "tocsin_events_total",
		"Events that were handed out to be routed, by what became of each.", "type", "outcome")
	m.routing = histogramVec(m, "tocsin_routing_latency_seconds",
		"From the publication of an event until all its deliveries are stored.", latencies).WithLabelValues().(prometheus.Histogram)
	m.planned = counterVec(m, "tocsin_planned_total",
		"Deliveries that were stored for their first attempt; those of the crowd exceed their account's share and wait apart.", "channel", "lane")
}

// Routing counts what becomes of events.
type Routing struct {
	events  map[eventEnding]prometheus.Counter
	unknown prometheus.Counter
	latency prometheus.Observer
	planned map[plannedFor]prometheus.Counter
	lost    prometheus.Counter
}

type (
	eventEnding struct{ typeName, outcome string }
	plannedFor  struct {
		channel string
		crowd   bool
	}
)

// Routing binds the figures of a router for these channels.
func (m *Metrics) Routing(channels []string) *Routing {
	r := &Routing{
		events: make(map[eventEnding]prometheus.Counter), unknown: m.events.WithLabelValues(other, other),
		latency: m.routing,
		planned: make(map[plannedFor]prometheus.Counter), lost: m.planned.WithLabelValues(other, other),
	}
	names := []string{schema.UnknownType}
	for _, t := range schema.Types() {
		names = append(names, t.Name)
	}
	for _, name := range names {
		for _, outcome := range [...]string{
			worker.EventRouted, worker.EventNobody, worker.EventDuplicate, worker.EventRefused, worker.EventFailed,
		} {
			r.events[eventEnding{name, outcome}] = m.events.WithLabelValues(name, outcome)
		}
	}
	for _, channel := range channels {
		r.planned[plannedFor{channel, false}] = m.planned.WithLabelValues(channel, "share")
		r.planned[plannedFor{channel, true}] = m.planned.WithLabelValues(channel, "crowd")
	}
	return r
}

// Routed counts what became of an event.
func (r *Routing) Routed(typeName, ending string, latency time.Duration) {
	if ending == worker.EventRouted {
		r.latency.Observe(latency.Seconds())
	}
	if count, known := r.events[eventEnding{typeName, ending}]; known {
		count.Inc()
		return
	}
	r.unknown.Inc()
}

// Planned counts a delivery that is stored for its first attempt.
func (r *Routing) Planned(channel string, crowd bool) {
	if count, known := r.planned[plannedFor{channel, crowd}]; known {
		count.Inc()
		return
	}
	r.lost.Inc()
}
