package local

import "syscall"

// childAttr makes the kernel send onDeath to the child when the thread that
// started it ends, and protects the child from a Ctrl-C at the terminal.
func childAttr(credential *syscall.Credential, onDeath syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true, Pdeathsig: onDeath}
}
