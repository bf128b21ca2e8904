package servertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// NATSProcess is the program nats-server, in a process of its own that a test
// may kill. Its data outlives Stop.
type NATSProcess struct {
	*Process
	address string
	dir     string
	file    string // of its configuration
	more    string // of it, beside the block "jetstream"
}

// natsServer builds the program nats-server, of the version that go.mod names,
// once for all tests of a process.
var natsServer = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tocsin-nats-server-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nats-server")
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build nats-server: %w: %s", err, out)
	}
	return path, nil
})

// StartNATS starts a nats-server on a free port of 127.0.0.1, set up as
// deploy/nats.conf does it, and returns when it is ready. limits are lines that
// are added to its block "jetstream".
func StartNATS(t testing.TB, limits ...string) *NATSProcess {
	t.Helper()
	return StartNATSIn(t, t.TempDir(), limits...)
}

// StartNATSIn is StartNATS with its data in a folder of the test's.
func StartNATSIn(t testing.TB, dir string, limits ...string) *NATSProcess {
	t.Helper()
	program, err := natsServer()
	if err != nil {
		t.Fatal(err)
	}
	var said string
	for range portTries {
		n := newNATSProcess(t, program, dir, "")
		n.Limit(limits...)
		if said = n.launch(); said == "" {
			return n
		}
	}
	t.Fatalf("start nats-server: %s", said)
	return nil
}

func newNATSProcess(t testing.TB, program, dir, more string) *NATSProcess {
	t.Helper()
	n := &NATSProcess{address: freeAddress(t), dir: dir, file: filepath.Join(dir, "nats.conf"), more: more}
	n.Process = NewProcess(t, "Server is ready", nil, program, "-c", n.file)
	return n
}

// Limit sets what the next Start adds to the block "jetstream", line by line.
func (n *NATSProcess) Limit(lines ...string) {
	n.t.Helper()
	host, port, _ := net.SplitHostPort(n.address)
	config := fmt.Sprintf("host: %s\nport: %s\njetstream {\n  store_dir: %q\n  sync_interval: 1s\n  %s\n}\n%s",
		host, port, n.dir, strings.Join(lines, "\n  "), n.more)
	if err := os.WriteFile(n.file, []byte(config), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// URL is where the server listens. It stays the same over Stop and Start.
func (n *NATSProcess) URL() string { return "nats://" + n.address }

// Address is host and port of the server.
func (n *NATSProcess) Address() string { return n.address }
