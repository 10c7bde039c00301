package process

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec"
)

// exitOf returns how a process exited.
func exitOf(state *os.ProcessState) *exec.Exit {
	exit := &exec.Exit{Resources: resources(state)}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		exit.Signal = unix.SignalName(status.Signal())
	} else {
		exit.Code = status.ExitStatus()
	}
	return exit
}

// resources returns what a process and its reaped descendants used. A Linux
// process starts with the peak memory of the process that forked it, so a
// process smaller than the worker is counted as large as the worker.
func resources(state *os.ProcessState) *hodei.Resources {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return nil
	}
	return &hodei.Resources{
		PeakMemoryBytes: usage.Maxrss * maxrssUnit,
		UserCPUSeconds:  state.UserTime().Seconds(), SystemCPUSeconds: state.SystemTime().Seconds(),
	}
}

// reason returns the reason of a failed start in the words of a shell.
func reason(path string, err error) string {
	var errno syscall.Errno
	if path == "" && errors.Is(err, unix.ENOENT) || !errors.As(err, &errno) {
		return "command not found"
	}
	return errno.Error()
}

// exitCode returns the exit code of a shell for a failed start: 127 if the
// program was not found, 126 if it cannot be executed, 0 for any other failure.
func exitCode(err error) int {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return 127
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR):
		return 126
	}
	return 0
}
