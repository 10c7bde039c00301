//go:build unix && !linux

package local

import "syscall"

// childAttr protects the child from a Ctrl-C at the terminal. Only Linux can
// end it together with this process.
func childAttr(credential *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true}
}
