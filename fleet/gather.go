package fleet

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// gathered is what a process says in numbers.
type gathered struct {
	channels map[string]Channel
	events   map[string]float64
	servers  map[string]bool
	draining bool
}

// gather reads a process' metrics. One that is not there counts as nothing.
func gather(from prometheus.Gatherer) (gathered, error) {
	families, err := from.Gather()
	if err != nil {
		return gathered{}, fmt.Errorf("gather the metrics of this process: %w", err)
	}
	g := gathered{channels: map[string]Channel{}, events: map[string]float64{}, servers: map[string]bool{}}
	for _, family := range families {
		if take, ours := takers()[family.GetName()]; ours {
			for _, m := range family.GetMetric() {
				take(&g, m)
			}
		}
	}
	return g, nil
}

// takers say by a metric's name where its value goes.
func takers() map[string]func(*gathered, *dto.Metric) {
	return map[string]func(*gathered, *dto.Metric){
		"tocsin_attempts_total": (*gathered).outcome,
		"tocsin_attempt_duration_seconds": ofChannel(func(c *Channel, m *dto.Metric) {
			c.Counts.Attempts += float64(m.GetHistogram().GetSampleCount())
		}),
		"tocsin_delivery_latency_seconds": ofChannel(func(c *Channel, m *dto.Metric) {
			c.Counts.Latency = c.Counts.Latency.plus(histogramOf(m.GetHistogram()), 1)
		}),
		"tocsin_in_flight":      ofChannel(func(c *Channel, m *dto.Metric) { c.InFlight += number(m) }),
		"tocsin_slots":          ofChannel(func(c *Channel, m *dto.Metric) { c.Slots += number(m) }),
		"tocsin_waiting":        ofBacklog(func(b *Backlog, m *dto.Metric) { b.Waiting += number(m) }),
		"tocsin_parked":         ofBacklog(func(b *Backlog, m *dto.Metric) { b.Parked += number(m) }),
		"tocsin_dead_letters":   ofBacklog(func(b *Backlog, m *dto.Metric) { b.DeadLetters += number(m) }),
		"tocsin_oldest_seconds": ofBacklog(func(b *Backlog, m *dto.Metric) { b.Oldest = max(b.Oldest, m.GetGauge().GetValue()) }),
		"tocsin_breakers": ofChannel(func(c *Channel, m *dto.Metric) {
			c.Breakers = c.Breakers.seen(Breakers{label(m, "state"): number(m)})
		}),
		"tocsin_events_total": (*gathered).event,
		"tocsin_routing_latency_seconds": func(g *gathered, m *dto.Metric) {
			c := g.channels[Routing]
			c.Counts.Latency = c.Counts.Latency.plus(histogramOf(m.GetHistogram()), 1)
			g.channels[Routing] = c
		},
		"tocsin_server_up": func(g *gathered, m *dto.Metric) { g.servers[label(m, "server")] = m.GetGauge().GetValue() != 0 },
		"tocsin_draining":  func(g *gathered, m *dto.Metric) { g.draining = m.GetGauge().GetValue() != 0 },
	}
}

// outcome takes a count of what became of deliveries in hand.
func (g *gathered) outcome(m *dto.Metric) {
	ofChannel(func(c *Channel, m *dto.Metric) {
		n, outcome := m.GetCounter().GetValue(), label(m, "outcome")
		counts := Counts{}
		switch outcome {
		case "delivered":
			counts.Delivered = n
		case "retried":
			counts.Retried = n
		case "dead":
			counts.Dead = n
		case "suppressed":
			counts.Suppressed = n
		}
		if n > 0 && (outcome == "retried" || outcome == "dead") {
			counts.Failures = map[string]float64{label(m, "reason"): n}
		}
		c.Counts = c.Counts.plus(counts, 1)
	})(g, m)
}

// event takes a count of what became of events. One that is routed counts as the
// router's delivery.
func (g *gathered) event(m *dto.Metric) {
	n, outcome := m.GetCounter().GetValue(), label(m, "outcome")
	counts := Counts{Attempts: n}
	switch outcome {
	case "routed":
		counts.Delivered = n
	case "duplicate":
		counts.Suppressed = n
	case "refused", "failed":
		counts.Dead = n
		if n > 0 {
			counts.Failures = map[string]float64{outcome: n}
		}
	}
	c := g.channels[Routing]
	c.Counts = c.Counts.plus(counts, 1)
	g.channels[Routing] = c
	g.events[outcome] += n
}

func ofChannel(take func(*Channel, *dto.Metric)) func(*gathered, *dto.Metric) {
	return func(g *gathered, m *dto.Metric) {
		name := label(m, "channel")
		c := g.channels[name]
		take(&c, m)
		g.channels[name] = c
	}
}

func ofBacklog(take func(*Backlog, *dto.Metric)) func(*gathered, *dto.Metric) {
	return ofChannel(func(c *Channel, m *dto.Metric) {
		if c.Backlog == nil {
			c.Backlog = &Backlog{}
		}
		take(c.Backlog, m)
	})
}

func number(m *dto.Metric) int { return int(m.GetGauge().GetValue()) }

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// histogramOf reads the classic buckets, which Prometheus accumulates.
func histogramOf(h *dto.Histogram) Histogram {
	var made Histogram
	below := 0.0
	for _, bucket := range h.GetBucket() {
		made.UpTo = append(made.UpTo, bucket.GetUpperBound())
		made.Counts = append(made.Counts, float64(bucket.GetCumulativeCount())-below)
		below = float64(bucket.GetCumulativeCount())
	}
	made.Counts = append(made.Counts, float64(h.GetSampleCount())-below)
	return made
}
