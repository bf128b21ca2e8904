package ios

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/farend"
)

func TestOneStreamUntilTheFirstPushIsTaken(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3, 0} {
		server, log := startAPNs(t, farend.APNsOptions{MaxConcurrentStreams: limit})
		c := open(t, configFor(t, server))
		var wg sync.WaitGroup
		errs := make(chan error, 50)
		for i := range 50 {
			wg.Go(func() { errs <- c.Send(t.Context(), delivery("job.fail", fmt.Sprint(i)), target()) })
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		require.Len(t, received(log), 50)
		require.Equal(t, 1, server.Connections())
		require.Zero(t, server.EarlyStreams())
	}
}

func TestReconnects(t *testing.T) {
	t.Parallel()
	server, _ := startAPNs(t, farend.APNsOptions{})
	c := open(t, configFor(t, server))
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "1"), target()))
	server.Disconnect()
	require.Eventually(t, func() bool {
		return c.Send(t.Context(), delivery("job.fail", "2"), target()) == nil
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, 2, server.Connections())
	require.Zero(t, server.EarlyStreams())
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
	require.NoError(t, c.Send(t.Context(), delivery("job.fail", "7"), target()))
	require.NotEmpty(t, received(log))
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
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
	require.ErrorContains(t, err, "certificate")
	require.NotContains(t, err.Error(), deviceToken)
	require.Empty(t, received(log))
}
