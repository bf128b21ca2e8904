package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func (s *site) audit(more ...string) ledger.Result {
	s.t.Helper()
	var result ledger.Result
	text := must(s.t, "", append([]string{"ledger", "audit", "-o", "json", "--nats-url", s.nats.URL()}, more...)...)
	require.NoError(s.t, json.Unmarshal([]byte(text), &result))
	return result
}

func (s *site) stories(more ...string) []ledger.Story {
	s.t.Helper()
	var stories []ledger.Story
	text := must(s.t, "", append([]string{"ledger", "-o", "json", "--nats-url", s.nats.URL()}, more...)...)
	require.NoError(s.t, json.Unmarshal([]byte(text), &stories))
	return stories
}

func TestLedgerTellsWhatBecameOfEachDelivery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 503}, farend.HookAnswer{Status: 200}, farend.HookAnswer{Status: 404})
	start(t, s.workerArgs()...)
	s.publish("job.fail", "--id", "mended")
	s.eventually(2)
	s.publish("server.stopped", "--id", "refused")
	s.eventually(3)
	s.publish("stack.deploy.started", "--id", "unwanted") // off by default
	require.Eventually(t, func() bool {
		r := s.audit()
		return r.Planned == 2 && r.Delivered == 1 && r.Dead == 1 && len(s.stories("--event", "unwanted")) == 1
	}, 30*time.Second, 50*time.Millisecond)

	for _, test := range []struct {
		args   []string
		events []string
	}{
		{nil, []string{"unwanted", "refused", "mended"}},
		{[]string{"--limit", "1"}, []string{"unwanted"}},
		{[]string{"--event", "refused"}, []string{"refused"}},
		{[]string{"--source", "elsewhere"}, nil},
		{[]string{"--type", "job.fail"}, []string{"mended"}},
		{[]string{"--outcome", "dead"}, []string{"refused"}},
		{[]string{"--outcome", "delivered", "--channel", "webhook"}, []string{"mended"}},
		{[]string{"--outcome", "skipped"}, []string{"unwanted"}},
		{[]string{"--channel", "email"}, nil},
		{[]string{"--account", "acme", "--user", "ada"}, []string{"unwanted", "refused", "mended"}},
		{[]string{"--account", "zeta"}, nil},
		{[]string{"--user", "eve"}, nil},
		{[]string{"--until", "1h"}, nil},
	} {
		var events []string
		for _, story := range s.stories(test.args...) {
			events = append(events, story.Event)
		}
		require.Equal(t, test.events, events, "%v", test.args)
	}

	table := must(t, "", "ledger", "--records", "--nats-url", s.nats.URL())
	require.Regexp(t, `job\.fail +mended +acme +ada +webhook +delivered +2 +took`, table)
	require.Regexp(t, `failed +1 +.*503`, table, "the attempt before")
	require.Regexp(t, `server\.stopped +refused +acme +ada +webhook +dead +1 +.*404`, table)
	require.Regexp(t, `stack\.deploy\.started +unwanted +acme +ada +webhook +skipped +off by default`, table)
	require.Contains(t, must(t, "", "ledger", "--user", "eve", "--nats-url", s.nats.URL()), "--since reaches further back")
	counts := must(t, "", "ledger", "audit", "--nats-url", s.nats.URL())
	require.Regexp(t, `(?m)^ *2 planned$`, counts)
	require.Regexp(t, `(?m)^ *0 missing$`, counts)
}

func TestAuditNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	q, err := queue.Connect(queue.Options{URL: s.nats.URL()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	sample, err := schema.Sample("job.fail")
	require.NoError(t, err)
	sample.ID, sample.Source, sample.Account = "e1", "/p", "acme"
	d := schema.Delivery{Event: sample, User: "ada", Channel: "webhook", Target: "main", Planned: time.Now()}
	require.NoError(t, q.PublishPlans(t.Context(), []schema.Plan{schema.PlanOf(d, "")}))
	require.Equal(t, 1, s.audit().Waiting)

	stream, err := servertest.JetStream(t, s.nats.URL()).Stream(t.Context(), queue.DeliveryStream)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context()))
	code, stdout, stderr := tocsin(t, "", "ledger", "audit", "--nats-url", s.nats.URL())
	require.Equal(t, exitFailed, code)
	require.Regexp(t, `(?m)^ *1 missing$`, stdout)
	require.Regexp(t, d.ID()+` +/p +e1 +acme +ada +webhook +main`, stdout)
	require.Contains(t, stderr, "missing deliveries: 1")
	require.Zero(t, s.audit("--until", "1h").Planned, "it was planned later")
	_, _, stderr = tocsin(t, "", "ledger", "audit", "--mend", "--nats-url", s.nats.URL())
	require.Contains(t, stderr, "mended: 0 taken out of their queue", "it is in none")
}

func TestLedgerRefusesWhatCanMatchNothing(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--account":      {"--account", "a.b"},
		"--user":         {"--user", "*"},
		"job.fail":       {"--type", "job.fial"},
		"--outcome":      {"--outcome", "lost"},
		"2026-03-01T12:": {"--since", "yesterday"},
	} {
		code, _, stderr := tocsin(t, "", append([]string{"ledger"}, args...)...)
		require.Equal(t, exitUsage, code, "%v", args)
		require.Contains(t, stderr, want, "%v", args)
	}
}

func TestNothingOfAStrangerInTheLedgerReachesTheTerminalRaw(t *testing.T) {
	t.Parallel()
	server := servertest.NATS(t)
	must(t, "", "setup", "--nats-url", server.URL())
	plan := schema.Record{
		Kind: schema.RecordPlanned, At: time.Now(), Account: "acme", User: "ada", Source: hostile, Event: hostile, Type: hostile, Summary: hostile,
		Deliveries: []schema.Planned{{ID: hostile, Channel: hostile, Target: hostile}},
	}
	end := schema.Record{
		Kind: schema.RecordDead, At: time.Now(), Account: "acme", User: "ada", Source: hostile, Event: hostile, Type: hostile,
		Delivery: hostile, Channel: hostile, Target: hostile, Status: hostile, Reason: hostile,
	}
	for _, r := range []schema.Record{plan, end} {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		servertest.Publish(t, server.URL(), schema.LedgerSubject("acme", "ada"), nil, text)
	}
	lost := plan
	lost.Event, lost.Deliveries = "lost", []schema.Planned{{ID: hostile + "2", Channel: hostile, Target: hostile}}
	text, err := json.Marshal(lost)
	require.NoError(t, err)
	servertest.Publish(t, server.URL(), schema.LedgerSubject("acme", "ada"), nil, text)
	for _, args := range [][]string{
		{"ledger"}, {"ledger", "--records"}, {"ledger", "-o", "json"}, {"ledger", "audit"}, {"ledger", "audit", "-o", "json"},
	} {
		_, stdout, stderr := tocsin(t, "", append(args, "--nats-url", server.URL())...)
		require.Contains(t, stdout, "red", "%v", args)
		for _, r := range strings.ReplaceAll(stdout+stderr, "\n", "") {
			require.True(t, r == '\t' || unicode.IsPrint(r), "%v writes %q", args, r)
		}
	}
}
