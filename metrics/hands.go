package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"tocsin/queue"
)

func (m *Metrics) makeHands() {
	m.inFlight = gaugeVec(m, "tocsin_in_flight",
		"Messages in hand in this process: deliveries by channel, and events under \"route\".", "channel")
	m.slots = gaugeVec(m, "tocsin_slots",
		"How many messages this process can have in hand at a time, first attempts and retries together.", "channel")
	m.buried = counterVec(m, "tocsin_buried_total",
		"Dead letters that this process has stored, by cause.", "channel", "cause")
}

// WatchPace asks at each scrape for the pace of what can wait.
func (m *Metrics) WatchPace(pace func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tocsin_background_pace",
		Help: "At how many deliveries a second this process lets through what can wait, beside what cannot; 0 while it need not give way.",
	}, pace))
}

// Slots makes Metrics a queue.Meter.
func (m *Metrics) Slots(channel string, more int) {
	m.slots.WithLabelValues(channel).Add(float64(more))
}

// Hands makes Metrics a queue.Meter.
func (m *Metrics) Hands(channel string) (inHand func(more int), buried func(queue.Cause)) {
	hands := m.inFlight.WithLabelValues(channel)
	unknown := m.buried.WithLabelValues(channel, other)
	causes := make(map[queue.Cause]prometheus.Counter)
	for _, cause := range queue.Causes() {
		causes[cause] = m.buried.WithLabelValues(channel, string(cause))
	}
	inHand = func(more int) { hands.Add(float64(more)) }
	buried = func(cause queue.Cause) {
		if count, known := causes[cause]; known {
			count.Inc()
			return
		}
		unknown.Inc()
	}
	return inHand, buried
}
