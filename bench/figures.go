package bench

import (
	"slices"
	"time"
)

// Figures are what one run has measured, by name.
type Figures map[string]float64

// unit is how a figure is to be read.
type unit struct {
	Text   string // "1/s"
	Higher bool   // whether more is better
}

// units of all figures. One that begins with a key and a space is about a
// process or a class of endpoints, and has the key's unit.
var units = map[string]unit{
	"throughput": {"deliveries/s", true},
	"cpu":        {"CPU-s per 1,000", false},
	"bare":       {"CPU-s per 1,000", false},
	"ratio":      {"× bare", false},
	"memory":     {"MB at most", false},
	"p50":        {"ms", false},
	"worst":      {"ms", false},
	"p99":        {"ms", false},
	"first":      {"ms", false},
	"delivered":  {"deliveries", true},
	"duplicates": {"deliveries", false},
	"parked":     {"deliveries", true},
	"most":       {"requests at a time", false},
	"times":      {"× without", false},
	"share":      {"of without", true},
	"drained":    {"s", false},
	"seconds":    {"s", false},
	"growth":     {"× at the start", false},
}

// quantile is the q-quantile of durations in milliseconds, by nearest rank.
func quantile(q float64, durations []time.Duration) float64 {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return milliseconds(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// median of values, which is not empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
