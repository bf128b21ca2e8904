package replay

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
)

// book is a ledger of one member, and how often it was asked.
type book struct {
	records []schema.Record
	asked   []queue.LedgerQuery
	broken  error
}

func (b *book) Ledgers(_ context.Context, questions []queue.LedgerQuery, do func(schema.Record)) error {
	b.asked = append(b.asked, questions...)
	for range questions {
		for _, r := range b.records {
			do(r)
		}
	}
	return b.broken
}

func TestFateOfADelivery(t *testing.T) {
	t.Parallel()
	d := schema.Delivery{Event: schema.Event{Source: "/p", ID: "e1", Account: "acme"}, User: "ada", Channel: "webhook", Target: "main"}
	at := time.Unix(1000, 0)
	told := func(kind schema.RecordKind, pass int) schema.Record {
		return schema.Record{Kind: kind, At: at, Delivery: d.ID(), Replay: pass}
	}
	planned := schema.Record{Kind: schema.RecordPlanned, At: at, Deliveries: []schema.Planned{{ID: d.ID()}}}
	failed, delivered := told(schema.RecordFailed, 0), told(schema.RecordDelivered, 0)
	dead, replayed := told(schema.RecordDead, 0), told(schema.RecordReplayed, 1)
	now := at.UnixNano()
	for name, test := range map[string]struct {
		records []schema.Record
		want    fate
	}{
		"planned":                    {[]schema.Record{planned}, fate{open: true, sent: now}},
		"failed":                     {[]schema.Record{planned, failed}, fate{open: true, sent: now}},
		"failed, its plan is gone":   {[]schema.Record{failed}, fate{open: true}},
		"delivered":                  {[]schema.Record{planned, delivered}, fate{delivered: 1, sent: now}},
		"delivered, and planned":     {[]schema.Record{delivered, planned}, fate{delivered: 1}},
		"dead":                       {[]schema.Record{planned, dead}, fate{sent: now, died: now}},
		"replayed":                   {[]schema.Record{planned, dead, replayed}, fate{sent: now, replay: 1, open: true}},
		"told twice of the replay":   {[]schema.Record{replayed, told(schema.RecordDelivered, 1), replayed}, fate{sent: now, replay: 1, delivered: 2}},
		"arrived before it was dead": {[]schema.Record{planned, delivered, replayed, told(schema.RecordDead, 1)}, fate{sent: now, died: now, replay: 1, delivered: 1}},
	} {
		h := newHistory(&book{records: test.records}, at)
		require.NoError(t, h.learn(t.Context(), []member{{"acme", "ada"}}))
		got, known := h.of(d)
		require.True(t, known, name)
		require.Equal(t, test.want, got, name)
	}
}

func TestMembersAreLookedUpOnceUnlessItFails(t *testing.T) {
	t.Parallel()
	b := &book{broken: errors.New("away")}
	h := newHistory(b, time.Unix(1000, 0))
	ada := []member{{"acme", "ada"}, {"acme", "ada"}}
	require.ErrorIs(t, h.learn(t.Context(), ada), b.broken)
	b.broken = nil
	require.NoError(t, h.learn(t.Context(), ada))
	require.NoError(t, h.learn(t.Context(), ada))
	require.Len(t, b.asked, 2, "once, and once more after it failed")
	require.Equal(t, queue.LedgerQuery{Account: "acme", User: "ada", Since: time.Unix(1000, 0).Add(-skew)}, b.asked[0])
}
