package queue_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func records(t *testing.T, q *queue.Queue, l queue.LedgerQuery) []schema.Record {
	t.Helper()
	var found []schema.Record
	for r, err := range q.Ledger(t.Context(), l) {
		require.NoError(t, err)
		found = append(found, r)
	}
	return found
}

func TestEveryOutcomeOfADeliveryStandsInTheLedger(t *testing.T) {
	t.Parallel()
	last := schema.Attempt{At: time.Now(), Status: "503", Reason: "endpoint answered\n503", Took: 7 * time.Millisecond}
	due := time.Now().Add(time.Hour).UTC()
	for name, test := range map[string]struct {
		end  func(d schema.Delivery) queue.Outcome
		want schema.Record
	}{
		"delivered": {
			func(d schema.Delivery) queue.Outcome {
				d.Last = schema.Attempt{Took: last.Took}
				return queue.Delivered(d)
			},
			schema.Record{Kind: schema.RecordDelivered, Attempt: 2, Took: last.Took},
		},
		"failed": {
			func(d schema.Delivery) queue.Outcome { d.Due = due; return queue.Retry(d) },
			schema.Record{Kind: schema.RecordFailed, Attempt: 2, Status: "503", Reason: "endpoint answered 503", Took: last.Took, Next: due},
		},
		"suppressed": {
			func(d schema.Delivery) queue.Outcome {
				return queue.Suppress(d, schema.RuleChosenOff, "switched off by the user")
			},
			schema.Record{
				Kind: schema.RecordSuppressed, Attempt: 2, Status: "503", Reason: "switched off by the user",
				Rule: schema.RuleChosenOff, Took: last.Took,
			},
		},
		"dead": {
			func(d schema.Delivery) queue.Outcome {
				return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "it says no"})
			},
			schema.Record{Kind: schema.RecordDead, Attempt: 2, Status: "503", Reason: "it says no", Cause: "permanent", Took: last.Took},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := ready(t, servertest.NATS(t))
			pool := q.NewPool(time.Second)
			pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
				d.Attempts, d.Last = 2, last
				return test.end(d)
			})
			running(t, pool)
			d := delivery(t, "e1")
			require.NoError(t, q.PublishPlans(t.Context(), plans(d)))
			var got []schema.Record
			require.Eventually(t, func() bool {
				got = records(t, q, queue.LedgerQuery{})
				return len(got) == 2
			}, 20*time.Second, 10*time.Millisecond)

			require.Equal(t, plans(d)[0].Record(), got[0])
			require.WithinDuration(t, time.Now(), got[1].At, 20*time.Second)
			test.want.At = got[1].At
			test.want.Account, test.want.User, test.want.Source, test.want.Event, test.want.Type = "acme", "ada", "tocsin/test", "e1", d.Event.Type
			test.want.Delivery, test.want.Channel, test.want.Target = d.ID(), "webhook", "main"
			require.Equal(t, test.want, got[1])
		})
	}
}

// What was held back without an attempt is not worth a record: it still waits.
func TestParkingWithoutAnAttemptLeavesNoRecord(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		d.Due = time.Now().Add(time.Hour)
		return queue.Park(d)
	})
	running(t, pool)
	d := delivery(t, "e1")
	require.NoError(t, q.PublishPlans(t.Context(), plans(d)))
	js := stranger(t, n)
	require.Eventually(t, func() bool { return messages(t, js, queue.RetryStream) == 1 }, 20*time.Second, 10*time.Millisecond)
	require.Len(t, records(t, q, queue.LedgerQuery{}), 1)
	var waiting []string
	for w, err := range q.Waiting(t.Context()) {
		require.NoError(t, err)
		waiting = append(waiting, w.ID())
	}
	require.Contains(t, waiting, d.ID())
}

// A ledger that takes no more is not a reason to lose the record, nor to
// acknowledge without it.
func TestDeliveryWaitsUntilItsRecordIsStored(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	stream, err := js.Stream(t.Context(), queue.LedgerStream)
	require.NoError(t, err)
	config := stream.CachedInfo().Config
	config.Discard, config.MaxMsgs = jetstream.DiscardNew, 1
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Delivered(d)
	})
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	receive(t, handed)
	require.EqualValues(t, 1, messages(t, js, queue.DeliveryStream), "not acknowledged")

	config.MaxMsgs = 100
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	eventuallyEmpty(t, js, queue.DeliveryStream)
	got := records(t, q, queue.LedgerQuery{})
	require.Equal(t, schema.RecordDelivered, got[len(got)-1].Kind)
	require.Empty(t, handed, "it is not attempted again for the sake of its record")
}

