package worker

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei/internal/batch"
)

// maxrssUnit is what the kernel counts memory in, in bytes.
const maxrssUnit = 1 << 10

// uptimeClock counts while the machine sleeps.
const uptimeClock = unix.CLOCK_BOOTTIME

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

// groupLives reports whether the group has a process that is not a zombie, as
// its leader is until it is reaped. One look answers all who ask at a time.
func groupLives(leader int) bool {
	alive, _ := looks.Do(context.Background(), leader) // a look does not fail
	return alive
}

var looks = batch.Group[int, bool]{Run: func(_ context.Context, leaders []int) ([]batch.Answer[bool], error) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	alive := map[string]bool{}
	for _, path := range stats {
		stat, _ := os.ReadFile(path)                                    // empty when it is gone meanwhile
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before may hold anything
		if len(fields) > 2 && fields[0][0] != 'Z' && fields[0][0] != 'X' {
			alive[string(fields[2])] = true
		}
	}
	answers := make([]batch.Answer[bool], len(leaders))
	for i, leader := range leaders {
		answers[i].Value = alive[strconv.Itoa(leader)]
	}
	return answers, nil
}}

func exited(pid, options int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		if err != unix.EINTR {
			return err != nil || info.Signo != 0
		}
	}
}
