package servertest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that a test may kill, start again, freeze and thaw. It
// is killed when the test ends.
type Process struct {
	t       testing.TB
	argv    []string
	env     []string // added to the test's own
	ready   string   // what it says once it is
	running *exec.Cmd
	exited  chan struct{} // closed when the process has closed its output
	said    *transcript
}

// NewProcess is a program that has not been started. It counts as started once
// it has written ready, to either output; env is added to the test's own.
func NewProcess(t testing.TB, ready string, env []string, argv ...string) *Process {
	t.Helper()
	p := &Process{t: t, argv: argv, env: env, ready: ready, said: &transcript{}}
	t.Cleanup(p.Stop)
	return p
}

// Start runs a process that was stopped, with the same command line, and
// returns when it is ready.
func (p *Process) Start() {
	p.t.Helper()
	if said := p.launch(); said != "" {
		p.t.Fatalf("start %s: %s", p.argv[0], said)
	}
}

// Stop kills the process, as a crash would, and returns when it is gone.
func (p *Process) Stop() {
	if p.running == nil {
		return
	}
	_ = p.running.Process.Kill() // fails only if it has ended by itself
	p.wait()
}

// Terminate asks the process to end, waits until it has, and returns its exit
// code.
func (p *Process) Terminate() int {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	return p.wait()
}

// Ended is closed when the process has ended by itself, or was killed.
func (p *Process) Ended() <-chan struct{} { return p.exited }

func (p *Process) wait() int {
	<-p.exited
	_ = p.running.Wait() // reports the signal
	code := p.running.ProcessState.ExitCode()
	p.running = nil
	return code
}

// Pause freezes the process: connections stay open and nothing is answered.
func (p *Process) Pause() { p.t.Helper(); p.signal(syscall.SIGSTOP) }

// Resume thaws a paused process.
func (p *Process) Resume() { p.t.Helper(); p.signal(syscall.SIGCONT) }

func (p *Process) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.running.Process.Signal(signal); err != nil {
		p.t.Fatalf("send %s to %s: %v", signal, p.argv[0], err)
	}
}

// Said is the end of what the process has written since the test began.
func (p *Process) Said() string { return p.said.String() }

// The unit of processor time in /proc: USER_HZ is 100 on every Linux that Go
// runs on (proc(5)).
const tick = 10 * time.Millisecond

// CPU is the processor time that the process has used since it was started
// (proc(5), /proc/pid/stat, fields 14 and 15).
func (p *Process) CPU() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.running.Process.Pid))
	if err != nil {
		p.t.Fatalf("read the processor time of %s: %v", p.argv[0], err)
	}
	_, after, _ := bytes.Cut(text, []byte(") ")) // the name before it may hold spaces
	var used time.Duration
	for _, field := range bytes.Fields(after)[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			p.t.Fatalf("read the processor time of %s: %v", p.argv[0], err)
		}
		used += time.Duration(ticks) * tick
	}
	return used
}

// launch runs the process until it says that it is ready. If it ends before,
// launch returns what it said.
func (p *Process) launch() (said string) {
	p.t.Helper()
	process := exec.CommandContext(context.Background(), p.argv[0], p.argv[1:]...)
	process.Env = append(os.Environ(), p.env...)
	process.SysProcAttr = endsWithParent()
	output, err := process.StdoutPipe()
	if err == nil {
		process.Stderr = process.Stdout
		err = process.Start()
	}
	if err != nil {
		return err.Error()
	}
	p.running, p.exited = process, make(chan struct{})
	ready := make(chan string, 1)
	go p.follow(output, ready)
	if said = <-ready; said != "" {
		p.Stop()
	}
	return said
}

// follow reads everything that the process says, so that it never blocks on a
// full pipe. It sends "" once the process is ready, or all that was said if it
// ended before, and closes exited at the end.
func (p *Process) follow(output io.Reader, ready chan<- string) {
	defer close(p.exited)
	accepting := false
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		p.said.add(line)
		if !accepting && strings.Contains(line, p.ready) {
			accepting = true
			ready <- ""
		}
		if err != nil {
			break
		}
	}
	if !accepting {
		ready <- "it ended before it was ready: " + p.said.String()
	}
}

// transcript keeps the end of what a process says.
type transcript struct {
	mu   sync.Mutex
	text []byte
}

const keptOfTranscript = 64 << 10

func (s *transcript) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, line...)
	if len(s.text) > 2*keptOfTranscript {
		s.text = append([]byte(nil), s.text[len(s.text)-keptOfTranscript:]...)
	}
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}
