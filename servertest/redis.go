// Package servertest starts the real servers that tests run against, each a
// process or an embedded server of its own on the loopback interface.
package servertest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// portTries is how often a start on a port that was free a moment ago may fail
// because another process took the port in between.
const portTries = 5

// RedisServer is a redis-server process. Without "--appendonly", "yes" its data
// goes when it is stopped.
type RedisServer struct {
	*Process
	scheme  string // "redis" or "rediss"
	address string
	dir     string
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
	dir := t.TempDir()
	defaults := []string{"--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"}
	var said string
	for range portTries {
		s := &RedisServer{scheme: scheme, address: freeAddress(t), dir: dir}
		_, port, _ := net.SplitHostPort(s.address)
		listen := []string{program, "--port", port}
		if scheme == "rediss" {
			listen = []string{program, "--port", "0", "--tls-port", port}
		}
		s.Process = NewProcess(t, "Ready to accept connections", nil, slices.Concat(listen, defaults, options)...)
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

// Address is host and port of the server.
func (s *RedisServer) Address() string { return s.address }

// Forget removes what a stopped server keeps on disk.
func (s *RedisServer) Forget() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "appendonlydir")); err != nil {
		s.t.Fatal(err)
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
