package main

import (
	"fmt"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
	"tocsin/schema"
	"tocsin/servertest"
)

// publishUntil publishes a hundred events a second, until stop is closed, and says
// how many there were.
func (s *site) publishUntil(stop <-chan struct{}, published *atomic.Int64) {
	js := servertest.JetStream(s.t, s.nats.URL())
	sample, err := schema.Sample("stack.redeploy.ok")
	require.NoError(s.t, err)
	sample.Source, sample.Account = "tocsin/test", "acme"
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-stop:
			return
		case <-pace.C:
		}
		sample.ID, sample.Time = fmt.Sprint("load-", published.Load()), time.Now()
		servertest.PublishOn(s.t, js, schema.EventSubject(sample.Type), sample.Header(), sample.Data)
		published.Add(1)
	}
}

// A rolling upgrade as its handbook has it: a new worker is started, and when it
// works, an old one is told to stop and ends by itself; until all are replaced.
func TestRollingUpgradeUnderLoadLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	const workers, most = 3, 20_000
	s := newSite(t)
	slow := farend.HookAnswer{Status: 200, Delay: 50 * time.Millisecond} // so that each worker has something in hand
	s.hook.Answer(hookPath, repeat(slow, most)...)
	var fleet []*exec.Cmd
	for range workers {
		fleet = append(fleet, s.process(s.workerArgs()...))
	}
	s.eventuallyWorking()
	stop, ended := make(chan struct{}), make(chan struct{})
	var published atomic.Int64
	go func() { defer close(ended); s.publishUntil(stop, &published) }()
	s.eventually(100)
	for _, old := range fleet {
		s.eventuallyAlive(workers)
		s.process(s.workerArgs()...)
		s.eventuallyAlive(workers + 1)
		require.NoError(t, old.Process.Signal(syscall.SIGTERM))
		require.NoError(t, old.Wait(), "exit code 0")
		received, _ := s.received.Since(0)
		s.eventually(len(received) + 100) // the others go on
	}
	close(stop)
	<-ended
	want := int(published.Load()) + 1
	require.Less(t, want, most)
	s.eventuallyDistinct(want)
	require.Eventually(t, func() bool { return s.audit().Waiting == 0 }, 60*time.Second, 200*time.Millisecond)
	received, _ := s.received.Since(0)
	t.Logf("%d events under way while %d workers were replaced", want, workers)
	require.Len(t, received, want, "nothing twice")
	result := s.audit()
	require.Equal(t, want, result.Planned)
	require.Empty(t, result.Missing)
}

// eventuallyAlive waits until so many workers report that they work.
func (s *site) eventuallyAlive(n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.fleet().Alive("worker") == n }, 60*time.Second, 100*time.Millisecond, "%d workers", n)
}

func repeat(answer farend.HookAnswer, n int) []farend.HookAnswer {
	answers := make([]farend.HookAnswer, n)
	for i := range answers {
		answers[i] = answer
	}
	return answers
}
