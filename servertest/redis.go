// Package servertest starts the real servers that tests run against, each a
// process or an embedded server of its own on the loopback interface.
package servertest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// portTries is how often a start on a port that was free a moment ago may fail
// because another process took the port in between.
const portTries = 5

// RedisServer is a redis-server process. Without "--appendonly", "yes" its data
// goes when it is stopped.
type RedisServer struct {
	*Process
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
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("this test needs a real Redis: redis-server is not on the PATH; install the Debian package redis-server")
	}
	dir := t.TempDir()
	var said string
	for range portTries {
		s := &RedisServer{address: freeAddress(t), dir: dir}
		_, port, _ := net.SplitHostPort(s.address)
		defaults := []string{program, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"}
		s.Process = NewProcess(t, "Ready to accept connections", nil, append(defaults, options...)...)
		if said = s.launch(); said == "" {
			return s
		}
	}
	t.Fatalf("start %s: %s", program, said)
	return nil
}

// URL is where the server listens, as go-redis takes it. It stays the same
// over Stop and Start.
func (s *RedisServer) URL() string { return "redis://" + s.address + "/0" }

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
