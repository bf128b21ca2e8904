package main

import (
	"context"
	"net"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func devArgs(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{"dev", "--data", t.TempDir(), "--http-addr", "127.0.0.1:0", "--nats-addr", "127.0.0.1:0"}, more...)
}

// Not parallel: it counts all goroutines of the process, and parallel tests
// wait until it is over.
func TestDaemonsEndCleanlyAndLeaveNothingBehind(t *testing.T) {
	nobody := []string{"--secrets-key", secretsKey, "--nats-url", "nats://127.0.0.1:1", "--redis-url", "redis://127.0.0.1:1"}
	for name, c := range map[string]struct {
		args []string
		says string // before it is told to stop
	}{
		"dev at work":                   {devArgs(t), "working"},
		"dev that has just begun":       {devArgs(t), ""},
		"worker without NATS and Redis": {append([]string{"worker", "--metrics-addr", "127.0.0.1:0"}, nobody...), "streams are not ready"},
		"worker that has just begun":    {append([]string{"worker", "--metrics-addr", "off"}, nobody...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine() + 1 // Eventually asks on one of its own
			d := start(t, c.args...)
			d.says(c.says)
			require.Equal(t, exitDone, d.stop(), "%s%s", d.out.String(), d.err.String())
			require.NotContains(t, d.err.String(), "goroutine ")
			require.NotContains(t, d.err.String(), context.Canceled.Error())
			require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before }, 20*time.Second, 20*time.Millisecond,
				"left behind:\n%s", stacks{})
		})
	}
}

// stacks prints what runs at the moment it is printed.
type stacks struct{}

func (stacks) String() string {
	var text strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&text, 1)
	return text.String()
}

func TestSecondDevOnTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	args := devArgs(t)
	first := start(t, args...)
	first.says("working")
	code, _, stderr := tocsin(t, "", args...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "another tocsin dev uses")
	require.Contains(t, stderr, "--data")
	require.Equal(t, exitDone, first.stop())
	start(t, args...).says("working")
}

func TestDevOnAnAddressThatIsTakenSaysWhichFlagHelps(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, flag := range []string{"--http-addr", "--nats-addr"} {
		code, _, stderr := tocsin(t, "", devArgs(t, flag, taken.Addr().String())...)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, flag)
		require.Contains(t, stderr, "address already in use")
	}
}

func TestPageIsReachableWhereItSaysItIs(t *testing.T) {
	t.Parallel()
	require.Equal(t, "localhost:8080", reachable(&net.TCPAddr{IP: net.IPv6unspecified, Port: 8080}))
	require.Equal(t, "localhost:8080", reachable(&net.TCPAddr{IP: net.IPv4zero, Port: 8080}))
	require.Equal(t, "127.0.0.1:8080", reachable(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}))
	require.Equal(t, "[::1]:8080", reachable(&net.TCPAddr{IP: net.IPv6loopback, Port: 8080}))
}
