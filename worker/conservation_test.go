package worker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/ledger"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
)

// life is what becomes of one delivery: so many attempts that fail, and an end.
type life struct {
	failures int
	last     string
	want     schema.RecordKind
}

func anyLife(chance *rand.Rand) life {
	ends := []life{
		{last: "accepted", want: schema.RecordDelivered}, {last: "refused", want: schema.RecordDead},
		{last: "gone", want: schema.RecordDead}, {last: "opted out", want: schema.RecordSuppressed},
	}
	l := ends[chance.IntN(len(ends))]
	l.failures = chance.IntN(4)
	return l
}

// answer is what the far end of a life says, or does, at an attempt.
func (f *fleet) answer(ctx context.Context, l life, d schema.Delivery) error {
	switch {
	case d.Attempts < l.failures && d.Attempts%2 == 1:
		panic("as a channel must not")
	case d.Attempts < l.failures:
		return errors.New("not now")
	case l.last == "refused":
		return &channels.Failure{Kind: channels.Permanent, Err: errors.New("no")}
	case l.last == "gone":
		return &channels.Failure{Kind: channels.Gone, Err: errors.New("no more")}
	case l.last == "opted out":
		off := false
		err := f.store.SetChoices(ctx, d.User, map[prefs.Cell]*bool{{Type: d.Event.Type, Channel: d.Channel}: &off})
		return errors.Join(errors.New("not now"), err)
	}
	return nil
}

// Whatever far ends and users do, and although events come twice and the worker
// stops in between, each delivery ends once, as its life says, and none is
// missing.
func TestNoDeliveryIsLostOrEndsTwice(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any will do
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
	f := newFleet(t, quick())
	lives := map[string]life{} // by user, who is told of one event
	f.far.answers(func(ctx context.Context, d schema.Delivery, _ channels.Target) error {
		return f.answer(ctx, lives[d.User], d)
	})
	for n := range 60 {
		user := fmt.Sprint("u", n)
		f.join(user)
		lives[user] = anyLife(chance)
	}
	for user := range lives {
		for range 1 + chance.IntN(2) {
			f.publish("for-"+user, func(e *schema.Event) { e.User = user })
		}
	}
	f.stop()
	f.start(quick(), f.log)

	records := f.endsOf(len(lives))
	ends := map[string][]schema.RecordKind{}
	audit := ledger.NewAudit()
	audit.Routed(1 << 60)
	for _, r := range records {
		if r.Source != "tocsin/test" {
			continue // a notice to an owner, of a target that is gone
		}
		audit.Add(r)
		if r.Kind.Ends() {
			ends[r.User] = append(ends[r.User], r.Kind)
		}
	}
	for user, l := range lives {
		require.Equal(t, []schema.RecordKind{l.want}, ends[user], "%s: %+v", user, l)
	}
	result := audit.Result()
	require.Equal(t, len(lives), result.Planned)
	require.Equal(t, result.Planned, result.Delivered+result.Suppressed+result.Dead)
	require.Empty(t, result.Missing)
	require.Empty(t, result.Double)
}

// endsOf reads the ledger once so many deliveries have ended.
func (f *fleet) endsOf(deliveries int) (records []schema.Record) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		records = nil
		ended := map[string]bool{}
		for r, err := range f.queue.Ledger(f.t.Context(), queue.LedgerQuery{}) {
			require.NoError(f.t, err)
			records = append(records, r)
			if r.Kind.Ends() {
				ended[r.Delivery] = true
			}
		}
		return len(ended) >= deliveries
	}, 60*time.Second, 50*time.Millisecond)
	return records
}
