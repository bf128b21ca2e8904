package metrics

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// sample is a family of figures that are read from elsewhere now and then, so
// that no scrape waits for another server. What could not be read for a while is
// not shown any more: no figure is better than an old one.
type sample struct {
	descriptions []*prometheus.Desc
	newest       atomic.Pointer[reading]
	keep         time.Duration
}

type reading struct {
	at      time.Time
	figures []prometheus.Metric
}

// sampled registers a family.
func (m *Metrics) sampled(descriptions ...*prometheus.Desc) *sample {
	s := &sample{descriptions: descriptions}
	m.registry.MustRegister(s)
	return s
}

// Describe makes sample a prometheus.Collector.
func (s *sample) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descriptions {
		out <- d
	}
}

// Collect makes sample a prometheus.Collector.
func (s *sample) Collect(out chan<- prometheus.Metric) {
	newest := s.newest.Load()
	if newest == nil || time.Since(newest.at) > s.keep {
		return
	}
	for _, figure := range newest.figures {
		out <- figure
	}
}

// readEvery reads until ctx is done. What takes longer than the time between two
// readings is given up.
func (s *sample) readEvery(ctx context.Context, every time.Duration, read func(context.Context) ([]prometheus.Metric, error)) {
	s.keep = 3 * every
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		within, cancel := context.WithTimeout(ctx, every)
		figures, err := read(within)
		cancel()
		if err == nil {
			s.newest.Store(&reading{time.Now(), figures})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func level(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
