package worker

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// failed is the outcome of a run that could not be started; the log says why.
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

// ended is the outcome of a run whose process we ended for a reason, or which
// ended by itself. The state is nil if there was no process.
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

// resources is what a process that was waited for has taken, with those of its
// descendants that it waited for. A Linux process starts out with the peak of
// the one that it was forked from, so what stays smaller than the worker is
// counted as large as the worker.
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

// complaint says in a shell's words why the program was not started.
func complaint(path string, err error) string {
	var errno syscall.Errno
	if path == "" && errors.Is(err, unix.ENOENT) || !errors.As(err, &errno) {
		return "command not found"
	}
	return errno.Error()
}

// cannotStart says of a failed start whether the program was not found (127)
// or cannot be executed (126), as a shell does; 0 for any other failure.
func cannotStart(err error) (exitCode int) {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return 127
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR):
		return 126
	}
	return 0
}
