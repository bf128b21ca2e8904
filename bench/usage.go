package bench

import (
	"os"
	"strings"
	"time"
)

// fleet are the processes whose cost is Tocsin's. The producer and the far ends
// share the machine with them, and are shown beside.
var fleet = []string{"worker", "nats", "redis"}

// producer is this process.
const producer = "producer"

// reading is the processor time of each process at one moment.
type reading map[string]time.Duration

func (s *Site) pids() map[string]int {
	pids := map[string]int{producer: os.Getpid()}
	for name, p := range s.processes {
		pids[name] = p.cmd.Process.Pid
	}
	return pids
}

func (s *Site) read() (reading, error) {
	now := reading{}
	for name, pid := range s.pids() {
		used, err := cpu(pid)
		if err != nil {
			return nil, err
		}
		now[name] = used
	}
	return now, nil
}

// measure does something that ends with n deliveries, and notes what they cost
// each process and how much memory each has held meanwhile.
func (s *Site) measure(f Figures, n int, do func() error) error {
	if err := s.forgetPeaks(); err != nil {
		return err
	}
	before, err := s.read()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := s.read()
	if err != nil {
		return err
	}
	for name := range after {
		f["cpu "+part(name)] += (after[name] - before[name]).Seconds() * 1000 / float64(n)
	}
	for _, name := range fleet {
		f["cpu"] += f["cpu "+name]
	}
	return s.notePeaks(f)
}

// part is what a process is of the fleet: "worker-2" is a worker.
func part(process string) string {
	name, _, _ := strings.Cut(process, "-")
	return name
}

func (s *Site) forgetPeaks() error {
	for _, pid := range s.pids() {
		if err := forgetPeak(pid); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) notePeaks(f Figures) error {
	pids := s.pids()
	for _, name := range fleet {
		pid, runs := pids[name]
		if !runs {
			continue
		}
		bytes, err := peak(pid)
		if err != nil {
			return err
		}
		f["memory "+name] = float64(bytes) / 1e6
	}
	return nil
}
