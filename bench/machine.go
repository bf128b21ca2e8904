package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine is where figures come from.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Load   string `json:"load"` // over 1, 5 and 15 minutes, before the first run
}

// ThisMachine describes where this process runs, as far as /proc tells.
func ThisMachine() Machine {
	return Machine{
		CPU:    field("/proc/cpuinfo", "model name"),
		Cores:  runtime.NumCPU(),
		Memory: field("/proc/meminfo", "MemTotal"),
		Kernel: runtime.GOOS + " " + strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		Go:     runtime.Version(),
		Load:   strings.Join(append(strings.Fields(read("/proc/loadavg")), "", "", "")[:3], " "),
	}
}

// String names the machine in a line.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, %s; load before: %s", m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Load)
}

func read(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}

// field is the first "name: value" of a file.
func field(file, name string) string {
	for line := range bytes.Lines([]byte(read(file))) {
		key, value, found := bytes.Cut(line, []byte(":"))
		if found && string(bytes.TrimSpace(key)) == name {
			return string(bytes.TrimSpace(value))
		}
	}
	return "unknown"
}
