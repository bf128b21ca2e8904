package worker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/worker"
)

// tally is a meter that keeps what it is told.
type tally struct {
	attempts  int
	endings   []worker.Ending
	latencies []time.Duration
	measures  []string
}

func (t *tally) Attempted(time.Duration) { t.attempts++ }
func (t *tally) Targeted(measure string) { t.measures = append(t.measures, measure) }
func (t *tally) Ended(e worker.Ending, latency time.Duration) {
	t.endings, t.latencies = append(t.endings, e), append(t.latencies, latency)
}

// Each way that an attempt can end is counted once, under a name of the closed
// list.
func TestEveryEndIsCounted(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	f.join("ada")
	status := func(kind channels.Kind, said string) error {
		return &channels.Failure{Kind: kind, Status: said, Err: errors.New("no")}
	}
	for _, c := range []struct {
		answer          error
		outcome, reason string
	}{
		{nil, "delivered", "ok"},
		{errors.New("unmarked"), "retried", "other"},
		{status(channels.Temporary, "503"), "retried", "status_5xx"},
		{status(channels.Temporary, "451 4.7.1"), "retried", "status_4xx"},
		{status(channels.Temporary, "429"), "retried", "rate_limited"},
		{status(channels.Temporary, "429 TooManyRequests"), "retried", "rate_limited"},
		{&channels.Failure{Unreached: true, Err: fmt.Errorf("no answer: %w", context.DeadlineExceeded)}, "retried", "timeout"},
		{&channels.Failure{Unreached: true, Err: errors.New("refused")}, "retried", "unreached"},
		{status(channels.Misconfigured, "401"), "retried", "misconfigured"},
		{status(channels.Permanent, "404"), "dead", "status_4xx"},
		{status(channels.Permanent, "550 5.1.1"), "dead", "status_5xx"},
		{status(channels.Permanent, ""), "dead", "other"},
		{status(channels.Permanent, "302"), "dead", "other"},
	} {
		counted := &tally{}
		dl := f.member(8)
		dl.Channel = &far{answer: refuses(c.answer), seen: make(chan arrival, 1)}
		dl.Meter, dl.Isolation = counted, nil
		dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e1", time.Now()))
		require.Equal(t, []worker.Ending{{Outcome: c.outcome, Reason: c.reason}}, counted.endings)
		require.Contains(t, worker.Endings(), counted.endings[0])
		require.Equal(t, 1, counted.attempts)
	}
}

func TestEndsWithoutAnAttemptAreCounted(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	f.join("ada")
	counted := &tally{}
	dl := f.member(8)
	dl.Meter = counted
	dl.Deliver(t.Context(), t.Context(), deliveryTo("nobody", "e1", time.Now()))
	require.Equal(t, []worker.Ending{{Outcome: "suppressed", Reason: "no_user"}}, counted.endings)

	_, swapped, err := f.store.SwapFare(t.Context(), "ada", hook, breaker.Record{},
		breaker.RecordOf(breaker.State{Phase: breaker.Open, Until: time.Now().Add(time.Minute)}))
	require.NoError(t, err)
	require.True(t, swapped)
	dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e1", time.Now()))
	require.Equal(t, worker.Ending{Outcome: "held", Reason: "open"}, counted.endings[1])
	dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e1", time.Now().Add(-72*time.Hour)))
	require.Equal(t, worker.Ending{Outcome: "dead", Reason: "open"}, counted.endings[2])
	for _, e := range counted.endings {
		require.Contains(t, worker.Endings(), e)
	}
	require.Zero(t, counted.attempts)
}

// Latency counts from when the event was stored; where nobody knows that, from
// when the delivery was planned.
func TestLatencyCountsFromPublication(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	f.join("ada")
	counted := &tally{}
	dl := f.member(8)
	dl.Channel = &far{answer: accepts, seen: make(chan arrival, 3)}
	dl.Meter, dl.Isolation = counted, nil
	now := time.Now()
	dl.Clock = func() time.Time { return now }
	d := deliveryTo("ada", "e1", now.Add(-2*time.Second))
	dl.Deliver(t.Context(), t.Context(), d)
	d.Published = now.Add(-5 * time.Second)
	dl.Deliver(t.Context(), t.Context(), d)
	d.Published = now.Add(time.Hour) // by a clock that is ahead
	dl.Deliver(t.Context(), t.Context(), d)
	require.Equal(t, []time.Duration{2 * time.Second, 5 * time.Second, 0}, counted.latencies)
}

