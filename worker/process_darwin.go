package worker

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// groupAttr starts a process in a group of its own.
func groupAttr(*int) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit returns when the child has exited, and does not reap it: until
// that is done its number, which is its group's, is nobody else's, so the group
// can be killed without hitting a stranger.
func awaitExit(pid, _ int) {
	const byPID, exited, noReap = 1, 0x4, 0x20 // P_PID, WEXITED, WNOWAIT of sys/wait.h
	var info [128]byte                         // a siginfo_t, which nobody reads
	for {
		_, _, err := unix.Syscall6(syscall.SYS_WAITID, byPID, uintptr(pid), uintptr(unsafe.Pointer(&info)), exited|noReap, 0, 0)
		if err != unix.EINTR {
			return
		}
	}
}
