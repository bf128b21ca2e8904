package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
)

// moment is when the tests' reports begin.
func moment() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// life is the reports of a process that delivers so many a second by webhook,
// from one time to another after moment.
func life(process string, from, to time.Duration, perSecond float64) []Report {
	self := Self{Process: process, Host: "host-" + process, Version: "1", Role: RoleWorker, Started: moment().Add(from)}
	var reports []Report
	for age := time.Duration(0); age <= to-from; age += Every {
		n := perSecond * age.Seconds()
		reports = append(reports, Report{Self: self, At: self.Started.Add(age), State: Working, Channels: map[string]Channel{
			"webhook": {
				Slots: 10, InFlight: 2, Backlog: &Backlog{Waiting: int(age.Seconds())},
				Counts: Counts{
					Attempts: 2 * n, Delivered: n, Retried: n, Failures: map[string]float64{"timeout": n},
					Latency: Histogram{UpTo: []float64{1, 2}, Counts: []float64{0, n, 0}},
				},
			},
		}})
	}
	return reports
}

func TestTheFleetNowIsTheSumOfThoseThatAreThere(t *testing.T) {
	t.Parallel()
	reports := append(life("a", 0, 5*time.Minute, 3), life("b", 3*time.Minute, 5*time.Minute, 1)...)
	s := snapshot(reports, moment().Add(5*time.Minute+time.Second))
	require.Equal(t, 2, s.Alive(RoleWorker))
	require.Equal(t, 0, s.Alive(RoleWeb))
	require.Len(t, s.Channels, 1)
	c := s.Channels[0]
	require.Equal(t, "webhook", c.Name)
	require.Equal(t, 2, c.Workers)
	require.Equal(t, 20, c.Slots)
	require.Equal(t, 4, c.InFlight)
	require.InDelta(t, 4, c.Rate.Delivered, 0.001)
	require.InDelta(t, 8, c.Rate.Attempts, 0.001)
	require.InDelta(t, 4, c.Rate.Failures["timeout"], 0.001)
	require.InDelta(t, 1.5, c.Rate.P50, 0.001, "all are between 1 s and 2 s")
	require.InDelta(t, 3, s.Members[0].Rates["webhook"].Delivered, 0.001)
}

func TestABacklogIsCountedOnceHoweverManyProcessesLook(t *testing.T) {
	t.Parallel()
	reports := append(life("a", 0, time.Minute, 1), life("b", 5*time.Second, time.Minute+5*time.Second, 1)...)
	s := snapshot(reports, moment().Add(time.Minute+6*time.Second))
	require.Equal(t, 60, s.Channels[0].Backlog.Waiting, "as the newest report has it")
}

func TestAProcessThatIsGoneCountsNoMore(t *testing.T) {
	t.Parallel()
	left := life("left", 0, time.Minute, 1)
	left[len(left)-1].State = Left
	draining := life("draining", 0, 2*time.Minute, 1)
	draining[len(draining)-1].State = Draining
	reports := append(append(left, draining...), life("killed", 0, time.Minute, 1)...)
	s := snapshot(reports, moment().Add(2*time.Minute))
	states := map[string]State{}
	for _, m := range s.Members {
		states[m.Process] = m.State
	}
	require.Equal(t, map[string]State{"left": Left, "draining": Draining, "killed": Silent}, states)
	require.Equal(t, "draining", s.Members[0].Process, "those that are there come first")
	require.Equal(t, 1, s.Alive(""))
	require.Equal(t, 1, s.Channels[0].Workers)
	require.InDelta(t, 1, s.Channels[0].Rate.Delivered, 0.001)
}

func TestAReportThatIsLateOrTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	reports := life("a", 0, 2*time.Minute, 5)
	shuffled := append([]Report{reports[len(reports)-1]}, reports...)
	at := moment().Add(2 * time.Minute)
	require.Equal(t, snapshot(reports, at), snapshot(shuffled, at))
}

