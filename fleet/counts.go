package fleet

import (
	"maps"
	"slices"
)

// Counts is what became of a channel's deliveries in some time: since a process
// started, or between two of its reports. They are no integers: a plot's point
// has its share of what two reports count.
type Counts struct {
	Attempts   float64            `json:"attempts"`
	Delivered  float64            `json:"delivered"`
	Retried    float64            `json:"retried"`
	Dead       float64            `json:"dead"`
	Suppressed float64            `json:"suppressed"`
	Failures   map[string]float64 `json:"failures,omitempty"` // of those retried and dead, by class of reason
	Latency    Histogram          `json:"latency"`            // from publication to delivery, in seconds
}

// plus adds a share of other: -1 takes all of it away.
func (c Counts) plus(other Counts, share float64) Counts {
	c.Attempts += share * other.Attempts
	c.Delivered += share * other.Delivered
	c.Retried += share * other.Retried
	c.Dead += share * other.Dead
	c.Suppressed += share * other.Suppressed
	if len(other.Failures) > 0 {
		c.Failures = maps.Clone(c.Failures)
		if c.Failures == nil {
			c.Failures = map[string]float64{}
		}
		for class, n := range other.Failures {
			c.Failures[class] += share * n
		}
	}
	c.Latency = c.Latency.plus(other.Latency, share)
	return c
}

// Histogram counts values by size.
type Histogram struct {
	UpTo   []float64 `json:"up_to,omitempty"`  // bounds, ascending; the last bucket has none
	Counts []float64 `json:"counts,omitempty"` // of each bucket alone, one more than bounds
}

// Total is how many values there are.
func (h Histogram) Total() float64 {
	total := 0.0
	for _, n := range h.Counts {
		total += n
	}
	return total
}

// Quantile estimates the value below which a share q of all lies, as
// histogram_quantile of Prometheus does: values are taken to lie evenly in their
// bucket, and those beyond the last bound at that bound. It is 0 of nothing.
func (h Histogram) Quantile(q float64) float64 {
	rank := q * h.Total()
	if rank <= 0 {
		return 0
	}
	below := 0.0
	for i, bound := range h.UpTo {
		if n := h.Counts[i]; n > 0 && below+n >= rank {
			floor := 0.0
			if i > 0 {
				floor = h.UpTo[i-1]
			}
			return floor + (bound-floor)*(rank-below)/n
		}
		below += h.Counts[i]
	}
	if len(h.UpTo) == 0 {
		return 0
	}
	return h.UpTo[len(h.UpTo)-1]
}

// plus adds a share of other. Where the bounds differ, as between versions, a
// bucket is added to the one that takes in its bound.
func (h Histogram) plus(other Histogram, share float64) Histogram {
	if len(other.Counts) != len(other.UpTo)+1 { // empty, or of a stranger
		return h
	}
	if len(h.Counts) != len(h.UpTo)+1 {
		h = Histogram{UpTo: other.UpTo, Counts: make([]float64, len(other.Counts))}
	}
	counts := slices.Clone(h.Counts)
	for i, n := range other.Counts {
		at := len(h.UpTo)
		if i < len(other.UpTo) {
			at, _ = slices.BinarySearch(h.UpTo, other.UpTo[i])
		}
		counts[at] += share * n
	}
	return Histogram{UpTo: h.UpTo, Counts: counts}
}
