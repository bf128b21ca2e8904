package metrics

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/queue"
)

// SampleEvery is how old the figures may be that are read from elsewhere.
const SampleEvery = 10 * time.Second

const fleetWide = " Read from the streams: every process says the same, so take the max of them."

var (
	waiting     = description("tocsin_waiting", "Deliveries that are ready for their first attempt and in nobody's hands, by channel; events under \"route\"."+fleetWide, "channel")
	parked      = description("tocsin_parked", "Deliveries that wait for another attempt, or until their endpoint takes more."+fleetWide, "channel")
	suspects    = description("tocsin_suspects", "Deliveries, and events under \"route\", that never settled and are tried alone."+fleetWide, "channel")
	oldest      = description("tocsin_oldest_seconds", "Since when the oldest waits whose first attempt is not over; 0 where none waits."+fleetWide, "channel")
	deadLetters = description("tocsin_dead_letters", "Dead letters, by channel; events that did not validate under \"event\"."+fleetWide, "channel")
	streamSize  = description("tocsin_stream_messages", "Messages in a stream."+fleetWide, "stream")
	streamBytes = description("tocsin_stream_bytes", "Bytes that a stream takes."+fleetWide, "stream")
	streamBound = description("tocsin_stream_max_bytes", "Bytes that a stream may take, where it is bounded."+fleetWide, "stream")
)

// backlog is where the figures come from.
type backlog interface {
	Backlog(ctx context.Context) (queue.Backlog, error)
}

// WatchBacklog reads what lies in the streams, until ctx is done. Each of these
// channels is shown, also where nothing lies there, and all others as one.
func (m *Metrics) WatchBacklog(ctx context.Context, every time.Duration, from backlog, channels []string) {
	m.backlog.readEvery(ctx, every, func(ctx context.Context) ([]prometheus.Metric, error) {
		b, err := from.Backlog(ctx)
		return backlogFigures(b, channels, time.Now()), err
	})
}

func backlogFigures(b queue.Backlog, channels []string, now time.Time) []prometheus.Metric {
	var all []prometheus.Metric
	add := func(d *prometheus.Desc, values map[string]float64) {
		for name, value := range values {
			all = append(all, level(d, value, name))
		}
	}
	working := append([]string{queue.Routing}, channels...)
	add(waiting, countsFor(working, b.Waiting))
	add(parked, countsFor(working, b.Parked))
	add(suspects, countsFor(working, b.Suspects))
	add(deadLetters, countsFor(append([]string{queue.EventLetters}, channels...), b.Dead))
	add(oldest, agesFor(working, b.Oldest, now))
	for name, content := range b.Streams {
		all = append(all, level(streamSize, float64(content.Messages), name), level(streamBytes, float64(content.Bytes), name))
		if content.MaxBytes > 0 {
			all = append(all, level(streamBound, float64(content.MaxBytes), name))
		}
	}
	return all
}

// countsFor bounds what anybody who may publish could make of a label.
func countsFor(names []string, counts map[string]uint64) map[string]float64 {
	bounded := make(map[string]float64, len(names)+1)
	for _, name := range names {
		bounded[name] = 0
	}
	for name, n := range counts {
		bounded[named(names, name)] += float64(n)
	}
	return bounded
}

func agesFor(names []string, since map[string]time.Time, now time.Time) map[string]float64 {
	bounded := countsFor(names, nil)
	for name, t := range since {
		name = named(names, name)
		bounded[name] = max(bounded[name], now.Sub(t).Seconds())
	}
	return bounded
}

func named(names []string, name string) string {
	if slices.Contains(names, name) {
		return name
	}
	return other
}
