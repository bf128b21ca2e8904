package metrics_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"

	"tocsin/metrics"
	"tocsin/queue"
	"tocsin/worker"
)

// family reads one family of figures.
func family(t *testing.T, m *metrics.Metrics, name string) *dto.MetricFamily {
	t.Helper()
	all, err := m.Gatherer().Gather()
	require.NoError(t, err)
	for _, f := range all {
		if f.GetName() == name {
			return f
		}
	}
	return &dto.MetricFamily{}
}

// value reads the figure with exactly these labels, given as name, value, name,
// value; -1 if there is none.
func value(t *testing.T, m *metrics.Metrics, name string, labels ...string) float64 {
	t.Helper()
	want := map[string]string{}
	for i := 0; i < len(labels); i += 2 {
		want[labels[i]] = labels[i+1]
	}
	for _, figure := range family(t, m, name).GetMetric() {
		have := map[string]string{}
		for _, label := range figure.GetLabel() {
			have[label.GetName()] = label.GetValue()
		}
		if len(have) == len(want) && contains(have, want) {
			return figure.GetCounter().GetValue() + figure.GetGauge().GetValue() + float64(figure.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

func contains(have, want map[string]string) bool {
	for name, v := range want {
		if have[name] != v {
			return false
		}
	}
	return true
}

func TestEveryEndingIsCountedUnderItsName(t *testing.T) {
	t.Parallel()
	m := metrics.New("v1")
	d := m.Deliveries("webhook")
	for _, e := range worker.Endings() {
		d.Ended(e, time.Second)
		if e.Outcome == worker.OutcomeHeld {
			require.EqualValues(t, 1, value(t, m, "tocsin_held_total", "channel", "webhook", "reason", e.Reason), "%v", e)
		} else {
			require.EqualValues(t, 1, value(t, m, "tocsin_attempts_total", "channel", "webhook", "outcome", e.Outcome, "reason", e.Reason), "%v", e)
		}
	}
	require.EqualValues(t, 2, value(t, m, "tocsin_delivery_latency_seconds", "channel", "webhook"), "what was not delivered has no latency")
	d.Targeted(worker.MeasureWarned)
	require.EqualValues(t, 1, value(t, m, "tocsin_target_measures_total", "channel", "webhook", "measure", "warned"))
	d.Attempted(time.Millisecond)
	require.EqualValues(t, 1, value(t, m, "tocsin_attempt_duration_seconds", "channel", "webhook"))
}

// Whatever is counted, and whatever strangers publish, no label takes a value
// that is in no list.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := metrics.New("v1")
	d, r := m.Deliveries("webhook"), m.Routing([]string{"webhook"})
	_, buried := m.Hands("webhook")
	b := queue.Backlog{
		Waiting: map[string]uint64{}, Parked: map[string]uint64{}, Suspects: map[string]uint64{}, Dead: map[string]uint64{}, Oldest: map[string]time.Time{},
	}
	watched, stop := context.WithCancel(t.Context())
	defer stop()
	first := make(chan struct{}, 1)
	go m.WatchBacklog(watched, time.Hour, backlogOf(func() (queue.Backlog, error) {
		for range 1000 {
			name := time.Now().String()
			b.Waiting[name], b.Parked[name], b.Suspects[name], b.Dead[name], b.Oldest[name] = 1, 1, 1, 1, time.Now()
		}
		first <- struct{}{}
		return b, nil
	}), []string{"webhook"})
	<-first
	before, err := testutil.GatherAndCount(m.Gatherer())
	require.NoError(t, err)
	for range 1000 {
		name := time.Now().String()
		d.Ended(worker.Ending{Outcome: name, Reason: name}, 0)
		r.Routed(name, name, 0)
		r.Planned(name, true)
		buried(queue.Cause(name))
	}
	require.Eventually(t, func() bool {
		return value(t, m, "tocsin_waiting", "channel", "other") == float64(len(b.Waiting))
	}, 10*time.Second, 10*time.Millisecond)
	after, err := testutil.GatherAndCount(m.Gatherer())
	require.NoError(t, err)
	require.InDelta(t, before, after, 50, "only what is sampled has come")
	require.Less(t, after, 400)
	require.EqualValues(t, 1000, value(t, m, "tocsin_attempts_total", "channel", "webhook", "outcome", "other", "reason", "other"))
	require.EqualValues(t, 1000, value(t, m, "tocsin_events_total", "type", "other", "outcome", "other"))
	require.EqualValues(t, 1000, value(t, m, "tocsin_planned_total", "channel", "other", "lane", "other"))
	require.EqualValues(t, 1000, value(t, m, "tocsin_buried_total", "channel", "webhook", "cause", "other"))
}

type backlogOf func() (queue.Backlog, error)

func (b backlogOf) Backlog(context.Context) (queue.Backlog, error) { return b() }

// A figure that could not be read for a while is not shown as if it were new.
func TestOldSamplesAreNotShown(t *testing.T) {
	t.Parallel()
	m := metrics.New("v1")
	reached := true
	go m.WatchBacklog(t.Context(), 100*time.Millisecond, backlogOf(func() (queue.Backlog, error) {
		if reached {
			reached = false
			return queue.Backlog{Waiting: map[string]uint64{"webhook": 7}}, nil
		}
		return queue.Backlog{}, errors.New("no answer")
	}), []string{"webhook"})
	shown := func() bool { return value(t, m, "tocsin_waiting", "channel", "webhook") == 7 }
	require.Eventually(t, shown, 10*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool { return !shown() }, 10*time.Second, 5*time.Millisecond)
	require.Empty(t, family(t, m, "tocsin_waiting").GetMetric())
}

func TestServersAreUpOrDown(t *testing.T) {
	t.Parallel()
	m := metrics.New("v1")
	go m.WatchServers(t.Context(), time.Hour,
		metrics.Server{Name: "nats", Ping: func(context.Context) error { return nil }},
		metrics.Server{Name: "redis", Ping: func(context.Context) error { return errors.New("away") }})
	require.Eventually(t, func() bool { return value(t, m, "tocsin_server_up", "server", "nats") == 1 }, 10*time.Second, 5*time.Millisecond)
	require.EqualValues(t, 0, value(t, m, "tocsin_server_up", "server", "redis"))
	require.GreaterOrEqual(t, value(t, m, "tocsin_server_rtt_seconds", "server", "nats"), 0.0)
	require.EqualValues(t, -1, value(t, m, "tocsin_server_rtt_seconds", "server", "redis"))
}

// Prometheus is given native histograms where it asks for protobuf, and classic
// buckets otherwise.
func TestLatencyIsANativeHistogramToo(t *testing.T) {
	t.Parallel()
	m := metrics.New("v1")
	m.Deliveries("webhook").Ended(worker.Ending{Outcome: worker.OutcomeDelivered, Reason: "ok"}, 4*time.Millisecond)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, request)
	decoder := expfmt.NewDecoder(answer.Body, expfmt.ResponseFormat(answer.Header()))
	for {
		f := &dto.MetricFamily{}
		require.NoError(t, decoder.Decode(f), "tocsin_delivery_latency_seconds is not there")
		if f.GetName() == "tocsin_delivery_latency_seconds" {
			h := f.GetMetric()[0].GetHistogram()
			require.NotEmpty(t, h.GetPositiveSpan())
			require.EqualValues(t, 3, h.GetSchema(), "each bucket 2^(1/8), some 9 %, wider than the one before")
			require.EqualValues(t, 1, h.GetSampleCount())
			return
		}
	}
}

func TestDrainShows(t *testing.T) {
	t.Parallel()
	m := metrics.New("v1")
	require.Zero(t, value(t, m, "tocsin_draining"))
	m.Drain()
	require.EqualValues(t, 1, value(t, m, "tocsin_draining"))
}

// BenchmarkEnded is what counting costs a delivery: its attempt and its end.
func BenchmarkEnded(b *testing.B) {
	d := metrics.New("v1").Deliveries("webhook")
	e := worker.Ending{Outcome: worker.OutcomeDelivered, Reason: "ok"}
	b.ReportAllocs()
	for n := time.Duration(0); b.Loop(); n++ {
		d.Attempted(n % time.Second)
		d.Ended(e, n%time.Minute)
	}
}
