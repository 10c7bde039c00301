package worker

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec"
)

// ending stops the process of one execution, and has the reason. Its methods may be
// called concurrently, before the start of the process and after its end too.
type ending struct {
	exec.Process
	grace time.Duration

	mu     sync.Mutex
	begun  context.CancelFunc // ends the work before the start; nil if there is none
	over   bool               // the main process has exited, or will not start
	why    hodei.Reason       // why it was stopped, "" if it was not
	kill   *time.Timer        // for killAt, once it is being stopped
	killAt time.Time
}

// stop stops the execution: SIGTERM now, SIGKILL after the grace. The first
// reason counts.
func (e *ending) stop(why hodei.Reason) { e.end(why, time.Now().Add(e.grace)) }

// end stops the execution: SIGTERM now and SIGKILL at the given time. Of repeated
// calls the earliest time counts. It does nothing if the main process has exited
// by itself. It reports whether it is the first to stop the execution.
func (e *ending) end(why hodei.Reason, killAt time.Time) (first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over && e.why == "" {
		return false
	}
	if first = e.why == ""; first {
		e.why = why
		if e.begun != nil {
			e.begun()
		}
		e.Signal(syscall.SIGTERM)
	}
	if e.kill == nil {
		e.killAt, e.kill = killAt, time.AfterFunc(time.Until(killAt), func() { e.Signal(syscall.SIGKILL) })
	} else if killAt.Before(e.killAt) {
		e.killAt = killAt
		e.kill.Reset(time.Until(killAt))
	}
	return first
}

// before returns a context for the work before the start of the process. It is done when the
// execution is stopped.
func (e *ending) before(ctx context.Context) (context.Context, context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, e.begun = context.WithCancel(ctx)
	if e.why != "" {
		e.begun()
	}
	return ctx, e.begun
}

// isOver reports whether the main process has exited by itself.
func (e *ending) isOver() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over && e.why == ""
}

// exited records that the main process has exited, or will not start, and returns why
// it was stopped, "" if it was not.
func (e *ending) exited() hodei.Reason {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	return e.why
}

// The remaining processes of an execution whose main process has exited are polled
// after restPoll, then after twice as long each time, up to restMost.
const (
	restPoll = 20 * time.Millisecond
	restMost = 200 * time.Millisecond
)

// rest waits for the remaining processes of a stopped execution: a shell dies
// of SIGTERM at once, while its children may take until they are killed.
func (e *ending) rest() {
	for pause := restPoll; e.Alive() && time.Now().Before(e.until()); pause = min(2*pause, restMost) {
		time.Sleep(pause)
	}
}

// until returns when the wait ends: SIGKILL was sent by then.
func (e *ending) until() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.killAt.Add(restPoll)
}

// close stops the timer: no process is left to kill.
func (e *ending) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kill != nil {
		e.kill.Stop()
	}
}
