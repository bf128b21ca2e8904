package ios

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

// Pushes that GOAWAY says were not looked at come back to be sent again soon,
// and each arrives once.
func TestGoAwayWhilePushesAreUnderWay(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"", "Shutdown", "idle_timeout"} {
		server, log := startAPNs(t, farend.APNsOptions{})
		c := open(t, configFor(t, server))
		require.NoError(t, c.Send(t.Context(), delivery("job.fail", "first"), target()))
		server.Hold()
		results := make(chan []error, 1)
		go func() { results <- sendMany(t, c, 0, 20) }()
		require.Eventually(t, func() bool { return server.Held() == 20 }, 30*time.Second, time.Millisecond)
		server.GoAway(reason)
		for _, err := range <-results {
			failure := channels.FailureOf(err)
			require.Error(t, err)
			require.Equal(t, channels.Temporary, failure.Kind, err)
			require.Equal(t, resendWait, failure.Wait, err)
			require.NotContains(t, err.Error(), deviceToken)
		}
		require.NoError(t, errors.Join(sendMany(t, c, 0, 20)...))
		ids := log.Deliveries()
		slices.Sort(ids)
		require.Len(t, slices.Compact(ids), 21)
		require.Len(t, received(log), 21, "none twice")
		require.Equal(t, 2, server.Connections())
	}
}

// What the server has taken before GOAWAY it still answers.
func TestGoAwayLetsAnswersCome(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{Delay: 100 * time.Millisecond})
	c := open(t, configFor(t, server))
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "first"), target()))
	results := make(chan []error, 1)
	go func() { results <- sendMany(t, c, 0, 20) }()
	require.Eventually(t, func() bool { return len(received(log)) == 21 }, 30*time.Second, time.Millisecond)
	server.GoAway("")
	require.NoError(t, errors.Join(<-results...))
	require.Len(t, received(log), 21)
}

func TestConnectionsThatAreRefusedAreNotAStorm(t *testing.T) {
	t.Parallel()
	for reason, kind := range map[string]channels.Kind{
		"BadCertificateEnvironment": channels.Misconfigured,
		"Shutdown":                  channels.Temporary,
	} {
		server, log := startAPNs(t, farend.APNsOptions{})
		c := open(t, configFor(t, server))
		server.RefuseConnections(reason)
		poolOf(c).redial.InitialInterval = time.Hour
		poolOf(c).redial.MaxInterval = time.Hour
		poolOf(c).redial.Reset()
		for _, err := range sendMany(t, c, 0, 50) {
			failure := channels.FailureOf(err)
			require.Equal(t, kind, failure.Kind, err)
			require.Positive(t, failure.Wait)
		}
		require.Error(t, c.Send(t.Context(), delivery("job.fail", "later"), target()))
		require.Equal(t, 1, server.Connections())
		require.Empty(t, received(log))
	}
}

func TestFailedDialsAreNotAStorm(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	var dials atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			dials.Add(1)
			_ = conn.Close() // no TLS here
		}
	}()
	server, _ := startAPNs(t, farend.APNsOptions{})
	config := configFor(t, server)
	config.URL = "https://" + listener.Addr().String()
	c := open(t, config)
	poolOf(c).redial.InitialInterval = time.Hour
	poolOf(c).redial.MaxInterval = time.Hour
	poolOf(c).redial.Reset()
	for _, err := range append(sendMany(t, c, 0, 100), sendMany(t, c, 0, 100)...) {
		failure := channels.FailureOf(err)
		require.Equal(t, channels.Temporary, failure.Kind)
		require.Greater(t, failure.Wait, 20*time.Minute)
	}
	require.EqualValues(t, 1, dials.Load())
}

// Whether Apple took those pushes nobody knows: they follow the policy of
// retries, also when GOAWAY had promised answers.
func TestConnectionsThatDieUnderPushes(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*farend.APNs, *pool){
		"dropped": func(server *farend.APNs, _ *pool) { server.Disconnect() },
		"after GOAWAY": func(server *farend.APNs, p *pool) {
			server.GoAway("")
			require.Eventually(t, func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return len(p.conns) == 0
			}, 30*time.Second, time.Millisecond)
			server.Disconnect()
		},
	} {
		server, log := startAPNs(t, farend.APNsOptions{Delay: time.Hour})
		c := open(t, configFor(t, server))
		result := make(chan error, 1)
		go func() { result <- c.Send(t.Context(), delivery("job.fail", "1"), target()) }()
		require.Eventually(t, func() bool { return len(received(log)) == 1 }, 30*time.Second, time.Millisecond)
		end(server, poolOf(c))
		failure := channels.FailureOf(<-result)
		require.Equal(t, channels.Temporary, failure.Kind, name)
		require.Zero(t, failure.Wait, name)
		require.NotContains(t, failure.Err.Error(), deviceToken)
	}
}

// A half-open connection is found by the PING that nobody answers.
func TestHalfOpenConnection(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, server))
	poolOf(c).settings.SendPingTimeout, poolOf(c).settings.PingTimeout = 100*time.Millisecond, 500*time.Millisecond
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	server.Mute()
	err := c.Send(t.Context(), delivery("job.fail", "2"), target())
	require.Equal(t, channels.Temporary, channels.FailureOf(err).Kind)
	require.ErrorContains(t, err, "lose connection")
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "3"), target()))
	require.Equal(t, 2, server.Connections())
	require.Len(t, received(log), 3)
}

func TestShutdownChangesTheConnection(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, server))
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	server.Answer(deviceToken, farend.APNsAnswer{Status: http.StatusServiceUnavailable, Reason: "Shutdown"})
	require.Error(t, c.Send(t.Context(), delivery("job.fail", "2"), target()))
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "3"), target()))
	require.Equal(t, 2, server.Connections())
}

// A connection that takes no more pushes does not wait for the server to close it.
func TestRetiredConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for name, retire := range map[string]func(*farend.APNs, *channel, *conn){
		"503": func(server *farend.APNs, c *channel, _ *conn) {
			server.Answer(deviceToken, farend.APNsAnswer{Status: http.StatusServiceUnavailable, Reason: "Shutdown"})
			require.Error(t, c.Send(t.Context(), delivery("job.fail", "2"), target()))
		},
		"GOAWAY while idle": func(_ *farend.APNs, c *channel, old *conn) { poolOf(c).listen(old).goAway("idle_timeout") },
	} {
		server, _ := startAPNs(t, farend.APNsOptions{})
		c := open(t, configFor(t, server))
		require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
		old := poolOf(c).conns[0]
		retire(server, c, old)
		require.Error(t, old.client.Err(), name)
	}
}

// Something in Apple's place that repeats what it was told tells nobody.
func TestTrialHidesWhatIsRepeated(t *testing.T) {
	t.Parallel()
	var exchange channels.Exchange
	answer := &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}}
	note(&exchange, answer, []byte("POST /3/device/"+deviceToken+"\nauthorization: bearer abc.def.ghi"), deviceToken, "bearer abc.def.ghi")
	require.Equal(t, "POST /3/device/…\nauthorization: …", exchange.Excerpt)
}
