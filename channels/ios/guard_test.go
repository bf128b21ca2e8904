package ios

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

var badDevice = farend.APNsAnswer{Status: http.StatusBadRequest, Reason: "BadDeviceToken"}

// guarded is a channel with a clock in hand.
type guarded struct {
	*channel
	t      *testing.T
	server *farend.APNs
	log    *farend.Log
	now    time.Time
	sent   int
}

func openGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{t: t, now: time.Unix(1751846400, 0)}
	g.server, g.log = startAPNs(t, farend.APNsOptions{})
	g.channel = open(t, configFor(t, g.server))
	g.servers[production].guard.now = func() time.Time { return g.now }
	return g
}

func (g *guarded) push(token string) channels.Failure {
	g.t.Helper()
	g.sent++
	err := g.Send(g.t.Context(), delivery("job.fail", fmt.Sprint(g.sent)), targetOf(token, ""))
	if err == nil {
		return channels.Failure{Status: "200"}
	}
	return channels.FailureOf(err)
}

func TestPauseAfterCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	g := openGuarded(t)
	refusal := farend.APNsAnswer{Status: http.StatusForbidden, Reason: "InvalidProviderToken"}
	g.server.Answer(deviceToken, refusal, refusal, farend.APNsAnswer{Status: http.StatusServiceUnavailable, Reason: "ServiceUnavailable"})
	for _, step := range []struct {
		after   time.Duration
		kind    channels.Kind
		status  string
		wait    time.Duration
		reached int // pushes that Apple has seen by then
	}{
		{0, channels.Misconfigured, "403 InvalidProviderToken", pause, 1},
		{20 * time.Second, channels.Misconfigured, "403 InvalidProviderToken", 40 * time.Second, 1},
		{39 * time.Second, channels.Misconfigured, "403 InvalidProviderToken", time.Second, 1},
		{time.Second, channels.Misconfigured, "403 InvalidProviderToken", pause, 2}, // the probe
		{0, channels.Misconfigured, "403 InvalidProviderToken", pause, 2},
		{pause, channels.Temporary, "503 ServiceUnavailable", troubleWait, 3}, // tells nothing
		{0, channels.Misconfigured, "403 InvalidProviderToken", pause, 3},
		{pause, 0, "200", 0, 4},
		{0, 0, "200", 0, 5},
	} {
		g.now = g.now.Add(step.after)
		failure := g.push(deviceToken)
		require.Equal(t, step.kind, failure.Kind, step)
		require.Equal(t, step.status, failure.Status, step)
		require.Equal(t, step.wait, failure.Wait, step)
		require.Len(t, received(g.log), step.reached, step)
	}
}

func TestOnlyOneProbes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1751846400, 0)
	g := guard{now: func() time.Time { return now }}
	_ = g.refuse(verdicts["Forbidden"].failure("403", "Forbidden"), "")
	now = now.Add(pause)
	require.NoError(t, g.enter())
	require.Error(t, g.enter())
	g.accept()
	require.NoError(t, g.enter())
}

func TestWaveOfRefusedDevices(t *testing.T) {
	t.Parallel()
	g := openGuarded(t)
	for i := range 30 {
		g.server.Answer(tokenOf(i), badDevice, badDevice)
	}
	for i := range waveLength - 1 {
		require.Equal(t, channels.Permanent, g.push(tokenOf(i)).Kind)
	}
	require.Equal(t, channels.Permanent, g.push(tokenOf(0)).Kind, "the same device is no wave")
	wave := g.push(tokenOf(waveLength))
	require.Equal(t, channels.Misconfigured, wave.Kind)
	require.ErrorContains(t, wave.Err, "TOCSIN_APNS_URL")
	require.ErrorContains(t, wave.Err, "TOCSIN_APNS_TOPIC")

	reached := len(received(g.log))
	require.Equal(t, channels.Misconfigured, g.push(tokenOf(20)).Kind)
	require.Len(t, received(g.log), reached)

	g.now = g.now.Add(pause)
	require.Equal(t, channels.Misconfigured, g.push(tokenOf(21)).Kind, "the probe is refused")
	require.Len(t, received(g.log), reached+1)

	g.now = g.now.Add(pause)
	require.Equal(t, "200", g.push(deviceToken).Status)
	require.Equal(t, channels.Permanent, g.push(tokenOf(22)).Kind, "one taken ends the wave")
}

func TestDevicesBetweenAcceptedOnesAreNoWave(t *testing.T) {
	t.Parallel()
	g := openGuarded(t)
	for i := range 3 * waveLength {
		g.server.Answer(tokenOf(i), farend.APNsAnswer{Status: http.StatusBadRequest, Reason: "DeviceTokenNotForTopic"})
		require.Equal(t, channels.Permanent, g.push(tokenOf(i)).Kind)
		if i%5 == 0 {
			require.Equal(t, "200", g.push(deviceToken).Status)
		}
	}
}

func TestAnswerAboutADeviceEndsThePause(t *testing.T) {
	t.Parallel()
	g := openGuarded(t)
	g.server.Answer(deviceToken, farend.APNsAnswer{Status: http.StatusForbidden, Reason: "Forbidden"}, badDevice)
	require.Equal(t, channels.Misconfigured, g.push(deviceToken).Kind)
	g.now = g.now.Add(pause)
	require.Equal(t, channels.Permanent, g.push(deviceToken).Kind)
	require.Equal(t, "200", g.push(deviceToken).Status)
}