func TestHistoryGivesEachStepItsShare(t *testing.T) {
	t.Parallel()
	reports := append(life("old", -time.Hour, 10*time.Minute, 2), life("young", 5*time.Minute, 10*time.Minute, 4)...)
	h := history(reports, moment(), moment().Add(10*time.Minute), time.Minute)
	require.Len(t, h.Alive, 10)
	require.Equal(t, []int{1, 1, 1, 1, 1, 2, 2, 2, 2, 2}, h.Workers)
	samples := h.Channels["webhook"]
	require.Len(t, samples, 10)
	for i, want := range []float64{2, 2, 2, 2, 2, 6, 6, 6, 6, 6} {
		require.InDelta(t, want, samples[i].Rate.Delivered, 0.001, "step %d", i)
	}
	require.Equal(t, 20, samples[9].Slots)
	require.NotNil(t, samples[0].Backlog)
}

func TestHistoryOfNobodyIsEmptySteps(t *testing.T) {
	t.Parallel()
	h := history(nil, moment(), moment().Add(time.Hour), time.Minute)
	require.Len(t, h.Alive, 60)
	require.Empty(t, h.Channels)
}

func TestQuantilesAreThoseOfPrometheus(t *testing.T) {
	t.Parallel()
	h := Histogram{UpTo: []float64{0.1, 0.5, 1}, Counts: []float64{50, 40, 5, 5}}
	require.InDelta(t, 0.1, h.Quantile(0.5), 1e-9)
	require.InDelta(t, 0.5, h.Quantile(0.9), 1e-9)
	require.InDelta(t, 1, h.Quantile(0.99), 1e-9, "beyond the last bound it is that bound")
	require.Zero(t, Histogram{}.Quantile(0.5))
	require.Zero(t, Histogram{UpTo: []float64{1}, Counts: []float64{0, 0}}.Quantile(0.5))
	require.InDelta(t, 1, Histogram{UpTo: []float64{1}, Counts: []float64{0, 3}}.Quantile(0.5), 1e-9)
}

func TestHistogramsOfTwoVersionsAreAddedAsFarAsTheyCan(t *testing.T) {
	t.Parallel()
	sum := Histogram{UpTo: []float64{1, 4}, Counts: []float64{1, 1, 1}}.
		plus(Histogram{UpTo: []float64{1, 2, 8}, Counts: []float64{2, 2, 2, 2}}, 1)
	require.Equal(t, []float64{3, 3, 5}, sum.Counts)
	require.Equal(t, sum, sum.plus(Histogram{}, 1))
}

// shelf keeps reports in memory.
type shelf chan []byte

func (s shelf) StoreFleetReport(_ context.Context, _ string, report []byte) error {
	s <- report
	return nil
}

func (s shelf) FleetReports(context.Context, time.Time) iter.Seq2[queue.FleetReport, error] {
	return func(yield func(queue.FleetReport, error) bool) {
		for len(s) > 0 {
			if !yield(queue.FleetReport{Stored: time.Now(), Text: <-s}, nil) {
				return
			}
		}
	}
}

func registry(t *testing.T) (*prometheus.Registry, prometheus.Gauge) {
	t.Helper()
	r := prometheus.NewRegistry()
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_attempts_total"}, []string{"channel", "outcome", "reason"})
	attempts.WithLabelValues("webhook", "delivered", "ok").Add(5)
	attempts.WithLabelValues("webhook", "retried", "timeout").Add(3)
	attempts.WithLabelValues("webhook", "dead", "status_4xx").Add(2)
	attempts.WithLabelValues("webhook", "suppressed", "off").Add(1)
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tocsin_attempt_duration_seconds"}, []string{"channel"})
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tocsin_delivery_latency_seconds", Buckets: []float64{0.1, 1}, NativeHistogramBucketFactor: 1.1,
	}, []string{"channel"})
	for _, seconds := range []float64{0.05, 0.5, 0.5, 0.5, 7} {
		latency.WithLabelValues("webhook").Observe(seconds)
		took.WithLabelValues("webhook").Observe(seconds)
		took.WithLabelValues("webhook").Observe(seconds)
	}
	r.MustRegister(attempts, took, latency)
	draining := prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_draining"})
	r.MustRegister(draining)
	for name, value := range map[string]float64{"in_flight": 4, "slots": 50, "waiting": 7, "parked": 8, "dead_letters": 9, "oldest_seconds": 1.5} {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tocsin_" + name}, []string{"channel"})
		g.WithLabelValues("webhook").Set(value)
		r.MustRegister(g)
	}
	breakers := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tocsin_breakers"}, []string{"channel", "state"})
	breakers.WithLabelValues("webhook", "open").Set(2)
	up := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tocsin_server_up"}, []string{"server"})
	up.WithLabelValues("nats").Set(1)
	up.WithLabelValues("redis").Set(0)
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_events_total"}, []string{"type", "outcome"})
	events.WithLabelValues("job.fail", "routed").Add(2)
	events.WithLabelValues("job.ok", "routed").Add(1)
	r.MustRegister(breakers, up, events)
	return r, draining
}

