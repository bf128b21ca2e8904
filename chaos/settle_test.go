package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/servertest"
)

// patience is how long a fleet may take until it has done all there was to do:
// longer than an event whose router was killed waits twice (45 s), or one that
// is tried alone.
const patience = 3 * time.Minute

// settle waits until nothing waits for a worker any more: no event to be routed,
// no delivery in a queue or in hand.
func (s *site) settle() {
	s.t.Helper()
	js := servertest.JetStream(s.t, s.natsURL())
	var left string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if left = s.waiting(js); left == "" {
			return
		}
	}
	require.FailNow(s.t, "something is stuck", "after %s there wait: %s\n%s", patience, left, s.lastWords())
}

// waiting names the consumers that have something to do.
func (s *site) waiting(js jetstream.JetStream) string {
	var busy []string
	for _, stream := range append(workQueues(), queue.EventStream) {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		handle, err := js.Stream(ctx, stream)
		if err == nil {
			list := handle.ListConsumers(ctx)
			for info := range list.Info() {
				if info.NumPending+uint64(info.NumAckPending) > 0 {
					busy = append(busy, fmt.Sprintf("%s/%s: %d, in hand %d", stream, info.Name, info.NumPending, info.NumAckPending))
				}
			}
			err = list.Err()
		}
		cancel()
		if err != nil {
			busy = append(busy, fmt.Sprintf("%s: %v", stream, err))
		}
	}
	return strings.Join(busy, "; ")
}

// workQueues are the streams in which deliveries wait.
func workQueues() []string {
	all := []string{queue.RetryStream, queue.DeliveryStream}
	for i := 1; i < *partitions; i++ {
		all = append(all, fmt.Sprint(queue.DeliveryStream, "_", i))
	}
	return all
}

// inHand counts the deliveries that workers have taken and not acknowledged. A
// cluster without a leader does not know, and is asked again.
func (s *site) inHand() (held int) {
	s.t.Helper()
	js := servertest.JetStream(s.t, s.natsURL())
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	require.NoError(s.t, backoff.Retry(func() (err error) {
		held, err = unacknowledged(ctx, js)
		return err
	}, backoff.WithContext(backoff.NewConstantBackOff(100*time.Millisecond), ctx)))
	return held
}

func unacknowledged(ctx context.Context, js jetstream.JetStream) (held int, err error) {
	for _, stream := range workQueues() {
		handle, err := js.Stream(ctx, stream)
		if err != nil {
			return 0, err
		}
		list := handle.ListConsumers(ctx)
		for info := range list.Info() {
			held += info.NumAckPending
		}
		if list.Err() != nil {
			return 0, list.Err()
		}
	}
	return held, nil
}

func (s *site) lastWords() string {
	var said strings.Builder
	for i, w := range s.workers {
		lines := strings.Split(strings.TrimSpace(w.Said()), "\n")
		fmt.Fprintf(&said, "worker %d said:\n%s\n", i, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
	return said.String()
}

// idleShare is the most of a processor that a process may use when there is
// nothing to do: polling and housekeeping, built with the race detector.
const idleShare = 0.15

// rest waits until every process is idle.
func (s *site) rest() {
	s.t.Helper()
	processes := map[string]*servertest.Process{}
	for name, p := range s.natsServers() {
		processes[name] = p.Process
	}
	if s.redis != nil {
		processes["redis-server"] = s.redis.Process
	}
	if s.group != nil {
		for i, server := range s.group.Servers {
			processes[fmt.Sprint("redis-server ", i)] = server.Process
		}
	}
	for i, w := range s.workers {
		processes[fmt.Sprint("worker ", i)] = w
	}
	busy := ""
	for range 20 {
		before, began := map[string]time.Duration{}, time.Now()
		for name, p := range processes {
			before[name] = p.CPU()
		}
		time.Sleep(time.Second) // a share of time takes time to measure
		busy = ""
		for name, p := range processes {
			if share := (p.CPU() - before[name]).Seconds() / time.Since(began).Seconds(); share > idleShare {
				busy += fmt.Sprintf(" %s uses %.0f %%", name, share*100)
			}
		}
		if busy == "" {
			return
		}
	}
	require.Fail(s.t, "a process stays busy with nothing to do", busy)
}
