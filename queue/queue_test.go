package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func connect(t *testing.T, n *servertest.NATSServer) *queue.Queue {
	t.Helper()
	q, err := queue.Connect(queue.Options{URL: n.URL(), Name: t.Name(), Log: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	return q
}

func ready(t *testing.T, n *servertest.NATSServer) *queue.Queue {
	t.Helper()
	q := connect(t, n)
	require.NoError(t, q.Setup(t.Context(), 0))
	return q
}

// stranger is another program's view of the same server.
func stranger(t *testing.T, n *servertest.NATSServer) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(n.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return js
}

func delivery(t *testing.T, id string) schema.Delivery {
	t.Helper()
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account, event.Time = id, "tocsin/test", "acme", time.Now().UTC().Truncate(0)
	return schema.Delivery{Event: event, User: "ada", Channel: "webhook", Target: "main", Planned: time.Now().UTC()}
}

// plans makes each delivery one that an event has made.
func plans(deliveries ...schema.Delivery) []schema.Plan {
	var all []schema.Plan
	for _, d := range deliveries {
		all = append(all, schema.PlanOf(d, "Redeploy of Ledger failed"))
	}
	return all
}

// running runs a pool until the test, or the returned function, stops it.
func running(t *testing.T, pool *queue.Pool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); pool.Run(ctx) }()
	stop = func() { cancel(); <-stopped }
	t.Cleanup(stop)
	return stop
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

func messages(t *testing.T, js jetstream.JetStream, stream string) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	return info.State.Msgs
}

func eventuallyEmpty(t *testing.T, js jetstream.JetStream, stream string) {
	t.Helper()
	require.Eventually(t, func() bool { return messages(t, js, stream) == 0 }, 20*time.Second, 20*time.Millisecond,
		"%s still holds messages", stream)
}

func TestSetupTwiceKeepsWhatAnOperatorChanged(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	js := stranger(t, n)
	stream, err := js.Stream(t.Context(), queue.EventStream)
	require.NoError(t, err)
	config := stream.CachedInfo().Config
	require.Equal(t, 72*time.Hour, config.MaxAge)
	config.MaxAge, config.MaxBytes = time.Hour, 1<<20
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)

	require.NoError(t, q.Setup(t.Context(), 0))

	stream, err = js.Stream(t.Context(), queue.EventStream)
	require.NoError(t, err)
	require.Equal(t, time.Hour, stream.CachedInfo().Config.MaxAge)
	require.EqualValues(t, 1<<20, stream.CachedInfo().Config.MaxBytes)
}

func TestSetupAddsWhatAnOlderStreamLacks(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	js := stranger(t, n)
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: queue.DeadStream, Subjects: []string{"tocsin.dead.event.>"}, MaxMsgs: 10,
	})
	require.NoError(t, err)
	ready(t, n)
	stream, err := js.Stream(t.Context(), queue.DeadStream)
	require.NoError(t, err)
	require.EqualValues(t, 10, stream.CachedInfo().Config.MaxMsgs)
	_, err = js.Publish(t.Context(), "tocsin.dead.webhook.stack.redeploy.ok", nil)
	require.NoError(t, err)
}

func TestServersThatWillNotDoAreRefusedWithASentence(t *testing.T) {
	t.Parallel()
	t.Run("JetStream is off", func(t *testing.T) {
		t.Parallel()
		q := connect(t, servertest.NATS(t, func(o *server.Options) { o.JetStream = false }))
		err := q.SetupPatiently(t.Context())
		require.ErrorIs(t, err, queue.ErrUnusable)
		require.ErrorContains(t, err, "JetStream is switched off")
	})
	t.Run("a stream of the same name does another job", func(t *testing.T) {
		t.Parallel()
		n := servertest.NATS(t)
		_, err := stranger(t, n).CreateStream(t.Context(), jetstream.StreamConfig{
			Name: queue.RetryStream, Subjects: []string{"tocsin.retries.>"}, Retention: jetstream.LimitsPolicy,
		})
		require.NoError(t, err)
		err = connect(t, n).Setup(t.Context(), 0)
		require.ErrorIs(t, err, queue.ErrUnusable)
		require.ErrorContains(t, err, queue.RetryStream)
	})
	t.Run("nobody is there, for a command", func(t *testing.T) {
		t.Parallel()
		_, err := queue.Connect(queue.Options{URL: "nats://user:hunter2@127.0.0.1:1", Log: zap.NewNop()})
		require.ErrorContains(t, err, "connect to NATS at nats://user:xxxxx@127.0.0.1:1")
		require.NotContains(t, err.Error(), "hunter2")
	})
}

