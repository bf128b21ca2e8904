package worker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/channels"
	"tocsin/ledger"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/worker"
)

// life is what becomes of one delivery: so many attempts that fail, and an end.
type life struct {
	failures int
	last     string
	want     schema.RecordKind
}

var lives = rapid.Custom(func(t *rapid.T) life {
	l := rapid.SampledFrom([]life{
		{last: "accepted", want: schema.RecordDelivered}, {last: "refused", want: schema.RecordDead},
		{last: "gone", want: schema.RecordDead}, {last: "opted out", want: schema.RecordSuppressed},
	}).Draw(t, "end")
	l.failures = rapid.IntRange(0, 3).Draw(t, "failures")
	return l
})

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

// population is who lives which life. Nobody is told of two events.
type population struct{ lives sync.Map }

func (p *population) of(user string) life {
	l, _ := p.lives.Load(user)
	return l.(life)
}

// Whatever far ends and users do, and although events come twice and the worker
// stops in between, each delivery ends once, as its life says, and none is
// missing.
func TestNoDeliveryIsLostOrEndsTwice(t *testing.T) {
	t.Parallel()
	atOnce := worker.Policy{Initial: time.Millisecond, Multiplier: 1, Max: time.Millisecond, Window: time.Hour}
	f, everybody, born := newFleet(t, atOnce), &population{}, 0
	f.far.answers(func(ctx context.Context, d schema.Delivery, _ channels.Target) error {
		return f.answer(ctx, everybody.of(d.User), d)
	})
	rapid.Check(t, func(rt *rapid.T) {
		var users []string
		for _, l := range rapid.SliceOfN(lives, 1, 8).Draw(rt, "lives") {
			user := fmt.Sprint("u", born)
			born++
			f.join(user)
			everybody.lives.Store(user, l)
			users = append(users, user)
		}
		stopsAt := rapid.IntRange(0, 8*len(users)).Draw(rt, "the worker stops before")
		for i, user := range users {
			if i == stopsAt {
				f.stop()
				f.start(atOnce, f.log)
			}
			for range rapid.IntRange(1, 2).Draw(rt, "published") {
				f.publish("for-"+user, func(e *schema.Event) { e.User = user })
			}
		}
		for _, user := range users {
			require.Equal(rt, []schema.RecordKind{everybody.of(user).want}, f.endsOf(user), user)
		}
	})
	result := f.audit()
	require.Equal(t, born, result.Planned)
	require.Equal(t, result.Planned, result.Delivered+result.Suppressed+result.Dead)
	require.Empty(t, result.Missing)
	require.Empty(t, result.Double)
}

// endsOf waits until a delivery of a user's has ended, and returns how it did.
func (f *fleet) endsOf(user string) (ends []schema.RecordKind) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		ends = nil
		for r, err := range f.queue.Ledger(f.t.Context(), queue.LedgerQuery{User: user}) {
			require.NoError(f.t, err)
			if r.Source == "tocsin/test" && r.Kind.Ends() { // and no notice of a target that is gone
				ends = append(ends, r.Kind)
			}
		}
		return len(ends) > 0
	}, 60*time.Second, 10*time.Millisecond, user)
	return ends
}

// audit counts what the ledger says of all events but notices.
func (f *fleet) audit() ledger.Result {
	f.t.Helper()
	audit := ledger.NewAudit()
	audit.Routed(1 << 60)
	for r, err := range f.queue.Ledger(f.t.Context(), queue.LedgerQuery{}) {
		require.NoError(f.t, err)
		if r.Source == "tocsin/test" {
			audit.Add(r)
		}
	}
	return audit.Result()
}