func TestLedgerIsReadByAccountUserAndTime(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	plan := func(account, user, event string) schema.Plan {
		d := delivery(t, event)
		d.Event.Account, d.User = account, user
		return schema.PlanOf(d, "")
	}
	require.NoError(t, q.PublishPlans(t.Context(), []schema.Plan{plan("acme", "ada", "e1"), plan("acme", "bob", "e2")}))
	servertest.Publish(t, n.URL(), schema.LedgerSubject("acme", "ada"), nil, []byte("not a record"))
	between := time.Now()
	require.NoError(t, q.PublishPlans(t.Context(), []schema.Plan{plan("zeta", "ada", "e3"), plan("acme", "ada", "e4")}))
	for _, test := range []struct {
		query queue.LedgerQuery
		want  []string
	}{
		{queue.LedgerQuery{}, []string{"e1", "e2", "e3", "e4"}},
		{queue.LedgerQuery{User: "ada"}, []string{"e1", "e3", "e4"}},
		{queue.LedgerQuery{Account: "acme"}, []string{"e1", "e2", "e4"}},
		{queue.LedgerQuery{Account: "acme", User: "ada"}, []string{"e1", "e4"}},
		{queue.LedgerQuery{Since: between}, []string{"e3", "e4"}},
		{queue.LedgerQuery{Until: between}, []string{"e1", "e2"}},
		{queue.LedgerQuery{Account: "acme", Since: between}, []string{"e4"}},
		{queue.LedgerQuery{Account: "nobody"}, nil},
		{queue.LedgerQuery{Since: time.Now().Add(time.Hour)}, nil},
	} {
		var events []string
		for _, r := range records(t, q, test.query) {
			events = append(events, r.Event)
		}
		require.Equal(t, test.want, events, "%+v", test.query)
	}
}

// A page is a thousand messages: more than that has to be read in several, and
// nothing at the seams is lost or told twice.
func TestLongLedgerIsReadWhole(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	const events = 2500
	all := make([]schema.Plan, events)
	for i := range all {
		d := delivery(t, fmt.Sprint("e", i))
		all[i] = schema.PlanOf(d, "")
		all[i].User = []string{"ada", "bob"}[i%2]
	}
	require.NoError(t, q.PublishPlans(t.Context(), all))
	for user, want := range map[string]int{"": events, "ada": events / 2} {
		seen := map[string]bool{}
		for _, r := range records(t, q, queue.LedgerQuery{User: user}) {
			require.False(t, seen[r.Event], "%s twice", r.Event)
			seen[r.Event] = true
		}
		require.Len(t, seen, want)
	}
}

// The ledger asks for as much room as a small server can set aside.
func TestSmallServerGetsASmallerLedger(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 30 })
	ready(t, n)
	stream, err := stranger(t, n).Stream(t.Context(), queue.LedgerStream)
	require.NoError(t, err)
	require.LessOrEqual(t, stream.CachedInfo().Config.MaxBytes, int64(1<<30))
	require.Greater(t, stream.CachedInfo().Config.MaxBytes, int64(1<<20))
}

func TestReplayStandsInTheLedger(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 2, func(_ context.Context, d schema.Delivery) queue.Outcome {
		if d.Replays > 0 {
			return queue.Delivered(d)
		}
		return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: strings.Repeat("no ", 1000)})
	})
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	require.NoError(t, q.Replay(t.Context(), eventuallyLetter(t, q)))
	var kinds []schema.RecordKind
	require.Eventually(t, func() bool {
		kinds = nil
		for _, r := range records(t, q, queue.LedgerQuery{}) {
			kinds = append(kinds, r.Kind)
		}
		return len(kinds) == 4
	}, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, []schema.RecordKind{schema.RecordPlanned, schema.RecordDead, schema.RecordReplayed, schema.RecordDelivered}, kinds)
}

// A reader that is slower than its time gets an error, and not the half as a
// whole.
func TestReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"), delivery(t, "e2"), delivery(t, "e3"))))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var last error
	for _, err := range q.Ledger(ctx, queue.LedgerQuery{}) {
		<-ctx.Done()
		last = err
	}
	require.ErrorIs(t, last, context.DeadlineExceeded)
}