// Who is warned, and what is switched off, is counted where it is done.
func TestMeasuresAreCounted(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	f.join("ada")
	counted := &tally{}
	times := &clock{}
	dl := f.member(8)
	gone := &channels.Failure{Kind: channels.Gone, Status: "410", Err: errors.New("gone")}
	answer := refuses(errors.New("no"))
	dl.Channel = &far{answer: func(ctx context.Context, d schema.Delivery, to channels.Target) error { return answer(ctx, d, to) }, seen: make(chan arrival, 10)}
	dl.Meter, dl.Clock = counted, times.now
	dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e1", times.now()))
	require.Empty(t, counted.measures)
	times.forward(25 * time.Hour)
	dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e2", times.now()))
	require.Equal(t, []string{worker.MeasureWarned}, counted.measures)
	answer = refuses(gone)
	dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e3", times.now()))
	require.Equal(t, []string{worker.MeasureWarned, worker.MeasureSwitchedOff}, counted.measures)
}

// The index follows what a worker notes of an endpoint.
func TestIndexFollowsTheBreakers(t *testing.T) {
	t.Parallel()
	f, s := newServers(t), newSite(t)
	f.endpoint(s, "ada")
	index := breaker.NewIndex(f.client)
	times := &clock{}
	dl := f.member(8)
	dl.Isolation.Index, dl.Clock = index, times.now
	open := func() int64 {
		counts, err := index.Counts(t.Context(), hook.Channel)
		require.NoError(t, err)
		return counts[hook.Channel][breaker.Open]
	}
	s.answer("/ada", 503)
	for range breaker.TargetPolicy().Fails {
		require.Zero(t, open())
		dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e1", times.now()))
	}
	require.EqualValues(t, 1, open())
	s.answer("/ada", 200)
	times.forward(time.Minute)
	dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "e1", times.now()))
	require.Zero(t, open())
}

// routes is a routeMeter that keeps what it is told.
type routes struct {
	ended   chan string
	planned chan string
}

func (r routes) Routed(typeName, ending string, _ time.Duration) { r.ended <- typeName + " " + ending }
func (r routes) Planned(channel string, crowd bool)              { r.planned <- fmt.Sprint(channel, " ", crowd) }

func TestEventsAreCounted(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	f.join("ada")
	validator, err := schema.NewValidator()
	require.NoError(t, err)
	counted := routes{make(chan string, 10), make(chan string, 10)}
	router := worker.Router{
		Parse: validator.Parse, Claims: f.store, Members: f.store, Deliveries: f.queue, Offered: []string{"webhook"},
		Meter: counted, Log: f.log,
	}
	event, err := schema.Sample("job.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "e1", "tocsin/test", "acme", time.Now()
	message := schema.Message{Subject: schema.EventSubject(event.Type), Header: event.Header(), Body: event.Data, Stored: time.Now()}
	for sequence := range uint64(2) {
		router.Route(t.Context(), t.Context(), queue.PublishedEvent{Message: message, Sequence: sequence + 1})
	}
	message.Subject = "tocsin.events.of.another.kind"
	router.Route(t.Context(), t.Context(), queue.PublishedEvent{Message: message, Sequence: 3})
	event.ID, event.Account = "e2", "empty"
	message.Subject, message.Header = schema.EventSubject(event.Type), event.Header()
	router.Route(t.Context(), t.Context(), queue.PublishedEvent{Message: message, Sequence: 4})
	close(counted.ended)
	var ended []string
	for e := range counted.ended {
		ended = append(ended, e)
	}
	require.Equal(t, []string{"job.fail routed", "job.fail duplicate", "unknown refused", "job.fail nobody"}, ended)
	require.Equal(t, "webhook false", <-counted.planned)
	require.Empty(t, counted.planned)
}
