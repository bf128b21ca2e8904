// Package servertest starts the real servers that tests run against, each a
// process or an embedded server of its own on the loopback interface.
package servertest

import (
	"bufio"
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// portTries is how often a start on a port that was free a moment ago may fail
// because another process took the port in between.
const portTries = 5

// RedisServer is a redis-server process that a test may kill, start again,
// freeze and thaw. It is killed when the test ends.
type RedisServer struct {
	t       testing.TB
	program string
	args    []string
	scheme  string // "redis" or "rediss"
	address string
	process *exec.Cmd
	exited  chan struct{} // closed when the process has closed its output
}

// Redis starts a redis-server that keeps nothing on disk and returns its URL.
func Redis(t testing.TB) string {
	t.Helper()
	return StartRedis(t).URL()
}

// StartRedis starts a redis-server on a free port of 127.0.0.1 and returns when
// it is ready. Options are added to its command line; without any it keeps
// nothing on disk. "--appendonly", "yes" makes its data outlive Stop.
func StartRedis(t testing.TB, options ...string) *RedisServer {
	t.Helper()
	return startRedis(t, "redis-server", "redis", options)
}

// StartRedisTLS is StartRedis for a server that speaks TLS alone, and by default
// asks clients for a certificate of the authority, as a stock redis-server does.
func StartRedisTLS(t testing.TB, a *Authority, options ...string) *RedisServer {
	t.Helper()
	return startRedis(t, "redis-server", "rediss", append(a.redisOptions(), options...))
}

func (a *Authority) redisOptions() []string {
	cert, key := a.Issue("redis")
	return []string{"--tls-ca-cert-file", a.CA, "--tls-cert-file", cert, "--tls-key-file", key}
}

// startRedis runs redis-server, or a program that starts it.
func startRedis(t testing.TB, starter, scheme string, options []string) *RedisServer {
	t.Helper()
	program, err := exec.LookPath(starter)
	if err != nil {
		t.Fatal("this test needs a real Redis: redis-server is not on the PATH; install the Debian package redis-server")
	}
	defaults := []string{"--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no"}
	s := &RedisServer{t: t, program: program, args: append(defaults, options...), scheme: scheme}
	t.Cleanup(s.Stop)
	var said string
	for range portTries {
		s.address = freeAddress(t)
		if said = s.launch(); said == "" {
			return s
		}
	}
	t.Fatalf("start %s: %s", program, said)
	return nil
}

// URL is where the server listens, as go-redis takes it. It stays the same
// over Stop and Start.
func (s *RedisServer) URL() string { return s.scheme + "://" + s.address + "/0" }

// Stop kills the process, as a crash would, and returns when it is gone.
// Without "--appendonly", "yes" its data goes with it.
func (s *RedisServer) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // fails only if it has ended by itself
	<-s.exited
	_ = s.process.Wait() // reports the kill
	s.process = nil
}

// Start runs a stopped server again on the same port and directory, and
// returns when it has loaded its data and is ready.
func (s *RedisServer) Start() {
	s.t.Helper()
	if said := s.launch(); said != "" {
		s.t.Fatalf("start %s again on %s: %s", s.program, s.address, said)
	}
}

// Pause freezes the process: connections stay open and nothing is answered.
func (s *RedisServer) Pause() { s.signal(syscall.SIGSTOP) }

// Resume thaws a paused process.
func (s *RedisServer) Resume() { s.signal(syscall.SIGCONT) }

func (s *RedisServer) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatalf("send %s to redis-server: %v", signal, err)
	}
}

// launch runs the process until it says that it is ready. If it ends before,
// launch returns what it said.
func (s *RedisServer) launch() (said string) {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	listen := []string{"--port", port}
	if s.scheme == "rediss" {
		listen = []string{"--port", "0", "--tls-port", port}
	}
	process := exec.CommandContext(context.Background(), s.program, append(listen, s.args...)...)
	output, err := process.StdoutPipe()
	if err == nil {
		process.Stderr = process.Stdout
		err = process.Start()
	}
	if err != nil {
		return err.Error()
	}
	s.process, s.exited = process, make(chan struct{})
	ready := make(chan string, 1)
	go follow(output, ready, s.exited)
	if said = <-ready; said != "" {
		s.Stop()
	}
	return said
}

// follow reads everything that the server says, so that it never blocks on a
// full pipe. It sends "" to ready once the server accepts connections, or all
// that was said if it ended before, and closes exited at the end.
func follow(output io.Reader, ready chan<- string, exited chan<- struct{}) {
	defer close(exited)
	var said strings.Builder
	accepting := false
	for lines := bufio.NewScanner(output); lines.Scan(); {
		switch {
		case accepting:
		case strings.Contains(lines.Text(), "Ready to accept connections"):
			accepting = true
			ready <- ""
		default:
			said.WriteString(lines.Text() + "\n")
		}
	}
	if !accepting {
		ready <- "it ended before it was ready: " + said.String()
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
