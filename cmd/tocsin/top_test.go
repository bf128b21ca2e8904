package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/fleet"
	"tocsin/queue"
)

func (s *site) fleet() fleetView {
	s.t.Helper()
	var view fleetView
	require.NoError(s.t, json.Unmarshal([]byte(must(s.t, "", "top", "-o", "json", "--nats-url", s.nats.URL())), &view))
	return view
}

func TestTopShowsWorkersAndWebFromTheirStartToTheirEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	require.Contains(t, must(t, "", "top", "--nats-url", s.nats.URL()), "no process has reported")
	first := start(t, s.workerArgs()...)
	start(t, s.workerArgs("--channels", "route")...)
	start(t, "web", "--http-addr", "127.0.0.1:0", "--metrics-addr", "off", "--nats-url", s.nats.URL(), "--redis-url", s.redisURL,
		"--secrets-key", secretsKey, "--link-key", linkKey, "--public-url", "https://notify.example.com")
	s.publish("job.fail", "--id", "e1")
	s.eventually(1)
	require.Eventually(t, func() bool {
		view := s.fleet()
		return view.Alive(fleet.RoleWorker) == 2 && view.Alive(fleet.RoleWeb) == 1
	}, 30*time.Second, 50*time.Millisecond)
	must(t, "", "pause", "webhook", "--why", "the receiver moves", "--nats-url", s.nats.URL())
	said := must(t, "", "top", "--once", "--nats-url", s.nats.URL())
	require.Contains(t, said, "2 workers, 1 web")
	require.Contains(t, said, "webhook is paused until it is resumed")
	require.Contains(t, said, "the receiver moves")

	require.Equal(t, exitDone, first.stop())
	view := s.fleet() // what the worker has done was in its last report
	require.Equal(t, 1, view.Alive(fleet.RoleWorker))
	left := view.Members[len(view.Members)-1]
	require.Equal(t, fleet.Left, left.State)
	require.InDelta(t, 1, left.Channels["webhook"].Counts.Delivered, 0)
	require.Positive(t, left.Channels["webhook"].Slots)
	require.Positive(t, left.Channels["webhook"].Counts.Latency.Total())
	require.Len(t, view.Pauses, 1)
}

func TestTopFollowsTheFleetUntilItIsToldToStop(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	q, err := queue.Connect(queue.Options{URL: s.nats.URL(), Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	ctx, cancel := context.WithCancel(t.Context())
	var screen output
	ended := make(chan error, 1)
	go func() { ended <- (&topCmd{Every: 10 * time.Millisecond}).follow(ctx, q, fleetView{}, &screen) }()
	shows := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(screen.String(), text) }, 30*time.Second, 10*time.Millisecond, text)
	}
	shows("no process has reported")
	start(t, s.workerArgs()...)
	shows("1 worker, 0 web")
	s.nats.Stop()
	shows("as it was; ")
	cancel()
	require.NoError(t, <-ended)
	require.True(t, strings.HasPrefix(screen.String(), enterScreen))
	require.True(t, strings.HasSuffix(screen.String(), leaveScreen), "the terminal is as it was")
}

func TestTopWritesWhatStrangersSaidAsText(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, writeFleet(&out, fleetView{
		Snapshot: fleet.Snapshot{
			At: time.Now(),
			Members: []fleet.Member{{Report: fleet.Report{
				Self: fleet.Self{Process: "p\x1b[2J", Host: "h\x1b[2J"}, State: fleet.Working, Servers: map[string]bool{"redis": false},
			}}},
			Channels: []fleet.ChannelNow{{
				Name: "webhook", Workers: 1, Slots: 50, InFlight: 3, Backlog: &fleet.Backlog{Waiting: 7, Oldest: 90},
				Rate:     fleet.Rate{Delivered: 120.4, Failures: map[string]float64{"timeout": 1.5}, P50: 0.0031, P99: 0.25},
				Breakers: fleet.Breakers{"open": 2, "closed": 0},
			}},
		},
		Pauses: []queue.Pause{{Channel: "email", By: "e\x1b[2J", Why: "w\x1b[2J"}},
	}))
	require.NotContains(t, out.String(), "\x1b")
	for _, want := range []string{"3 of 50", "120", "3.1 ms", "250 ms", "90 s", "2 open", "webhook fails: timeout 1.5/s", "redis is not reached by 1 of them"} {
		require.Contains(t, out.String(), want)
	}
}
