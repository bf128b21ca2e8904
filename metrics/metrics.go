// Package metrics counts what a process does, for Prometheus.
//
// Metrics holds every figure of one process. What works is given a small part of
// it that has its labels bound already (a channel's Deliveries, a router's
// Routing), so that counting costs neither a look-up by labels nor memory. No
// label is ever an account, a user, a URL or a host: each has a closed list of
// values, and what is not in it is counted as "other".
//
// docs/metrics.md says what each figure tells.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// other stands for a label's value that is in no list.
const other = "other"

// Metrics are the figures of one process.
type Metrics struct {
	registry *prometheus.Registry

	attempts *prometheus.CounterVec
	held     *prometheus.CounterVec
	measures *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	took     *prometheus.HistogramVec

	events  *prometheus.CounterVec
	routing prometheus.Histogram
	planned *prometheus.CounterVec

	inFlight *prometheus.GaugeVec
	slots    *prometheus.GaugeVec
	buried   *prometheus.CounterVec

	backlog  *sample
	servers  *sample
	breakers *sample
	draining prometheus.Gauge
}

// New makes the figures of a process of this version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.makeDeliveries()
	m.makeRouting()
	m.makeHands()
	m.backlog = m.sampled(waiting, parked, suspects, oldest, deadLetters, streamSize, streamBytes, streamBound)
	m.servers = m.sampled(serverUp, serverRTT)
	m.breakers = m.sampled(breakers)
	m.draining = gauge(m, "tocsin_draining", "1 once the process was told to stop: it takes nothing more and finishes what it has in hand.")
	build := gaugeVec(m, "tocsin_build_info", "Always 1; the labels say what runs.", "version", "goversion")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// Gatherer reads all figures as they are now.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Handler answers Prometheus, in its text format or, where it asks for it, in
// the protobuf format, which alone carries native histograms.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// Drain says that the process was told to stop.
func (m *Metrics) Drain() { m.draining.Set(1) }

func gauge(m *Metrics, name, help string) prometheus.Gauge {
	return gaugeVec(m, name, help).WithLabelValues()
}

func gaugeVec(m *Metrics, name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func counterVec(m *Metrics, name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

// histogramVec makes a histogram with these buckets, in seconds, and a native
// one beside it, whose buckets are 10 % wide: a scrape brings one or the other.
func histogramVec(m *Metrics, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, labels)
	m.registry.MustRegister(v)
	return v
}
