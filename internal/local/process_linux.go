package local

import "syscall"

// childAttr has the kernel send onDeath to the child when the thread that
// starts it ends, and keeps a Ctrl-C at the terminal from it.
func childAttr(credential *syscall.Credential, onDeath syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true, Pdeathsig: onDeath}
}
