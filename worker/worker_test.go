package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tocsin/channels"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
	"tocsin/worker"
)

// far is a far end under the test's command: answer says how an attempt ends.
type far struct {
	mu     sync.Mutex
	answer func(ctx context.Context, d schema.Delivery, to channels.Target) error
	seen   chan arrival
}

type arrival struct {
	schema.Delivery
	settings string
}

func (f *far) Send(ctx context.Context, d schema.Delivery, to channels.Target) error {
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	err := answer(ctx, d, to)
	f.seen <- arrival{d, string(to.Settings)}
	return err
}

func (f *far) answers(answer func(ctx context.Context, d schema.Delivery, to channels.Target) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func accepts(context.Context, schema.Delivery, channels.Target) error { return nil }

func refuses(err error) func(context.Context, schema.Delivery, channels.Target) error {
	return func(context.Context, schema.Delivery, channels.Target) error { return err }
}

// fleet is one worker with a webhook channel on real servers, and one account
// with one user.
type fleet struct {
	t     *testing.T
	nats  *servertest.NATSServer
	redis *servertest.RedisServer
	queue *queue.Queue
	store *prefs.Store
	log   *zap.Logger
	far   *far

	client redis.UniversalClient
	share  *worker.Share // nil: none
	// members is the store, or what stands before it.
	members interface {
		Recipients(ctx context.Context, account, onlyUser string) iter.Seq2[[]prefs.Recipient, error]
	}
	stop func()
}

func quick() worker.Policy {
	return worker.Policy{Initial: 50 * time.Millisecond, Multiplier: 2, Max: time.Second, Window: time.Hour}
}

func newFleet(t *testing.T, policy worker.Policy) *fleet {
	t.Helper()
	f := newServers(t)
	f.join("ada")
	f.far = &far{answer: accepts, seen: make(chan arrival, 20_000)}
	f.start(policy, f.log)
	return f
}

// newServers is a fleet without a worker and without users.
func newServers(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, nats: servertest.NATS(t), redis: servertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")}
	f.log = zaptest.NewLogger(t, zaptest.Level(zap.DPanicLevel))
	var err error
	f.queue, err = queue.Connect(queue.Options{URL: f.nats.URL(), Patient: true, Log: f.log})
	require.NoError(t, err)
	t.Cleanup(f.queue.Close)
	require.NoError(t, f.queue.Setup(t.Context(), 0))
	keys, err := prefs.ParseKeys("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	f.client, err = prefs.Open(f.redis.URL())
	require.NoError(t, err)
	t.Cleanup(func() { closeClient(t, f.client) })
	f.store = prefs.NewStore(f.client, keys)
	f.members = f.store
	return f
}

func closeClient(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	require.NoError(t, client.Close())
}

func (f *fleet) join(user string) {
	f.t.Helper()
	ctx := f.t.Context()
	require.NoError(f.t, f.store.PutUser(ctx, user, prefs.Profile{Name: user}))
	require.NoError(f.t, f.store.AddMember(ctx, "acme", user))
	f.setHook(user, "https://hooks.example.com/first")
}

func (f *fleet) setHook(user, url string) {
	f.t.Helper()
	settings, err := json.Marshal(map[string]string{"url": url})
	require.NoError(f.t, err)
	require.NoError(f.t, f.store.PutTarget(f.t.Context(), user, hook, settings))
}

var hook = prefs.TargetRef{Channel: "webhook", ID: channels.MainTarget}

func (f *fleet) start(policy worker.Policy, log *zap.Logger) {
	f.t.Helper()
	f.run(log, &worker.Deliverer{
		Channel: f.far, Spec: channels.Spec{Name: "webhook", Label: "Webhook", Timeout: 10 * time.Second},
		Targets: f.store, Notices: f.queue, Policy: policy, Slots: 16, Log: log,
	})
}

func (f *fleet) run(log *zap.Logger, dl *worker.Deliverer) {
	f.t.Helper()
	validator, err := schema.NewValidator()
	require.NoError(f.t, err)
	w := worker.Worker{
		Queue: f.queue, RouteSlots: 8, Drain: 5 * time.Second,
		Router: &worker.Router{
			Parse: validator.Parse, Claims: f.store, Outages: f.store, Members: f.members, Deliveries: f.queue,
			Offered: []string{"webhook"}, Log: log, Share: f.share,
		},
		Deliverers: []*worker.Deliverer{dl},
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.Run(ctx) }()
	f.stop = func() { cancel(); <-stopped }
	f.t.Cleanup(f.stop)
}

func (f *fleet) publish(id string, change ...func(*schema.Event)) {
	f.t.Helper()
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(f.t, err)
	event.ID, event.Source, event.Account, event.Time = id, "tocsin/test", "acme", time.Now()
	for _, c := range change {
		c(&event)
	}
	_, _, err = f.queue.PublishEvent(f.t.Context(), event)
	require.NoError(f.t, err)
}

func (f *fleet) next() arrival {
	f.t.Helper()
	select {
	case a := <-f.far.seen:
		return a
	case <-time.After(30 * time.Second):
		require.FailNow(f.t, "nothing arrived")
		panic("unreachable")
	}
}

// quiet publishes one more event and sees that nothing else arrives before it.
func (f *fleet) quiet() {
	f.t.Helper()
	f.far.answers(accepts)
	f.publish("the-last-one")
	require.Equal(f.t, "the-last-one", f.next().Event.ID)
}

func (f *fleet) letter() queue.DeadLetter {
	f.t.Helper()
	var found []queue.DeadLetter
	require.Eventually(f.t, func() bool {
		found = nil
		for letter, err := range f.queue.DeadLetters(f.t.Context(), queue.LetterFilter{}, 0) {
			require.NoError(f.t, err)
			found = append(found, letter)
		}
		return len(found) == 1
	}, 20*time.Second, 20*time.Millisecond)
	return found[0]
}

func TestEventReachesItsUserOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.publish("e1")
	a := f.next()
	require.Equal(t, "ada", a.User)
	require.Equal(t, "e1", a.Event.ID)
	require.Contains(t, a.settings, "hooks.example.com/first")
	f.quiet()
}

// Without Nats-Msg-Id JetStream stores both; the claim in Redis tells them apart.
func TestEventPublishedTwiceArrivesOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	event, err := schema.Sample("server.stopped")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = "twice", "tocsin/test", "acme", time.Now()
	for range 2 {
		servertest.Publish(t, f.nats.URL(), schema.EventSubject(event.Type), event.Header(), event.Data)
	}
	require.Equal(t, "twice", f.next().Event.ID)
	f.quiet()
}

