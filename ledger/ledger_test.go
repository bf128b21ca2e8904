package ledger_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/ledger"
	"tocsin/schema"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// after is the n-th second after noon.
func after(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

func planned(event string, at time.Time, channels ...string) schema.Record {
	r := schema.Record{
		Kind: schema.RecordPlanned, At: at, Account: "acme", User: "ada", Source: "/p", Event: event,
		Type: "job.fail", Sequence: 7, Summary: "Job Backup failed",
		Skipped: []schema.Skipped{{Channel: "ios", Rule: schema.RuleNotSetUp}},
	}
	for _, c := range channels {
		r.Deliveries = append(r.Deliveries, schema.Planned{ID: event + "-" + c, Channel: c, Target: "main"})
	}
	return r
}

func record(kind schema.RecordKind, event, channel string, at time.Time, change ...func(*schema.Record)) schema.Record {
	r := schema.Record{
		Kind: kind, At: at, Account: "acme", User: "ada", Source: "/p", Event: event, Type: "job.fail",
		Delivery: event + "-" + channel, Channel: channel, Target: "main",
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func attempt(n int) func(*schema.Record) { return func(r *schema.Record) { r.Attempt = n } }
func replay(n int) func(*schema.Record)  { return func(r *schema.Record) { r.Replay = n } }
func next(at time.Time) func(*schema.Record) {
	return func(r *schema.Record) { r.Next = at }
}

func each(records ...schema.Record) iter.Seq2[schema.Record, error] {
	return func(yield func(schema.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestStoryTellsHowFarEachDeliveryHasCome(t *testing.T) {
	t.Parallel()
	plan := planned("e1", noon, "webhook", "email")
	for name, test := range map[string]struct {
		records  []schema.Record
		state    ledger.State
		attempts int
		replays  int
		next     time.Time
	}{
		"nothing has happened yet": {state: ledger.Waiting},
		"it failed and waits": {
			records: []schema.Record{record(schema.RecordFailed, "e1", "webhook", after(1), attempt(1), next(after(6)))},
			state:   ledger.Waiting, attempts: 1, next: after(6),
		},
		"it arrived at the second attempt": {
			records: []schema.Record{
				record(schema.RecordFailed, "e1", "webhook", after(1), attempt(1), next(after(6))),
				record(schema.RecordDelivered, "e1", "webhook", after(6), attempt(2)),
			},
			state: ledger.Delivered, attempts: 2,
		},
		"it is dead": {
			records: []schema.Record{record(schema.RecordDead, "e1", "webhook", after(1), attempt(1))},
			state:   ledger.Dead, attempts: 1,
		},
		"a dead one that was replayed waits anew": {
			records: []schema.Record{
				record(schema.RecordDead, "e1", "webhook", after(1), attempt(1)),
				record(schema.RecordReplayed, "e1", "webhook", after(2), replay(1)),
			},
			state: ledger.Waiting, replays: 1,
		},
		"it was called off while it waited": {
			records: []schema.Record{
				record(schema.RecordFailed, "e1", "webhook", after(1), attempt(1), next(after(6))),
				record(schema.RecordSuppressed, "e1", "webhook", after(6), attempt(1)),
			},
			state: ledger.Suppressed, attempts: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			twice := append(slices.Clone(test.records), test.records...) // as after a crash
			for _, records := range [][]schema.Record{test.records, twice} {
				stories, err := ledger.Stories(each(append([]schema.Record{plan}, records...)...))
				require.NoError(t, err)
				require.Len(t, stories, 1)
				s := stories[0]
				require.Equal(t, "Job Backup failed", s.Summary)
				require.EqualValues(t, 7, s.Sequence)
				require.Equal(t, plan.Skipped, s.Skipped)
				require.Len(t, s.Deliveries, 2)
				require.Equal(t, "email", s.Deliveries[0].Channel)
				require.Equal(t, ledger.Waiting, s.Deliveries[0].State, "the other channel is not concerned")
				hook := s.Deliveries[1]
				require.Equal(t, test.state, hook.State)
				require.Equal(t, test.attempts, hook.Attempts())
				require.Equal(t, test.replays, hook.Replays())
				require.Equal(t, test.next, hook.Next)
				require.Len(t, hook.Records, len(test.records), "a record that is there twice is told once")
			}
		})
	}
}

// A replay that two people ask for is made once, and recorded for each of them.
func TestStoryOfAReplayThatWasAskedForTwice(t *testing.T) {
	t.Parallel()
	stories, err := ledger.Stories(each(planned("e1", noon, "webhook"),
		record(schema.RecordDead, "e1", "webhook", after(1), attempt(1)),
		record(schema.RecordReplayed, "e1", "webhook", after(2), replay(1)),
		record(schema.RecordDelivered, "e1", "webhook", after(3), attempt(1), replay(1)),
		record(schema.RecordReplayed, "e1", "webhook", after(4), replay(1)),
	))
	require.NoError(t, err)
	require.Equal(t, ledger.Delivered, stories[0].Deliveries[0].State)
	require.Len(t, stories[0].Deliveries[0].Records, 3)
}

// Its deliveries could not be stored, and its user changed their mind before they
// were planned again: there is nothing that waits.
func TestStoryOfAnEventThatWasPlannedAgain(t *testing.T) {
	t.Parallel()
	off := planned("e1", after(1), "email")
	off.Skipped = append(off.Skipped, schema.Skipped{Channel: "webhook", Rule: schema.RuleChosenOff})
	stories, err := ledger.Stories(each(planned("e1", noon, "webhook", "email"), off))
	require.NoError(t, err)
	require.Len(t, stories[0].Deliveries, 1)
	require.Equal(t, "email", stories[0].Deliveries[0].Channel)
	stories, err = ledger.Stories(each(planned("e1", noon, "webhook"), off, record(schema.RecordSuppressed, "e1", "webhook", after(2))))
	require.NoError(t, err)
	require.Len(t, stories[0].Deliveries, 2, "it was stored all the same")
}

func TestStoriesComeNewestFirst(t *testing.T) {
	t.Parallel()
	stories, err := ledger.Stories(each(planned("e1", after(1), "email"), planned("e2", after(2), "email"), planned("e3", after(3))))
	require.NoError(t, err)
	var events []string
	for _, s := range stories {
		events = append(events, s.Event)
	}
	require.Equal(t, []string{"e3", "e2", "e1"}, events)
}

func TestStoryWhosePlanTheLedgerHasDroppedIsToldAllTheSame(t *testing.T) {
	t.Parallel()
	stories, err := ledger.Stories(each(record(schema.RecordDelivered, "e1", "webhook", after(9), attempt(3))))
	require.NoError(t, err)
	require.Len(t, stories, 1)
	require.Equal(t, after(9), stories[0].At)
	require.Equal(t, ledger.Delivered, stories[0].Deliveries[0].State)
}

func TestHalfALedgerIsNoStory(t *testing.T) {
	t.Parallel()
	broken := func(yield func(schema.Record, error) bool) {
		if yield(planned("e1", noon, "email"), nil) {
			yield(schema.Record{}, errors.New("no server"))
		}
	}
	_, err := ledger.Stories(broken)
	require.ErrorContains(t, err, "no server")
}

func TestAudit(t *testing.T) {
	t.Parallel()
	plan := planned("e1", noon, "webhook")
	delivered := func(at int, change ...func(*schema.Record)) schema.Record {
		return record(schema.RecordDelivered, "e1", "webhook", after(at), append(change, attempt(1))...)
	}
	dead := record(schema.RecordDead, "e1", "webhook", after(1), attempt(1))
	replayed := record(schema.RecordReplayed, "e1", "webhook", after(2), replay(1))
	lost := ledger.Loss{Delivery: "e1-webhook", Account: "acme", User: "ada", Channel: "webhook", Target: "main", Source: "/p", Event: "e1"}
	double := lost
	double.Times = 2
	off := planned("e1", after(1))
	off.Skipped = append(off.Skipped, schema.Skipped{Channel: "webhook", Rule: schema.RuleChosenOff})
	for name, test := range map[string]struct {
		records []schema.Record
		waits   bool
		routing bool
		want    ledger.Result
	}{
		"delivered":                 {records: []schema.Record{plan, delivered(1)}, want: ledger.Result{Planned: 1, Delivered: 1}},
		"dead":                      {records: []schema.Record{plan, dead}, want: ledger.Result{Planned: 1, Dead: 1}},
		"suppressed":                {records: []schema.Record{plan, record(schema.RecordSuppressed, "e1", "webhook", after(1))}, want: ledger.Result{Planned: 1, Suppressed: 1}},
		"waiting":                   {records: []schema.Record{plan}, waits: true, want: ledger.Result{Planned: 1, Waiting: 1}},
		"failed, and waiting":       {records: []schema.Record{plan, record(schema.RecordFailed, "e1", "webhook", after(1), attempt(1))}, waits: true, want: ledger.Result{Planned: 1, Waiting: 1}},
		"lost":                      {records: []schema.Record{plan}, want: ledger.Result{Planned: 1, Missing: []ledger.Loss{lost}}},
		"lost in a replay":          {records: []schema.Record{plan, dead, replayed}, want: ledger.Result{Planned: 1, Missing: []ledger.Loss{lost}}},
		"replayed and delivered":    {records: []schema.Record{plan, dead, replayed, delivered(3, replay(1))}, want: ledger.Result{Planned: 1, Delivered: 1}},
		"told twice of one":         {records: []schema.Record{plan, delivered(1), delivered(1)}, want: ledger.Result{Planned: 1, Delivered: 1}},
		"arrived twice":             {records: []schema.Record{plan, delivered(1), delivered(2)}, want: ledger.Result{Planned: 1, Delivered: 1, Double: []ledger.Loss{double}}},
		"redelivered by its user":   {records: []schema.Record{plan, delivered(1), replayed, delivered(3, replay(1))}, want: ledger.Result{Planned: 1, Delivered: 1}},
		"reached nobody":            {records: []schema.Record{{Kind: schema.RecordPlanned, User: schema.Nobody, Event: "e2"}}, want: ledger.Result{Nobody: 1}},
		"planned before the time":   {records: []schema.Record{delivered(1)}},
		"planned twice":             {records: []schema.Record{plan, plan, delivered(1)}, want: ledger.Result{Planned: 1, Delivered: 1}},
		"off when planned again":    {records: []schema.Record{plan, off}},
		"off, and looked at again":  {records: []schema.Record{plan, off, plan, off}},
		"on when planned again":     {records: []schema.Record{plan, off, planned("e1", after(2), "webhook")}, want: ledger.Result{Planned: 1, Missing: []ledger.Loss{lost}}},
		"off, and stored before":    {records: []schema.Record{plan, off}, waits: true, want: ledger.Result{Planned: 1, Waiting: 1}},
		"off, and lost in a retry":  {records: []schema.Record{plan, record(schema.RecordFailed, "e1", "webhook", after(1), attempt(1)), off}, want: ledger.Result{Planned: 1, Missing: []ledger.Loss{lost}}},
		"lost, and routed again":    {records: []schema.Record{plan, planned("e1", after(1))}, want: ledger.Result{Planned: 1, Missing: []ledger.Loss{lost}}},
		"its event is being routed": {records: []schema.Record{plan}, routing: true, want: ledger.Result{Planned: 1, Waiting: 1}},
		"ended while it was read":   {records: []schema.Record{plan, delivered(1)}, waits: true, want: ledger.Result{Planned: 1, Delivered: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			audit := ledger.NewAudit()
			if !test.routing {
				audit.Routed(plan.Sequence)
			}
			if test.waits {
				audit.Waits("e1-webhook")
			}
			for _, r := range test.records {
				audit.Add(r)
			}
			if test.want.Missing == nil {
				test.want.Missing = []ledger.Loss{}
			}
			if test.want.Double == nil {
				test.want.Double = []ledger.Loss{}
			}
			require.Equal(t, test.want, audit.Result())
		})
	}
}

// Whatever happens to deliveries, each is counted once and none is forgotten.
func TestAuditConserves(t *testing.T) {
	t.Parallel()
	kinds := []schema.RecordKind{
		schema.RecordFailed, schema.RecordDelivered, schema.RecordSuppressed, schema.RecordDead, schema.RecordReplayed,
	}
	rapid.Check(t, func(t *rapid.T) {
		audit := ledger.NewAudit()
		audit.Routed(rapid.Uint64Range(0, 10).Draw(t, "routed"))
		events := rapid.IntRange(0, 5).Draw(t, "events")
		for n := range events {
			audit.Add(planned(fmt.Sprint("e", n), noon, "email", "webhook"))
		}
		for range rapid.IntRange(0, 30).Draw(t, "records") {
			event := fmt.Sprint("e", rapid.IntRange(0, 7).Draw(t, "event"))
			channel := rapid.SampledFrom([]string{"email", "webhook"}).Draw(t, "channel")
			if rapid.Bool().Draw(t, "waits") {
				audit.Waits(event + "-" + channel)
				continue
			}
			audit.Add(record(rapid.SampledFrom(kinds).Draw(t, "kind"), event, channel,
				after(rapid.IntRange(0, 9).Draw(t, "at")), replay(rapid.IntRange(0, 2).Draw(t, "replay"))))
		}
		r := audit.Result()
		require.Equal(t, 2*events, r.Planned)
		require.Equal(t, r.Planned, r.Delivered+r.Suppressed+r.Dead+r.Waiting+len(r.Missing))
	})
}

// What lies in a queue that will not hand it out again waits for nothing.
func TestAuditTellsWhatIsStuck(t *testing.T) {
	t.Parallel()
	audit := ledger.NewAudit()
	audit.Routed(7)
	for _, event := range []string{"ended", "lost", "parked", "unplanned"} {
		audit.Stuck(event + "-webhook")
		if event != "unplanned" {
			audit.Add(planned(event, noon, "webhook"))
		}
	}
	audit.Add(record(schema.RecordDelivered, "ended", "webhook", after(1), attempt(1)))
	audit.Waits("parked-webhook")
	r := audit.Result()
	require.Equal(t, []int{3, 1, 1, 4}, []int{r.Planned, r.Delivered, r.Waiting, r.Stuck})
	require.Len(t, r.Missing, 1)
	require.Equal(t, "lost", r.Missing[0].Event)
	for event, want := range map[string][2]bool{
		"ended": {false, true}, "lost": {true, true}, "parked": {false, true}, "unplanned": {false, false},
	} {
		needs, known := audit.Needs(event + "-webhook")
		require.Equal(t, want, [2]bool{needs, known}, event)
	}
}
