package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
	"tocsin/queue"
)

func TestAChannelIsPausedAndResumedUnderTheFleet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	do := func(args ...string) string { return must(t, "", append(args, "--nats-url", s.nats.URL())...) }
	require.Contains(t, do("pauses"), "no channel is paused")
	first := start(t, s.workerArgs("--retry-initial", "8s")...)
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 200}, farend.HookAnswer{Status: 503})
	s.publish("job.fail", "--id", "e1")
	s.eventually(1)
	s.publish("job.fail", "--id", "fails")
	first.says("failed; will be tried again")
	said := do("pause", "webhook", "--why", "the receiver moves", "--by", "ada")
	require.Contains(t, said, "webhook is paused until it is resumed")
	before, _ := s.received.Since(0)

	// The event is routed, and the worker that joins leaves its delivery where it is.
	require.Equal(t, exitDone, first.stop())
	start(t, s.workerArgs()...).says(`"working"`)
	s.publish("job.backon", "--id", "e2")
	require.Eventually(t, func() bool {
		found := do("ledger", "--account", "acme", "--event", "e2", "-o", "json")
		return json.Valid([]byte(found)) && found != "[]\n"
	}, 30*time.Second, 50*time.Millisecond)
	var listed []queue.Pause
	require.NoError(t, json.Unmarshal([]byte(do("pauses", "-o", "json")), &listed))
	require.Len(t, listed, 1)
	require.Equal(t, "ada", listed[0].By)
	require.Contains(t, do("pauses"), "the receiver moves")
	after, _ := s.received.Since(0)
	require.Len(t, after, len(before))

	require.Contains(t, do("resume", "webhook"), "delivers again")
	received := s.eventually(len(before) + 2)
	require.Equal(t, "200", received[len(received)-1].Status)
	require.Empty(t, s.audit().Missing)
	recorded := do("audit", "-o", "json")
	for _, entry := range []string{`"channel.pause"`, `"channel.resume"`, `"channel webhook"`, "the receiver moves"} {
		require.Contains(t, recorded, entry)
	}
}

func TestPausingWhatIsNoChannelOrNotPausedIsSaid(t *testing.T) {
	t.Parallel()
	code, _, stderr := tocsin(t, "", "pause", "webhok")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, `no channel "webhok"`)
	code, _, stderr = tocsin(t, "", "pause", "webhook", "--for", "-1h")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--for")
	s := newSite(t)
	code, _, stderr = tocsin(t, "", "resume", "webhook", "--nats-url", s.nats.URL())
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "it is not paused")
	must(t, "", "pause", "webhook", "--for", "1h", "--nats-url", s.nats.URL())
	require.Contains(t, must(t, "", "pauses", "--nats-url", s.nats.URL()), whoever())
}
