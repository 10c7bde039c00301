package worker

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// process is the process group of one execution, from before its start until it
// is reaped. Its methods may be called concurrently at any of these times.
type process struct {
	grace time.Duration
	mark  mark.Mark // of the process and its descendants

	mu     sync.Mutex
	proc   *os.Process
	pidfd  int          // -1 if the system has none
	over   bool         // its main process has exited
	ended  hodei.Reason // why it was stopped, "" if it was not
	kill   *time.Timer  // for killAt, once it is being stopped
	killAt time.Time
}

// start starts the program in its own group. If stop was called before, proc
// stays nil and there is no error.
func (p *process) start(path string, argv []string, attr *os.ProcAttr) (started bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != "" {
		return false, nil
	}
	p.pidfd = -1
	attr.Sys = groupAttr(&p.pidfd)
	p.proc, err = os.StartProcess(path, argv, attr)
	return err == nil, err
}

// stop stops the execution: SIGTERM now, SIGKILL after the grace. The first
// reason counts.
func (p *process) stop(why hodei.Reason) { p.end(why, time.Now().Add(p.grace)) }

// end stops the execution: SIGTERM now, also to processes that left the group,
// and SIGKILL at the given time. Of repeated calls the earliest time counts. It
// does nothing if the main process has exited. It reports whether it is the
// first to stop the execution.
func (p *process) end(why hodei.Reason, killAt time.Time) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over && p.ended == "" {
		return false
	}
	if first = p.ended == ""; first {
		p.ended = why
	}
	if p.proc == nil {
		return first
	}
	if first {
		p.signal(syscall.SIGTERM)
		group := p.proc.Pid
		time.AfterFunc(0, func() { p.mark.Signal(syscall.SIGTERM, group) }) // the search is slow
	}
	if p.kill == nil {
		p.killAt, p.kill = killAt, time.AfterFunc(time.Until(killAt), p.killAll)
	} else if killAt.Before(p.killAt) {
		p.killAt = killAt
		p.kill.Reset(time.Until(killAt))
	}
	return first
}

// isOver reports whether the main process has exited by itself.
func (p *process) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over && p.ended == ""
}

// killAll kills the rest of the group, and processes that left it.
func (p *process) killAll() {
	p.killGroup()
	p.mark.Signal(syscall.SIGKILL, 0)
}

func (p *process) killGroup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signal(syscall.SIGKILL)
}

// signal signals the whole group. The number of the group cannot be reused
// until its leader is reaped.
func (p *process) signal(sig syscall.Signal) {
	if p.proc != nil {
		_ = syscall.Kill(-p.proc.Pid, sig) // it may have exited
	}
}

// awaitExit waits for the main process to exit.
func (p *process) awaitExit() { awaitExit(p.proc.Pid, p.pidfd) }

// exited records that the main process has exited and returns why it was
// stopped, "" if it was not.
func (p *process) exited() hodei.Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.ended
}

// The remaining processes of an execution whose leader has exited are polled
// after restPoll, then after twice as long each time, up to restMost.
const (
	restPoll = 20 * time.Millisecond
	restMost = 200 * time.Millisecond
)

// rest waits for the remaining processes of a stopped execution: a shell dies
// of SIGTERM at once, while its children may take until they are killed.
func (p *process) rest() {
	for pause := restPoll; p.lives() && time.Now().Before(p.until()); pause = min(2*pause, restMost) {
		time.Sleep(pause)
	}
}

// until returns when the wait ends: SIGKILL was sent by then.
func (p *process) until() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killAt.Add(restPoll)
}

func (p *process) lives() bool { return groupLives(p.proc.Pid) || len(p.mark.Bearers()) > 0 }

// reap kills the rest of the group and, if wanted, processes that left it. It
// releases the process number and returns the state of the main process.
func (p *process) reap(strays bool) (*os.ProcessState, error) {
	p.killGroup()
	if strays {
		mark.Sweep(context.Background(), func() int { return p.mark.Signal(syscall.SIGKILL, 0) })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kill != nil {
		p.kill.Stop()
	}
	state, err := p.proc.Wait()
	p.proc = nil
	return state, err
}

// abandon records that no process will start, and returns why it was stopped
// before its start.
func (p *process) abandon() hodei.Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.ended
}
