package worker_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/channels/outbound"
	"tocsin/metrics"
	"tocsin/prefs"
	"tocsin/schema"
	"tocsin/servertest"
	"tocsin/worker"
)

// instant is a channel that takes everything at once, so that what is measured
// is what an attempt costs around it.
type instant struct{}

func (instant) Send(context.Context, schema.Delivery, channels.Target) error { return nil }

// trips counts round trips to Redis, and the commands on them.
type trips struct{ n, commands atomic.Int64 }

func (t *trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (t *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { t.n.Add(1); t.commands.Add(1); return next(ctx, cmd) }
}

func (t *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		t.n.Add(1)
		t.commands.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// lone is a deliverer on a real Redis whose far end takes everything, and how
// often it asks Redis.
func lone(t testing.TB, isolates bool) (*worker.Deliverer, *trips) {
	client, err := prefs.Open(servertest.Redis(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	keys, err := prefs.ParseKeys("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	store := prefs.NewStore(client, keys)
	require.NoError(t, store.PutUser(t.Context(), "ada", prefs.Profile{}))
	require.NoError(t, store.AddMember(t.Context(), "acme", "ada"))
	require.NoError(t, store.PutTarget(t.Context(), "ada", hook, []byte(`{"url":"https://hooks.example.com/ada"}`)))
	dl := &worker.Deliverer{
		Channel: instant{}, Spec: channels.Spec{Name: "webhook", Timeout: time.Minute}, Targets: store, Slots: 256, Log: zap.NewNop(),
	}
	if isolates {
		hosts := breaker.NewHosts(client)
		hosts.Every = time.Hour
		dl.Spec.Host, dl.Isolation = outbound.HostOf, worker.NewIsolation(8, store, hosts)
	}
	asked := &trips{}
	client.AddHook(asked)
	return dl, asked
}

func TestHealthyDeliveryAsksRedisOnce(t *testing.T) {
	t.Parallel()
	dl, asked := lone(t, true)
	const n = 1000
	for i := range n {
		require.Equal(t, "done", dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(i), time.Now())).String())
	}
	require.InDelta(t, 5*n, asked.commands.Load(), 10, "five questions, and a few to begin with")
	// A goroutine that is put aside between its two questions asks twice.
	require.InDelta(t, n, asked.n.Load(), n/5, "once, and a few times to begin with: connections, and what is known of hosts")
}

// BenchmarkHealthyDelivery is what an attempt costs the worker without its
// sending, with isolation and without, and counted.
func BenchmarkHealthyDelivery(b *testing.B) {
	for _, c := range []struct{ isolates, counted bool }{{false, false}, {true, false}, {true, true}} {
		b.Run(fmt.Sprintf("isolates=%t/counted=%t", c.isolates, c.counted), func(b *testing.B) {
			dl, asked := lone(b, c.isolates)
			if c.counted {
				dl.Meter = metrics.New("v1").Deliveries("webhook")
			}
			d := deliveryTo("ada", "e1", time.Now())
			b.ReportAllocs()
			for b.Loop() {
				dl.Deliver(b.Context(), b.Context(), d)
			}
			b.ReportMetric(float64(asked.n.Load())/float64(b.N), "trips/op")
		})
	}
}
