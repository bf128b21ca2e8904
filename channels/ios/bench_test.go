package ios

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tocsin/farend"
)

// farendProcess set makes this test binary a push service, so that the
// benchmark can tell its own processor time from the far end's.
const farendProcess = "TOCSIN_TEST_APNS_DELAY"

func TestMain(m *testing.M) {
	if delay := os.Getenv(farendProcess); delay != "" {
		if err := serveAPNs(delay); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serveAPNs tells its configuration on standard output, and ends with standard input.
func serveAPNs(delay string) error {
	latency, err := time.ParseDuration(delay)
	if err != nil {
		return err
	}
	server, err := farend.NewAPNsWith(&farend.Log{}, farend.APNsOptions{MaxConcurrentStreams: 1000, Delay: latency})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "apns")
	if err != nil {
		return err
	}
	c, err := server.WriteCredentials(dir)
	if err != nil {
		return err
	}
	told := json.NewEncoder(os.Stdout).Encode(Config{
		KeyFile: c.KeyFile, KeyID: c.KeyID, TeamID: c.TeamID, Topic: c.Topic, CAFile: c.CAFile, URL: server.URL(),
	})
	_, ended := io.Copy(io.Discard, os.Stdin)
	return errors.Join(told, ended, server.Close(), os.RemoveAll(dir))
}

func startAPNsProcess(b *testing.B, delay time.Duration) Config {
	b.Helper()
	command := exec.CommandContext(context.Background(), os.Args[0]) // outlives b.Context to tell its processor time
	command.Env = append(os.Environ(), farendProcess+"="+delay.String())
	stdin, err := command.StdinPipe()
	require.NoError(b, err)
	stdout, err := command.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, command.Start())
	var config Config
	require.NoError(b, json.NewDecoder(bufio.NewReader(stdout)).Decode(&config))
	b.Cleanup(func() {
		require.NoError(b, stdin.Close())
		require.NoError(b, command.Wait())
		spent := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
		b.ReportMetric(spent.Seconds()*1000/float64(b.N), "farend-cpu-s/1000")
	})
	return config
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPush pushes to a server that answers after 5 ms:
//
//	go test -run '^$' -bench Push -benchtime 20000x ./channels/ios
func BenchmarkPush(b *testing.B) {
	for _, senders := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(senders), func(b *testing.B) { benchmarkPush(b, senders) })
	}
}

func benchmarkPush(b *testing.B, senders int) {
	config := startAPNsProcess(b, 5*time.Millisecond)
	opened, err := config.Open()
	require.NoError(b, err)
	d := delivery("server.stopped", "bench")
	require.NoError(b, opened.Send(b.Context(), d, target()))
	runtime.GC()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var sending sync.WaitGroup
	spent := processorTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range senders {
		sending.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				d := d
				d.Event.ID = fmt.Sprint(n)
				if err := opened.Send(b.Context(), d, targetOf(tokenOf(int(n)), "")); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	sending.Wait()
	b.StopTimer()
	spent = processorTime(b) - spent
	if err := failed.Load(); err != nil {
		require.NoError(b, *err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pushes/s")
	b.ReportMetric(spent.Seconds()*1000/float64(b.N), "cpu-s/1000")
}
