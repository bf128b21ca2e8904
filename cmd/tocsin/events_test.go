package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"tocsin/servertest"
)

// drained waits until every planned delivery has ended.
func (s *site) drained() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		found := s.audit()
		return found.Planned > 0 && found.Planned == found.Delivered
	}, 30*time.Second, 50*time.Millisecond)
}

// join makes somebody with a webhook a member of the account.
func (s *site) join(user string) {
	s.t.Helper()
	document, err := json.Marshal(map[string]any{
		"users": map[string]any{user: map[string]any{"channels": map[string]any{
			"webhook": map[string]string{"url": s.hook.URL() + hookPath, "secret": s.secret},
		}}},
		"accounts": map[string][]string{"acme": {user}},
	})
	require.NoError(s.t, err)
	must(s.t, string(document), "seed", "-", "--redis-url", s.redisURL, "--secrets-key", secretsKey)
}

func TestEventsAreListedShownAndRoutedAgainForWhoJoinedLate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	start(t, s.workerArgs()...)
	for _, id := range []string{"e1", "e2"} {
		s.publish("job.fail", "--id", id)
	}
	s.publish("server.stopped", "--id", "e3")
	s.eventually(3)
	s.drained()

	var listed []eventView
	require.NoError(t, json.Unmarshal([]byte(must(t, "", "events", "ls", "--type", "job.fail", "-o", "json", "--nats-url", s.nats.URL())), &listed))
	require.Len(t, listed, 2)
	require.Equal(t, []string{"e1", "e2"}, []string{listed[0].ID, listed[1].ID})
	require.Regexp(t, `(?m)^1 .*job.fail +acme +tocsin/publish +e1`, must(t, "", "events", "ls", "--limit", "1", "--nats-url", s.nats.URL()))
	require.Contains(t, must(t, "", "events", "show", "3", "--nats-url", s.nats.URL()), "tocsin.events.server.stopped\n")

	again := func(more ...string) string {
		args := append([]string{"events", "again", "--nats-url", s.nats.URL(), "--redis-url", s.redisURL}, more...)
		return must(t, "", args...)
	}
	require.Contains(t, again("--all", "--yes"), "there is nothing to send", "everything was delivered")
	s.join("eve")
	plan := again("--type", "job.fail", "--plan")
	require.Regexp(t, `2 events, published from .*; 2 deliveries by webhook:`, plan)
	require.Regexp(t, `(?m)^2 +webhook +job.fail$`, plan)
	require.Contains(t, plan, "2 will be skipped: 2 delivered already")
	jobs := replaysOf(t, s.nats.URL())
	require.Len(t, jobs, 1)
	run := must(t, "", "replays", "run", jobs[0].ID, "--nats-url", s.nats.URL(), "--redis-url", s.redisURL)
	require.Contains(t, run, "sent 2 deliveries; skipped 2: 2 delivered already")
	s.eventually(5)
	s.drained()
	require.Regexp(t, `done +events +2 +2 +2 +0 +200/s`, must(t, "", "replays", "ls", "--nats-url", s.nats.URL()))

	require.Contains(t, again("--user", "eve", "--since", "1h", "--yes"), "sent 1 delivery; skipped 2: 2 delivered already")
	s.eventually(6)
	s.drained()
	require.Contains(t, again("1", "--resend", "--yes"), "sent 2 deliveries")
	received := s.eventually(8)
	require.Contains(t, received[7].Raw, "Tocsin-Replay: 1\r\n")
	require.Empty(t, s.audit().Double)
}

func TestRoutingAgainRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"say which":            {},
		"job.fial":             {"--type", "job.fial"},
		"--account":            {"--account", "a.b"},
		"email is not offered": {"--all", "--channel", "email"},
		"without the prefer":   {"--all", "--unchecked"},
		"2026-03-01T12:00:00Z": {"--since", "yesterday"},
		"there is no channel":  {"--all", "--offer", "pigeon"},
	} {
		code, _, stderr := tocsin(t, "", append([]string{"events", "again"}, args...)...)
		require.Equal(t, exitUsage, code, "%v", args)
		require.Contains(t, stderr, want, "%v", args)
	}
}

func TestNothingOfAStrangerInAnEventReachesTheTerminalRaw(t *testing.T) {
	t.Parallel()
	server := servertest.NATS(t)
	must(t, "", "setup", "--nats-url", server.URL())
	name := strings.TrimSuffix(hostile, "\r")
	event, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": "red", "source": "/red", "type": "job.fail", "account": "acme",
		"data": map[string]string{"uid": "x", "name": name},
	})
	require.NoError(t, err)
	servertest.Publish(t, server.URL(), "tocsin.events.job.fail", map[string][]string{"X-Hostile": {name}}, event)
	servertest.Publish(t, server.URL(), "tocsin.events.red", nil, []byte("{"))
	for _, args := range [][]string{
		{"ls"}, {"ls", "-o", "json"}, {"show", "1"}, {"show", "1", "-o", "json"}, {"show", "2"},
	} {
		_, stdout, stderr := tocsin(t, "", append(append([]string{"events"}, args...), "--nats-url", server.URL())...)
		require.Contains(t, stdout, "red", "%v: %s", args, stderr)
		for _, r := range stdout + stderr {
			require.True(t, r == '\n' || r == '\t' || unicode.IsPrint(r), "%v writes %q", args, r)
		}
	}
}