func TestFailedAttemptsComeBackWithTheSameIdentity(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.far.answers(func(_ context.Context, d schema.Delivery, _ channels.Target) error {
		if d.Attempts < 2 {
			return &channels.Failure{Status: "503", Err: errors.New("endpoint answered 503")}
		}
		return nil
	})
	f.publish("e1")
	first, second, third := f.next(), f.next(), f.next()
	require.Equal(t, first.ID(), third.ID())
	require.Equal(t, first.Event, third.Event)
	require.Equal(t, []int{0, 1, 2}, []int{first.Attempts, second.Attempts, third.Attempts})
	require.Equal(t, "503", third.Last.Status)
	f.quiet()
}

func TestOptingOutReachesARetryThatWaits(t *testing.T) {
	t.Parallel()
	policy := quick()
	policy.Initial = 1500 * time.Millisecond
	f := newFleet(t, policy)
	f.far.answers(refuses(errors.New("not now")))
	f.publish("e1")
	f.next()
	off := false
	require.NoError(t, f.store.SetChoices(t.Context(), "ada", map[prefs.Cell]*bool{{Type: "stack.redeploy.fail", Channel: "webhook"}: &off}))
	js := servertest.JetStream(t, f.nats.URL())
	require.Eventually(t, func() bool {
		return servertest.Messages(t, js, queue.RetryStream)+servertest.Messages(t, js, queue.DeliveryStream) == 0
	}, 20*time.Second, 20*time.Millisecond)
	require.Empty(t, f.far.seen, "suppressed, not sent")
}

func TestMendingAnAddressHealsARetryThatWaits(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.far.answers(func(_ context.Context, _ schema.Delivery, to channels.Target) error {
		if string(to.Settings) == `{"url":"https://hooks.example.com/mended"}` {
			return nil
		}
		return errors.New("no such host")
	})
	f.publish("e1")
	f.next()
	f.setHook("ada", "https://hooks.example.com/mended")
	require.Eventually(t, func() bool {
		return len(f.far.seen) > 0 && (<-f.far.seen).settings == `{"url":"https://hooks.example.com/mended"}`
	},
		20*time.Second, time.Millisecond)
	f.quiet()
}

func TestPermanentFailureIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.far.answers(refuses(&channels.Failure{Kind: channels.Permanent, Status: "404", Err: errors.New("endpoint answered 404")}))
	f.publish("e1")
	f.next()
	letter := f.letter()
	require.Equal(t, queue.Permanent, letter.Cause)
	require.Equal(t, "endpoint answered 404", letter.Reason)
	require.Equal(t, 1, letter.Delivery.Attempts)
	require.Equal(t, "404", letter.Delivery.Last.Status)
	f.quiet()
}

func TestRetryWindowEndsInADeadLetter(t *testing.T) {
	t.Parallel()
	policy := quick()
	policy.Window = 200 * time.Millisecond
	f := newFleet(t, policy)
	f.far.answers(refuses(errors.New("still broken")))
	f.publish("e1")
	letter := f.letter()
	require.Equal(t, queue.Exhausted, letter.Cause)
	require.GreaterOrEqual(t, letter.Delivery.Attempts, 1)
}

func TestGoneTargetIsSwitchedOffUnlessSavedSince(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	gone := &channels.Failure{Kind: channels.Gone, Status: "410", Since: time.Now().Add(-time.Hour), Err: errors.New("unregistered")}
	f.far.answers(refuses(gone))
	f.publish("older-than-the-registration")
	f.next()
	f.letter()
	f.publish("still-on")
	f.next()

	f.far.answers(refuses(&channels.Failure{Kind: channels.Gone, Status: "410", Err: errors.New("endpoint answered 410 Gone")}))
	f.publish("now-off")
	f.next()
	require.Eventually(t, func() bool {
		targets, err := f.store.Targets(t.Context(), "ada")
		require.NoError(t, err)
		return len(targets) == 1 && targets[0].Off
	}, 20*time.Second, 10*time.Millisecond)
	notice := f.queued("tocsin.deliveries.email")
	require.Equal(t, []string{schema.ChannelOff}, notice.Header["ce-type"])
	require.JSONEq(t, `{"channel":"Webhook","reason":"endpoint answered 410 Gone"}`, string(notice.Data))
}

// queued waits for the message on a subject that no worker takes.
func (f *fleet) queued(subject string) *jetstream.RawStreamMsg {
	f.t.Helper()
	stream, err := servertest.JetStream(f.t, f.nats.URL()).Stream(f.t.Context(), queue.DeliveryStream)
	require.NoError(f.t, err)
	var msg *jetstream.RawStreamMsg
	require.Eventually(f.t, func() bool {
		msg, err = stream.GetLastMsgForSubject(f.t.Context(), subject)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	return msg
}

func TestMisconfiguredInstallationSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.far.answers(refuses(&channels.Failure{Kind: channels.Misconfigured, Status: "535", Err: errors.New("TOCSIN_SMTP_URL: wrong password")}))
	f.publish("e1")
	require.Zero(t, f.next().Attempts)
	js := servertest.JetStream(t, f.nats.URL())
	require.Eventually(t, func() bool { return servertest.Messages(t, js, queue.RetryStream) == 1 }, 20*time.Second, 10*time.Millisecond)
	stream, err := js.Stream(t.Context(), queue.RetryStream)
	require.NoError(t, err)
	parked, err := stream.GetLastMsgForSubject(t.Context(), "tocsin.retries.>")
	require.NoError(t, err)
	require.Empty(t, parked.Header.Get("Tocsin-Attempts"))
	require.NotEmpty(t, parked.Header.Get("Tocsin-Due"))
}

func TestPanicHurtsOneDeliveryOnly(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.far.answers(func(_ context.Context, d schema.Delivery, _ channels.Target) error {
		if d.Event.ID == "bad" && d.Attempts == 0 {
			f.far.seen <- arrival{Delivery: d}
			panic("a bug")
		}
		return nil
	})
	f.publish("bad")
	require.Equal(t, "bad", f.next().Event.ID)
	again := f.next()
	require.Equal(t, 1, again.Attempts)
	require.Contains(t, again.Last.Reason, "panicked")
	f.quiet()
}

func TestMalformedEventIsBuriedAndDelaysNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	servertest.Publish(t, f.nats.URL(), "tocsin.events.stack.redeploy.ok", nil, []byte("{"))
	f.publish("e1")
	require.Equal(t, "e1", f.next().Event.ID)
	letter := f.letter()
	require.Equal(t, "tocsin.dead.event.stack.redeploy.ok", letter.Subject)
	require.Equal(t, []byte("{"), letter.Body)
}

func TestRedisAwaySpendsNoAttemptAndLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.redis.Stop()
	for i := range 50 {
		f.publish(fmt.Sprint("e", i))
	}
	f.redis.Start()
	seen := map[string]bool{}
	for range 50 {
		a := f.next()
		require.Zero(t, a.Attempts)
		seen[a.Event.ID] = true
	}
	require.Len(t, seen, 50)
	f.quiet()
}

func TestNATSAwayAndBackWithoutARestart(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.publish("before")
	f.next()
	f.nats.Stop()
	f.nats.Start()
	f.publish("after")
	for f.next().Event.ID != "after" { // "before" may come again: its acknowledgement can die with the server
		continue
	}
}

func TestStoppingWhileRedisIsAwayHandsBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.redis.Stop()
	f.publish("e1")
	js := servertest.JetStream(t, f.nats.URL())
	require.Eventually(t, func() bool { return servertest.InHand(t, js, queue.EventStream, "router") == 1 }, 20*time.Second, 10*time.Millisecond)
	began := time.Now()
	f.stop()
	require.Less(t, time.Since(began), 20*time.Second, "it does not wait for Redis")
	consumer, err := js.Consumer(t.Context(), queue.EventStream, "router")
	require.NoError(t, err)
	msg, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
	require.NoError(t, err, "the event is another worker's, long before it would be given up for lost")
	require.NoError(t, msg.Ack())
}

func TestLargeAccountIsToldWhole(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	const members = 1200 // three chunks
	for i := range members - 1 {
		f.join(fmt.Sprintf("user%d", i))
	}
	f.publish("e1")
	told := map[string]bool{}
	for range members {
		told[f.next().User] = true
	}
	require.Len(t, told, members)
	f.quietFor(members)
}

// quietFor is quiet for an account of n users.
func (f *fleet) quietFor(n int) {
	f.t.Helper()
	f.publish("the-last-one")
	for range n {
		require.Equal(f.t, "the-last-one", f.next().Event.ID)
	}
}

func TestTheEndOfAnOutageSaysWhenItBegan(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	began := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Millisecond)
	server := func(kind string, at time.Time) func(*schema.Event) {
		return func(e *schema.Event) {
			sample, err := schema.Sample(kind)
			require.NoError(t, err)
			e.Type, e.Data, e.Subject, e.Time = kind, sample.Data, "server/web-1", at
		}
	}
	f.publish("stopped", server("server.stopped", began))
	require.Zero(t, f.next().Since)
	f.publish("stopped-still", server("server.stopped", began.Add(time.Hour)))
	require.Zero(t, f.next().Since)
	f.far.answers(func(_ context.Context, d schema.Delivery, _ channels.Target) error {
		if d.Attempts == 0 {
			return errors.New("not now")
		}
		return nil
	})
	f.publish("back", server("server.backon", began.Add(2*time.Hour)))
	for attempt := range 2 {
		require.Equal(t, began, f.next().Since, "attempt %d", attempt)
	}
	f.far.answers(accepts)
	f.publish("back-again", server("server.backon", began.Add(3*time.Hour)))
	require.Zero(t, f.next().Since, "nothing began it")
	f.quiet()
}

func TestADamagedMemoryOfOutagesHoldsUpNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	server := func(kind string) func(*schema.Event) {
		return func(e *schema.Event) {
			sample, err := schema.Sample(kind)
			require.NoError(t, err)
			e.Type, e.Data, e.Subject = kind, sample.Data, "server/web-1"
		}
	}
	f.publish("stopped", server("server.stopped"))
	f.next()
	client, err := prefs.Open(f.redis.URL())
	require.NoError(t, err)
	defer closeClient(t, client)
	found, err := client.Keys(t.Context(), "tocsin:outage:*").Result()
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NoError(t, client.Set(t.Context(), found[0], "of another kind", 0).Err())
	f.publish("back", server("server.backon"))
	require.Zero(t, f.next().Since)
	f.quiet()
}