func TestAReportIsWhatTheProcessCountsForPrometheus(t *testing.T) {
	t.Parallel()
	from, _ := registry(t)
	g, err := gather(from)
	require.NoError(t, err)
	require.Equal(t, map[string]Channel{"webhook": {
		Slots: 50, InFlight: 4,
		Backlog:  &Backlog{Waiting: 7, Parked: 8, DeadLetters: 9, Oldest: 1.5},
		Breakers: Breakers{"open": 2},
		Counts: Counts{
			Attempts: 10, Delivered: 5, Retried: 3, Dead: 2, Suppressed: 1,
			Failures: map[string]float64{"timeout": 3, "status_4xx": 2},
			Latency:  Histogram{UpTo: []float64{0.1, 1}, Counts: []float64{1, 3, 1}},
		},
	}, Routing: {
		Counts: Counts{Attempts: 3, Delivered: 3},
	}}, g.channels)
	require.Equal(t, map[string]float64{"routed": 3}, g.events)
	require.Equal(t, map[string]bool{"nats": true, "redis": false}, g.servers)
}

func TestAProcessReportsItselfFromItsStartToItsEnd(t *testing.T) {
	t.Parallel()
	from, draining := registry(t)
	kept := make(shelf, 100)
	self := NewSelf(RoleWorker, "1.2")
	leave := Reporter{Self: self, From: from, To: kept, Every: time.Millisecond}.Start()
	next := func() (r Report) {
		require.NoError(t, json.Unmarshal(<-kept, &r))
		return r
	}
	require.Equal(t, Working, next().State, "at once, and not after the first wait")
	draining.Set(1)
	for next().State != Draining {
	}
	go func() {
		leave()
		close(kept)
	}()
	var last Report
	for text := range kept {
		require.NoError(t, json.Unmarshal(text, &last))
	}
	require.Equal(t, Left, last.State)
	require.Equal(t, self, last.Self)
}

func TestWhatNobodyCanReadIsPassedOver(t *testing.T) {
	t.Parallel()
	kept := make(shelf, 3)
	kept <- []byte("{")
	kept <- []byte(`{"process": ""}`)
	kept <- fmt.Appendf(nil, `{"process": "a", "state": "working", "at": %q}`, time.Now().UTC().Format(time.RFC3339Nano))
	s, err := Now(t.Context(), kept)
	require.NoError(t, err)
	require.Len(t, s.Members, 1)
}

func TestAProcessWhoseClockIsWrongIsNotTakenForOneThatIsGone(t *testing.T) {
	t.Parallel()
	kept := make(shelf, 1)
	kept <- fmt.Appendf(nil, `{"process": "a", "state": "working", "at": %q}`, time.Now().UTC().Add(-time.Hour).Format(time.RFC3339Nano))
	s, err := Now(t.Context(), kept)
	require.NoError(t, err)
	require.True(t, s.Members[0].Alive())
	require.InDelta(t, -time.Hour, s.Members[0].Skew, float64(time.Minute))
}
