package queue

import (
	"math"
	"runtime/metrics"
	"time"
)

// processor tells how long goroutines that could run have waited until one of the
// machine's processors was free for them (runtime/metrics,
// /sched/latencies:seconds).
type processor struct {
	sample [1]metrics.Sample
	known  []uint64 // waits of each length at the last look
}

func newProcessor() *processor {
	return &processor{sample: [1]metrics.Sample{{Name: "/sched/latencies:seconds"}}}
}

// waited is the mean of all waits since the last call, or 0 if there were none.
func (p *processor) waited() time.Duration {
	metrics.Read(p.sample[:])
	return p.since(p.sample[0].Value.Float64Histogram())
}

// since takes each wait for the middle of its bucket, which is a quarter as wide
// as the wait is long.
func (p *processor) since(waits *metrics.Float64Histogram) time.Duration {
	if p.known == nil {
		p.known = make([]uint64, len(waits.Counts))
	}
	sum, all := 0.0, 0.0
	for i, count := range waits.Counts {
		low, high := max(waits.Buckets[i], 0), waits.Buckets[i+1]
		if math.IsInf(high, 1) {
			high = low
		}
		more := float64(count - p.known[i])
		sum, all, p.known[i] = sum+more*(low+high)/2, all+more, count
	}
	if all == 0 {
		return 0
	}
	return time.Duration(sum / all * float64(time.Second))
}
