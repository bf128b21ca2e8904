package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/worker"
)

// latencies are buckets from the fastest delivery to one that was retried for a
// day: 3 ms and 15 ms are the targets for the median and the 99th percentile.
var latencies = []float64{
	.001, .002, .003, .005, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600,
}

// durations are buckets for one attempt, up to the longest that a channel waits.
var durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60}

func (m *Metrics) makeDeliveries() {
	m.attempts = counterVec(m, "tocsin_attempts_total",
		"Deliveries that were handed out, by what became of each, and why.", "channel", "outcome", "reason")
	m.held = counterVec(m, "tocsin_held_total",
		"Deliveries that were handed out and put off without an attempt, because their endpoint takes nothing now.", "channel", "reason")
	m.measures = counterVec(m, "tocsin_target_measures_total",
		"What was done about targets that fail: their owner was warned, or they were switched off.", "channel", "measure")
	m.latency = histogramVec(m, "tocsin_delivery_latency_seconds",
		"From the publication of an event to its delivery, retries and all; from the replay where it was replayed.", latencies, "channel")
	m.took = histogramVec(m, "tocsin_attempt_duration_seconds",
		"How long the far end was waited for, in each attempt.", durations, "channel")
}

// Deliveries counts what becomes of the deliveries of one channel.
type Deliveries struct {
	endings   map[worker.Ending]prometheus.Counter
	unknown   prometheus.Counter
	measures  map[string]prometheus.Counter
	latency   prometheus.Observer
	durations prometheus.Observer
}

// Deliveries binds the figures of one channel.
func (m *Metrics) Deliveries(channel string) *Deliveries {
	d := &Deliveries{
		endings: make(map[worker.Ending]prometheus.Counter),
		unknown: m.attempts.WithLabelValues(channel, other, other),
		measures: map[string]prometheus.Counter{
			worker.MeasureWarned:      m.measures.WithLabelValues(channel, worker.MeasureWarned),
			worker.MeasureSwitchedOff: m.measures.WithLabelValues(channel, worker.MeasureSwitchedOff),
		},
		latency:   m.latency.WithLabelValues(channel),
		durations: m.took.WithLabelValues(channel),
	}
	for _, e := range worker.Endings() {
		if e.Outcome == worker.OutcomeHeld {
			d.endings[e] = m.held.WithLabelValues(channel, e.Reason)
		} else {
			d.endings[e] = m.attempts.WithLabelValues(channel, e.Outcome, e.Reason)
		}
	}
	return d
}

// Attempted counts an attempt, and how long the far end was waited for.
func (d *Deliveries) Attempted(took time.Duration) { d.durations.Observe(took.Seconds()) }

// Ended counts what became of a delivery in hand. latency counts where it was
// delivered.
func (d *Deliveries) Ended(e worker.Ending, latency time.Duration) {
	if e.Outcome == worker.OutcomeDelivered {
		d.latency.Observe(latency.Seconds())
	}
	if count, known := d.endings[e]; known {
		count.Inc()
		return
	}
	d.unknown.Inc()
}

// Targeted counts what was done about a target.
func (d *Deliveries) Targeted(measure string) {
	if count, known := d.measures[measure]; known {
		count.Inc()
		return
	}
	d.unknown.Inc()
}
