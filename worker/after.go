package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec"
	"github.com/hodei-jobs/hodei/worker/exec/process"
)

// afterLimit is the longest running time of the script that follows a command.
const afterLimit = 5 * time.Minute

// statusVariable contains the outcome of the command, for the script that follows it.
const statusVariable = "HODEI_STATUS"

// runAfter runs the script that follows the command, if the job has one: in the same
// directories, with the same environment, whatever the outcome of the command is. It
// does not start if the worker terminates or the result is not wanted. A cancel of the
// execution does not stop it. The outcome stays as it is, except for its time; a
// failure of the script is a line of the log.
func (w *Worker) runAfter(r *run, at process.Place, end *hodei.Outcome, free func()) {
	if r.after == nil {
		return
	}
	defer r.after.close()
	vars := w.variables(&r.req, at)
	vars[statusVariable] = string(end.Status)
	if issue := w.followAfter(r, at, vars, free); issue != "" {
		r.journal.Note("hodei: warning: after " + issue)
	}
	end.CompletedAt = time.Now().UTC()
}

// followAfter returns the reason why the script failed, "" if it did not.
func (w *Worker) followAfter(r *run, at process.Place, vars map[string]string, free func()) string {
	out, err := w.start(r.after, r, at, r.req.Shell.Argv(r.req.After), vars)
	if err != nil {
		why := r.after.exited()
		if errors.Is(err, exec.ErrSignalled) {
			return "did not start: " + stopped(why)
		}
		return "did not start: " + err.Error()
	}
	defer time.AfterFunc(w.cfg.afterLimit, func() { r.after.stop(hodei.ReasonTimeout) }).Stop()
	over := w.await(r.after, r, out, free)
	switch {
	case over.why == hodei.ReasonTimeout:
		return fmt.Sprintf("was stopped: it ran longer than %v", w.cfg.afterLimit)
	case over.why != "":
		return "was stopped: " + stopped(over.why)
	case over.exit == nil:
		return "ended, and its exit status is unknown"
	case over.exit.Signal != "":
		return "was ended by " + over.exit.Signal
	case over.exit.Code != 0:
		return fmt.Sprintf("exited with %d", over.exit.Code)
	}
	return ""
}

// stopped describes why the worker stops the script.
func stopped(why hodei.Reason) string {
	if why == hodei.ReasonWorkerTerminated {
		return "the worker terminates"
	}
	return "the worker was too long without contact"
}

// stop stops the command and the script that follows it, or prevents its start.
func (r *run) stop(why hodei.Reason) {
	r.process.stop(why)
	if r.after != nil {
		r.after.stop(why)
	}
}

// end is stop with a time for SIGKILL. It reports whether it is the first to stop one
// of the two.
func (r *run) end(why hodei.Reason, killAt time.Time) bool {
	first := r.process.end(why, killAt)
	if r.after != nil && r.after.end(why, killAt) {
		return true
	}
	return first
}

// isOver reports whether the command and the script have ended by themselves.
func (r *run) isOver() bool {
	return r.process.isOver() && (r.after == nil || r.after.isOver())
}
