package ios

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

// sendMany pushes at the same time, and gives what came of each.
func sendMany(t *testing.T, c *channel, from, to int) []error {
	t.Helper()
	errs := make([]error, to-from)
	var sending sync.WaitGroup
	for i := range errs {
		sending.Go(func() { errs[i] = c.Send(t.Context(), delivery("job.fail", fmt.Sprint(from+i)), target()) })
	}
	sending.Wait()
	return errs
}

func poolOf(c *channel) *pool {
	return c.servers[production].client.HTTPClient.Transport.(*pool)
}

// untilTaken pushes until Apple takes one; each attempt waits for an answer of
// the far end or for the pool.
func untilTaken(t *testing.T, c *channel) {
	t.Helper()
	require.Eventually(t, func() bool {
		return c.Send(t.Context(), delivery("job.fail", "again"), target()) == nil
	}, 30*time.Second, time.Millisecond)
}

func TestOneStreamUntilTheFirstPushIsTaken(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3, 0} {
		server, log := startAPNs(t, farend.APNsOptions{MaxConcurrentStreams: limit})
		c := open(t, configFor(t, server))
		require.NoError(t, errors.Join(sendMany(t, c, 0, 50)...))
		require.Len(t, received(log), 50)
		require.LessOrEqual(t, server.Connections(), mostConnections)
		require.Zero(t, server.RefusedStreams())
	}
}

func TestFollowsTheLimitOfTheServer(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{MaxConcurrentStreams: 20})
	c := open(t, configFor(t, server))
	require.NoError(t, errors.Join(sendMany(t, c, 0, 50)...))
	for round, limit := range []int{1, 2, 50, 3} {
		server.LimitStreams(limit)
		require.NoError(t, errors.Join(sendMany(t, c, 100*round, 100*round+50)...))
	}
	require.Len(t, received(log), 250)
	require.Zero(t, server.RefusedStreams())
}

func TestMakesMoreConnectionsWhenOneIsFull(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{MaxConcurrentStreams: 1, Delay: 20 * time.Millisecond})
	c := open(t, configFor(t, server))
	require.NoError(t, errors.Join(sendMany(t, c, 0, 200)...))
	require.Equal(t, mostConnections, server.Connections())
	require.Len(t, received(log), 200)
	require.Zero(t, server.RefusedStreams())
}

func TestReconnects(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, server))
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	server.Disconnect()
	untilTaken(t, c)
	require.Equal(t, 2, server.Connections())
	require.Zero(t, server.RefusedStreams())
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	require.EqualValues(t, tls.VersionTLS12, poolOf(open(t, configFor(t, server))).secure.MinVersion)
}

func TestEndsWithContext(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	server.Answer(deviceToken, farend.APNsAnswer{Hang: true})
	c := open(t, configFor(t, server))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, 5)
	for i := range 5 {
		wg.Go(func() { errs <- c.Send(ctx, delivery("job.fail", fmt.Sprint(i)), target()) })
	}
	wg.Wait()
	close(errs)
	failed := 0
	for err := range errs {
		if err == nil {
			continue // went before the one that hangs, or after
		}
		failed++
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotContains(t, err.Error(), deviceToken)
		require.Equal(t, channels.Temporary, channels.FailureOf(err).Kind)
	}
	require.Positive(t, failed)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Send(cancelled, delivery("job.fail", "6"), target()), context.Canceled)
	// To another device: on a slow machine nobody may have come as far as to be hung.
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "7"), targetOf(tokenOf(7), "")))
	require.NotEmpty(t, received(log))
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	server, _ := startAPNs(t, farend.APNsOptions{})
	config := configFor(t, server)
	require.NoError(t, server.Close())
	refused := channels.FailureOf(open(t, config).Send(t.Context(), delivery("job.fail", "1"), target()))
	require.Equal(t, channels.Temporary, refused.Kind)

	config.URL = "https://" + silent.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, open(t, config).Send(ctx, delivery("job.fail", "1"), target()), context.DeadlineExceeded)
}

func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	server, log := startAPNs(t, farend.APNsOptions{})
	config := configFor(t, server)
	config.CAFile = ""
	err := open(t, config).Send(t.Context(), delivery("job.fail", "1"), target())
	require.Equal(t, channels.Misconfigured, channels.FailureOf(err).Kind)
	require.ErrorContains(t, err, "TOCSIN_APNS_CA_FILE")
	require.NotContains(t, err.Error(), deviceToken)
	require.Empty(t, received(log))
}
