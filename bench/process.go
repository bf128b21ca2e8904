package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// process is a program that takes part in a trial.
type process struct {
	name   string
	cmd    *exec.Cmd
	said   io.Reader // standard output
	log    *os.File  // standard error
	exited chan struct{}
}

// stopWait is how long a process may take to end when it is asked to.
const stopWait = 40 * time.Second

// start runs a program. Its standard error goes to a file in dir.
func start(ctx context.Context, dir, name string, argv ...string) (*process, error) {
	log, err := os.Create(dir + "/" + name + ".log")
	if err != nil {
		return nil, fmt.Errorf("keep what %s says: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // our own command lines
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWait
	cmd.Stderr = log
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &process{name: name, cmd: cmd, said: said, log: log, exited: make(chan struct{})}, nil
}

// introduce reads the first line of what the process says, which is JSON, into
// where; the rest is thrown away.
func (p *process) introduce(where any) error {
	out := bufio.NewReader(p.said)
	line, err := out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, where)
	}
	if err != nil {
		return fmt.Errorf("%s did not say where it listens: %w%s", p.name, err, p.lastWords())
	}
	go p.discard(out)
	return nil
}

// comesUp waits until the program is ready at its port.
func (p *process) comesUp(program, port string, ready func() bool) error {
	for deadline := time.Now().Add(10 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not come up on port %s%s", program, port, p.lastWords())
		}
	}
	return nil
}

// discard keeps the process from blocking on a full pipe.
func (p *process) discard(out io.Reader) {
	defer close(p.exited)
	_, _ = io.Copy(io.Discard, out) // it ends with the process
}

// lastWords is the end of what the process wrote to its standard error.
func (p *process) lastWords() string {
	const enough = 500
	text, err := os.ReadFile(p.log.Name())
	if err != nil || len(text) == 0 {
		return ""
	}
	return "; it said: " + string(bytes.TrimSpace(text[max(0, len(text)-enough):]))
}

// stop asks the process to end and waits until it has. It may be called again.
func (p *process) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended by itself
	killer := time.AfterFunc(stopWait, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	<-p.exited
	_ = p.cmd.Wait() // reports the signal
	_ = p.log.Close()
}

// The units of /proc: USER_HZ is 100 on every Linux that Go runs on (proc(5)).
const tick = 10 * time.Millisecond

// cpu is the processor time that a process has used, in user and system mode,
// in steps of 10 ms (proc(5), /proc/pid/stat, fields 14 and 15).
func cpu(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the processor time of a process: %w", err)
	}
	_, after, _ := bytes.Cut(text, []byte(") ")) // the name before it may hold spaces
	fields := bytes.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read the processor time of process %d: %q", pid, text)
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(user+system) * tick, nil
}

// peak is the most memory that a process has held in RAM since the last call of
// forgetPeak, in bytes (proc(5), /proc/pid/status, VmHWM).
func peak(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	_, after, found := bytes.Cut(text, []byte("VmHWM:"))
	fields := bytes.Fields(after)
	if !found || len(fields) < 2 {
		return 0, fmt.Errorf("read the memory of process %d: no VmHWM in its status", pid)
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return kib << 10, nil
}

// forgetPeak makes peak begin anew (proc(5), /proc/pid/clear_refs, 5).
func forgetPeak(pid int) error {
	err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	if err != nil {
		return fmt.Errorf("reset the peak memory of a process: %w", err)
	}
	return nil
}
