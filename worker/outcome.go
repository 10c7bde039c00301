package worker

import (
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec"
)

// failed returns the outcome of an execution that could not start; the log gets
// the reason.
func (r *run) failed(reason hodei.Reason, exitCode int, why string) hodei.Outcome {
	r.journal.Note("hodei: " + why)
	if stopped := r.process.exited(); stopped != "" {
		return ended(stopped, nil)
	}
	end := hodei.Outcome{Status: hodei.Failed, Reason: &reason, CompletedAt: time.Now().UTC()}
	if exitCode != 0 {
		end.ExitCode = &exitCode
	}
	return end
}

// over is how a process ended.
type over struct {
	at   time.Time
	why  hodei.Reason // why it was stopped, "" if it was not
	exit *exec.Exit   // nil if that is not known
	late bool         // the fence had passed
}

// outcome returns the outcome of an execution whose command ended.
func (o over) outcome() hodei.Outcome {
	end := ended(o.why, o.exit)
	if o.why == "" && o.exit != nil && o.exit.Killed() {
		switch {
		case o.late: // by the reaper, while the worker was paused
			end.Reason = new(hodei.ReasonWorkerLost)
		case o.exit.OutOfMemory:
			end.Reason = new(hodei.ReasonOutOfMemory)
		}
	}
	end.CompletedAt = o.at
	return end
}

// ended returns the outcome of an execution whose process was stopped for a
// reason, or ended by itself. The exit is nil if there was no process.
func ended(why hodei.Reason, exit *exec.Exit) hodei.Outcome {
	end := hodei.Outcome{Status: hodei.Failed, CompletedAt: time.Now().UTC()}
	reason := hodei.ReasonExitCode
	if exit != nil {
		end.Resources = exit.Resources
		if exit.Signal != "" {
			end.Signal, reason = &exit.Signal, hodei.ReasonSignal
		} else {
			end.ExitCode = &exit.Code
			if exit.Code == 0 {
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
