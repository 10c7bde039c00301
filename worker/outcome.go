package worker

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// failed returns the outcome of an execution that could not start; the log gets
// the reason.
func (r *run) failed(reason hodei.Reason, exitCode int, why string) hodei.Outcome {
	r.journal.Note("hodei: " + why)
	if stopped := r.process.abandon(); stopped != "" {
		return ended(stopped, nil)
	}
	end := hodei.Outcome{Status: hodei.Failed, Reason: &reason, CompletedAt: time.Now().UTC()}
	if exitCode != 0 {
		end.ExitCode = &exitCode
	}
	return end
}

// ended returns the outcome of an execution whose process was stopped for a
// reason, or ended by itself. The state is nil if there was no process.
func ended(why hodei.Reason, state *os.ProcessState) hodei.Outcome {
	end := hodei.Outcome{Status: hodei.Failed, CompletedAt: time.Now().UTC()}
	reason := hodei.ReasonExitCode
	if state != nil {
		end.Resources = resources(state)
		if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
			name := unix.SignalName(status.Signal())
			end.Signal, reason = &name, hodei.ReasonSignal
		} else {
			code := status.ExitStatus()
			end.ExitCode = &code
			if code == 0 {
				end.Status = hodei.Completed
			}
		}
	}
	switch why {
	case "":
	case hodei.ReasonCancelled:
		end.Status, reason = hodei.Cancelled, why
	case hodei.ReasonTimeout:
		end.Status, reason = hodei.TimedOut, why
	default:
		end.Status, reason = hodei.Failed, why
	}
	if end.Status != hodei.Completed {
		end.Reason = &reason
	}
	return end
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

// complaint returns the reason in the words of a shell.
func complaint(path string, err error) string {
	var errno syscall.Errno
	if path == "" && errors.Is(err, unix.ENOENT) || !errors.As(err, &errno) {
		return "command not found"
	}
	return errno.Error()
}

// cannotStart returns the exit code of a shell for a failed start: 127 if the
// program was not found, 126 if it cannot be executed, 0 for any other failure.
func cannotStart(err error) (exitCode int) {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return 127
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR):
		return 126
	}
	return 0
}
