//go:build chaos

package faultpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// On is whether this program was built to be killed.
const On = true

// chosen is where this process dies: TOCSIN_FAULTPOINT holds the name of a
// point, an equals sign, and which time it is reached.
var chosen = sync.OnceValue(func() *point {
	name, count, _ := strings.Cut(os.Getenv("TOCSIN_FAULTPOINT"), "=")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return &point{}
	}
	p := &point{name: name}
	p.left.Store(n)
	return p
})

type point struct {
	name string
	left atomic.Int64
}

// Reached kills the process, as kill -9 does, if this is its point and it has
// been reached often enough. It does not return then.
func Reached(name string) {
	if p := chosen(); p.name == name && p.left.Add(-1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
