//go:build unix && !linux

package local

import "syscall"

// childAttr keeps a Ctrl-C at the terminal from the child. Only Linux can tie
// its life to ours.
func childAttr(credential *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true}
}
