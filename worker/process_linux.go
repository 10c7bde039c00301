package worker

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupAttr starts a process in a group of its own.
func groupAttr(pidfd *int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, PidFD: pidfd}
}

// awaitExit returns when the child has exited, and does not reap it: until
// that is done its number, which is its group's, is nobody else's, so the group
// can be killed without hitting a stranger. It waits in the runtime's poller,
// for a thread each would set a limit to the number of runs.
func awaitExit(pid, pidfd int) {
	if pidfd >= 0 {
		_ = unix.SetNonblock(pidfd, true) // else the poller would not take it
		file := os.NewFile(uintptr(pidfd), "pidfd")
		defer file.Close()
		if conn, err := file.SyscallConn(); err == nil {
			if conn.Read(func(uintptr) bool { return exited(pid, unix.WNOHANG) }) == nil {
				return
			}
		}
	}
	exited(pid, 0)
}

func exited(pid, options int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		if err != unix.EINTR {
			return err != nil || info.Signo != 0
		}
	}
}
