package process

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// maxrssUnit is the unit of the kernel's memory counts, in bytes.
const maxrssUnit = 1 << 10

// groupAttr starts a process in its own group.
func groupAttr(pidfd *int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, PidFD: pidfd}
}

// awaitExit returns when the child has exited, without reaping it: until then
// its number, which is also that of its group, cannot be reused, so killing the
// group cannot hit another process. It waits in the runtime's poller, because a
// thread for each would limit the number of executions.
func awaitExit(pid, pidfd int) {
	if pidfd >= 0 {
		_ = unix.SetNonblock(pidfd, true) // otherwise the poller would not accept it
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

// groupLives reports whether the group has a process that is not a zombie; its
// leader is one until it is reaped. Concurrent callers share one search.
func groupLives(leader int) bool {
	alive, _ := looks.Do(context.Background(), leader) // a search does not fail
	return alive
}

var looks = batch.Group[int, bool]{Run: func(_ context.Context, leaders []int) ([]batch.Answer[bool], error) {
	alive := map[string]bool{}
	for _, process := range mark.Processes() {
		stat, _ := os.ReadFile(process + "/stat")                       // empty if it has exited meanwhile
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before it may contain anything
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