func TestDaemonWaitsForAServerThatComesLater(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	url := n.URL()
	n.Stop()
	q, err := queue.Connect(queue.Options{URL: url, Patient: true, Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	prepared := make(chan error, 1)
	go func() { prepared <- q.SetupPatiently(t.Context()) }()
	n.Start()
	require.NoError(t, receive(t, prepared))
}

func TestDeliveryIsHandedOutAndDone(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 4, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Done()
	})
	running(t, pool)
	want := delivery(t, "e1")
	require.NoError(t, q.PublishPlans(t.Context(), plans(want, want)), "the same twice is stored once")
	require.Equal(t, want, receive(t, handed))
	eventuallyEmpty(t, stranger(t, n), queue.DeliveryStream)
	require.Empty(t, handed)
}

func TestParkedDeliveryComesBackWhenDueAndNotBefore(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	type moment struct {
		d  schema.Delivery
		at time.Time
	}
	handed := make(chan moment, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 4, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- moment{d, time.Now()}
		if d.Attempts > 0 {
			return queue.Done()
		}
		d.Attempts, d.Due = 1, time.Now().Add(2500*time.Millisecond) // two hops of a second, and a rest
		return queue.Park(d)
	})
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	first, second := receive(t, handed), receive(t, handed)
	require.Equal(t, first.d.ID(), second.d.ID())
	require.Equal(t, 1, second.d.Attempts)
	require.False(t, second.at.Before(second.d.Due), "early by %s", second.d.Due.Sub(second.at))
	eventuallyEmpty(t, stranger(t, n), queue.RetryStream)
	require.Empty(t, handed)
}

func TestParkedDeliverySurvivesARestartAndIsNotEarly(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 4, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		if d.Attempts > 0 {
			if time.Now().Before(d.Due) {
				t.Error("handed out early")
			}
			return queue.Done()
		}
		d.Attempts, d.Due = 1, time.Now().Add(3*time.Second)
		return queue.Park(d)
	})
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	receive(t, handed)
	require.Eventually(t, func() bool { return messages(t, stranger(t, n), queue.RetryStream) == 1 }, 10*time.Second, 10*time.Millisecond)
	n.Stop()
	n.Start()
	require.Equal(t, 1, receive(t, handed).Attempts)
}

func TestStoppingHandsBackAndFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	begun, finish := make(chan struct{}), make(chan struct{})
	pool := q.NewPool(20 * time.Second)
	pool.Deliveries("webhook", 1, func(ctx context.Context, _ schema.Delivery) queue.Outcome {
		begun <- struct{}{}
		<-finish
		if ctx.Err() != nil {
			t.Error("the attempt in hand was cut off")
		}
		return queue.Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); pool.Run(ctx) }()
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"), delivery(t, "e2"))))
	receive(t, begun)
	cancel()
	close(finish)
	receive(t, stopped)

	js := stranger(t, n)
	require.Eventually(t, func() bool { return messages(t, js, queue.DeliveryStream) == 1 }, 10*time.Second, 10*time.Millisecond,
		"the second delivery stays for another worker")
	handed := make(chan schema.Delivery, 1)
	another := q.NewPool(time.Second)
	another.Deliveries("webhook", 1, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Done()
	})
	running(t, another)
	require.Equal(t, "e2", receive(t, handed).Event.ID)
}

func TestDrainTimeEndsWhatHangs(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	begun := make(chan struct{})
	pool := q.NewPool(50 * time.Millisecond)
	pool.Deliveries("webhook", 1, func(ctx context.Context, _ schema.Delivery) queue.Outcome {
		close(begun)
		<-ctx.Done()
		return queue.HandBack()
	})
	stop := running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	receive(t, begun)
	stop()
}

func TestConsumerThatSomebodyDeletedIsMadeAnew(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	handed := make(chan schema.Delivery, 10)
	pool := q.NewPool(time.Second)
	pool.Deliveries("webhook", 1, func(_ context.Context, d schema.Delivery) queue.Outcome {
		handed <- d
		return queue.Done()
	})
	running(t, pool)
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
	receive(t, handed)
	require.NoError(t, stranger(t, n).DeleteConsumer(t.Context(), queue.DeliveryStream, "webhook"))
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e2"))))
	require.Equal(t, "e2", receive(t, handed).Event.ID)
}

// A worker that stops hands back what its open pull still brings, once: a
// delivery that came back to the same pull again and again was taken for one
// that kills its workers.
func TestHandingBackIsNotMistakenForACrash(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	begun, finish := make(chan struct{}, 100), make(chan struct{})
	pool := q.NewPool(20 * time.Second)
	pool.Deliveries("webhook", 8, func(context.Context, schema.Delivery) queue.Outcome {
		begun <- struct{}{}
		<-finish
		return queue.HandBack()
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); pool.Run(ctx) }()
	require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"), delivery(t, "e2"))))
	receive(t, begun)
	receive(t, begun)
	cancel()
	close(finish)
	receive(t, stopped)

	consumer, err := stranger(t, n).Consumer(t.Context(), queue.DeliveryStream, "webhook")
	require.NoError(t, err)
	for range 2 {
		msg, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		require.NoError(t, err)
		meta, err := msg.Metadata()
		require.NoError(t, err)
		require.EqualValues(t, 2, meta.NumDelivered, "handed out, handed back, handed out")
	}
}
