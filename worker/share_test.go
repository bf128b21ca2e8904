package worker_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/worker"
)

func TestShareOfAnAccount(t *testing.T) {
	t.Parallel()
	s := &worker.Share{Burst: 10, Rate: 2, Quiet: 5 * time.Second}
	now := time.Now()
	exceeding := func(account, channel string, n int) (exceeding int) {
		for range n {
			if s.Exceeds(account, channel, now) {
				exceeding++
			}
		}
		return exceeding
	}
	require.Equal(t, 990, exceeding("acme", "email", 1000))
	require.Zero(t, exceeding("zeta", "email", 10), "another account's share is its own")
	require.Zero(t, exceeding("acme", "webhook", 10), "and so is that of another channel")
	now = now.Add(4 * time.Second)
	require.Equal(t, 1, exceeding("acme", "email", 1), "it has had too many a moment ago")
	now = now.Add(6 * time.Second)
	require.Zero(t, exceeding("acme", "email", 10))
	for i := range 20_000 { // many accounts at a time
		require.False(t, s.Exceeds(fmt.Sprint(i), "email", now))
		now = now.Add(time.Second)
	}
	var none *worker.Share
	require.False(t, none.Exceeds("acme", "email", now))
}

// Four hundred events of one account are routed before the one of another.
func TestBurstOfOneAccountWaitsForItself(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	f.join("ada")
	require.NoError(t, f.store.PutUser(t.Context(), "zoe", prefs.Profile{}))
	require.NoError(t, f.store.AddMember(t.Context(), "zeta", "zoe"))
	f.setHook("zoe", "https://hooks.example.com/zoe")
	f.far = &far{seen: make(chan arrival, 20_000), answer: func(context.Context, schema.Delivery, channels.Target) error {
		time.Sleep(10 * time.Millisecond) // the channel is slow
		return nil
	}}
	f.share = &worker.Share{Burst: 10, Rate: 1, Quiet: time.Minute}
	const burst = 400
	for i := range burst {
		f.publish(fmt.Sprint("e", i))
	}
	f.publish("the one", func(e *schema.Event) { e.Account = "zeta" })
	f.run(f.log, &worker.Deliverer{
		Channel: f.far, Spec: channels.Spec{Name: "webhook", Label: "Webhook", Timeout: 10 * time.Second},
		Targets: f.store, Notices: f.queue, Policy: quick(), Slots: 1, Log: f.log,
	})
	before := 0
	for f.next().User != "zoe" {
		before++
	}
	t.Log(before, "of", burst, "arrived before it")
	require.Less(t, before, burst*3/4, "it was not the last")
	f.far.answers(accepts)
	for range burst - before {
		require.Equal(t, "ada", f.next().User, "and the others come, too")
	}
}

// slowMembers is a store that takes its time.
type slowMembers struct {
	*prefs.Store
	took time.Duration
}

func (s slowMembers) Recipients(ctx context.Context, account, onlyUser string) iter.Seq2[[]prefs.Recipient, error] {
	time.Sleep(s.took) // it is slow
	return s.Store.Recipients(ctx, account, onlyUser)
}

// Six hundred events of one account take seconds to route; the one of
// another that is published behind them is routed at once.
func TestBurstOfEventsIsRoutedBesideThoseOfOthers(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	f.join("ada")
	require.NoError(t, f.store.PutUser(t.Context(), "zoe", prefs.Profile{}))
	require.NoError(t, f.store.AddMember(t.Context(), "zeta", "zoe"))
	f.setHook("zoe", "https://hooks.example.com/zoe")
	f.far = &far{seen: make(chan arrival, 20_000), answer: accepts}
	f.share = &worker.Share{Burst: 10, Rate: 1, Quiet: time.Minute}
	f.members = slowMembers{f.store, 10 * time.Millisecond}
	const burst = 600
	for i := range burst {
		f.publish(fmt.Sprint("e", i))
	}
	f.publish("the one", func(e *schema.Event) { e.Account = "zeta" })
	f.start(quick(), f.log)
	before := 0
	for f.next().User != "zoe" {
		before++
	}
	t.Log(before, "of", burst, "arrived before it")
	require.Less(t, before, burst/2)
	seen := map[string]bool{}
	for range burst - before {
		a := f.next()
		require.Equal(t, "ada", a.User, "and the others come, too")
		require.False(t, seen[a.Event.ID], "once")
		seen[a.Event.ID] = true
	}
}

// What an event means for very many is stored as others leave room for it, and
// not from the lane in which their events come.
func TestEventOfALargeAccountIsRoutedBesideThoseOfOthers(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	const members = 700
	for i := range members {
		f.join(fmt.Sprint("user", i))
	}
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "e1", "tocsin/test", "acme", time.Now()
	router := worker.Router{
		Parse:  func(schema.Message) (schema.Event, error) { return event, nil },
		Claims: f.store, Members: f.store, Deliveries: f.queue, Offered: []string{hook.Channel}, Log: f.log,
	}
	require.Equal(t, queue.DeferEvent(), router.Route(t.Context(), t.Context(), queue.PublishedEvent{Sequence: 1}))
	for _, err := range f.queue.Waiting(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "nothing is stored for it yet")
	}

	f.far = &far{seen: make(chan arrival, members), answer: accepts}
	f.publish("e2")
	f.start(quick(), f.log)
	told := map[string]bool{}
	for range members {
		a := f.next()
		require.False(t, told[a.User], "once")
		told[a.User] = true
	}
}
