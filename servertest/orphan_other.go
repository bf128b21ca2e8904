//go:build !linux

package servertest

import "syscall"

// endsWithParent is nothing where the system cannot do it.
func endsWithParent() *syscall.SysProcAttr { return nil }
