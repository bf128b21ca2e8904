package servertest_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/servertest"
)

// asParent has the test binary be a test that is killed while its server runs.
const asParent = "SERVERTEST_PARENT"

// What a test has started ends with it, also where its own end was sudden.
func TestServersEndWithAParentThatIsKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv(asParent) != "" {
		server := servertest.NewProcess(t, "ready", nil, "sh", "-c", "echo ready $$; exec sleep 600")
		server.Start()
		fmt.Println("server", strings.TrimPrefix(strings.TrimSpace(server.Said()), "ready "))
		select {}
	}
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestServersEndWithAParentThatIsKilled$")
	parent.Env = append(os.Environ(), asParent+"=1")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	server := 0
	for lines := bufio.NewScanner(out); server == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "server %d", &server) // other lines are the test's own
	}
	require.NotZero(t, server)
	require.NoError(t, syscall.Kill(server, 0), "it runs")
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.Eventually(t, func() bool { return gone(server) }, 10*time.Second, 10*time.Millisecond)
}

// gone reports whether a process has ended; nobody may have asked yet how.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(status), ") Z ")
}
