package breaker_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/breaker"
	"tocsin/servertest"
)

const host = "https://hooks.example.com:443"

// member is one worker of a fleet.
type member struct {
	*breaker.Gate
	*breaker.Hosts
	t *testing.T
}

func fleetOf(t *testing.T, n int) (members []member, server *servertest.RedisServer) {
	t.Helper()
	server = servertest.StartRedis(t)
	for range n {
		options, err := redis.ParseURL(server.URL())
		require.NoError(t, err)
		client := redis.NewClient(options)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		hosts := breaker.NewHosts(client)
		hosts.Every = 0
		members = append(members, member{Gate: breaker.NewGate(), Hosts: hosts, t: t})
	}
	return members, server
}

func (m member) read() breaker.Record {
	m.t.Helper()
	known, err := m.Read(m.t.Context(), host)
	require.NoError(m.t, err)
	return known
}

func (m member) endpoint() breaker.Endpoint {
	m.t.Helper()
	return breaker.Endpoint{
		Name: host, Policy: breaker.HostPolicy(), Most: 8, Known: m.read(),
		Swap: func(ctx context.Context, before, after breaker.Record) (breaker.Record, bool, error) {
			return m.Swap(ctx, host, before, after)
		},
	}
}

// visit makes one attempt at a moment, if it may, and reports whether it did.
func (m member) visit(now time.Time, v breaker.Verdict) bool {
	m.t.Helper()
	visits, _, err := m.Visit(m.t.Context(), now, m.endpoint())
	require.NoError(m.t, err)
	for _, visit := range visits {
		_, err := visit.Learn(m.t.Context(), visit.Leave(breaker.Evidence{Verdict: v, Began: now, Ended: now, Answered: true, Reason: "down"}))
		require.NoError(m.t, err)
	}
	return len(visits) > 0
}

func TestFleetLearnsThatAHostIsDownAndThatItIsBack(t *testing.T) {
	t.Parallel()
	members, _ := fleetOf(t, 2)
	here, there := members[0], members[1]
	now := time.Now()
	for range breaker.HostPolicy().Fails / 2 { // it counts for the fleet, whoever fails
		require.True(t, here.visit(now, breaker.Failed))
		require.True(t, there.visit(now, breaker.Failed))
	}
	require.False(t, here.visit(now, breaker.Worked))
	require.False(t, there.visit(now, breaker.Worked))
	require.Equal(t, "down", there.read().Error)

	now = now.Add(time.Minute)
	require.True(t, here.visit(now, breaker.Worked))
	require.Equal(t, breaker.Recovering, there.read().Phase)
	require.True(t, there.visit(now, breaker.Worked))
}

func TestOneOfTheFleetTriesAHostThatMayBeBack(t *testing.T) {
	t.Parallel()
	members, _ := fleetOf(t, 4)
	now := time.Now()
	for range breaker.HostPolicy().Fails {
		members[0].visit(now, breaker.Failed)
	}
	now = now.Add(time.Minute)
	var tried atomic.Int64
	done := make(chan error)
	const each = 16
	for _, m := range members {
		for range each {
			go func() {
				visits, _, err := m.Visit(t.Context(), now, m.endpoint())
				tried.Add(int64(len(visits)))
				done <- err
			}()
		}
	}
	for range len(members) * each {
		require.NoError(t, <-done)
	}
	require.EqualValues(t, 1, tried.Load())
	require.False(t, members[1].visit(now.Add(59*time.Second), breaker.Worked))
	require.True(t, members[1].visit(now.Add(61*time.Second), breaker.Worked), "the one that tried has died")
}

func TestWhoDoesNotTryAfterAllLeavesItToOthers(t *testing.T) {
	t.Parallel()
	members, _ := fleetOf(t, 2)
	now := time.Now()
	for range breaker.HostPolicy().Fails {
		members[0].visit(now, breaker.Failed)
	}
	now = now.Add(time.Minute)
	visits, _, err := members[0].Visit(t.Context(), now, members[0].endpoint())
	require.NoError(t, err)
	require.Len(t, visits, 1)
	require.False(t, members[1].visit(now, breaker.Worked))
	require.NoError(t, breaker.Abandon(t.Context(), now, visits))
	require.True(t, members[1].visit(now, breaker.Worked))
}

// Either all endpoints of a delivery have room for it, or it holds none.
func TestVisitTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	members, _ := fleetOf(t, 1)
	m := members[0]
	target := breaker.Endpoint{Name: "ada", Policy: breaker.TargetPolicy(), Most: 2}
	full := m.endpoint()
	full.Most = 1
	first, _, err := m.Visit(t.Context(), time.Now(), target, full)
	require.NoError(t, err)
	require.Len(t, first, 2)
	for range 5 {
		visits, held, err := m.Visit(t.Context(), time.Now(), target, full)
		require.NoError(t, err)
		require.Empty(t, visits)
		require.GreaterOrEqual(t, held.For, time.Second)
		require.False(t, held.Open)
	}
	second, _, err := m.Visit(t.Context(), time.Now(), target)
	require.NoError(t, err)
	require.Len(t, second, 1, "none of the five kept the target's other seat")
}

// One target of a host hangs, and others answer all the while.
func TestFailureBesideSuccessesIsNoNews(t *testing.T) {
	t.Parallel()
	members, _ := fleetOf(t, 1)
	m := members[0]
	slow, _, err := m.Visit(t.Context(), time.Now(), m.endpoint())
	require.NoError(t, err)
	began := time.Now()
	require.True(t, m.visit(began.Add(time.Second), breaker.Worked))
	for range 100 {
		_, err := slow[0].Learn(t.Context(), breaker.Evidence{Verdict: breaker.Failed, Began: began, Ended: began.Add(2 * time.Second)})
		require.NoError(t, err)
	}
	require.Zero(t, m.read())
}

func TestFleetForgetsWithRedis(t *testing.T) {
	t.Parallel()
	members, server := fleetOf(t, 2)
	now := time.Now()
	for range breaker.HostPolicy().Fails {
		members[0].visit(now, breaker.Failed)
	}
	require.False(t, members[1].visit(now, breaker.Worked))
	server.Stop()
	_, err := members[0].Read(t.Context(), host)
	require.Error(t, err, "nothing is decided on what is not known")

	server.Start() // empty
	now = now.Add(time.Minute)
	require.True(t, members[0].visit(now, breaker.Failed), "a state that nobody else knows ends as it would have")
	require.True(t, members[1].visit(now, breaker.Worked))
}

func TestWorkerLearnsManyChangesAtOnce(t *testing.T) {
	t.Parallel()
	members, _ := fleetOf(t, 2)
	const hosts = 1200 // three pages
	down := breaker.RecordOf(breaker.State{Phase: breaker.Open, Until: noon, Failing: noon})
	for i := range hosts {
		_, swapped, err := members[0].Swap(t.Context(), fmt.Sprintf("https://h%d.example.com:443", i), breaker.Record{}, down)
		require.NoError(t, err)
		require.True(t, swapped)
	}
	for i := range hosts {
		known, err := members[1].Read(t.Context(), fmt.Sprintf("https://h%d.example.com:443", i))
		require.NoError(t, err)
		require.Equal(t, down, known)
	}
}
