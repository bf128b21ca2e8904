package servertest

import "syscall"

// endsWithParent kills a process when the test that started it is killed, as a
// worker of 'go test -fuzz' is when its time is over. A server that outlives it
// holds its pipes open, and 'go test' waits for their end for ever.
func endsWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
