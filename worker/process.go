package worker

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
)

// process is the process group of one run, from before its start until it is
// reaped. Its methods may be called at once, and at any of these times.
type process struct {
	grace time.Duration
	mark  mark // of it and all that it starts

	mu     sync.Mutex
	proc   *os.Process
	pidfd  int          // where the system has such a thing, else -1
	over   bool         // its main process has exited
	ended  hodei.Reason // why we ended it, "" if we did not
	kill   *time.Timer  // for killAt, once it is being ended
	killAt time.Time
}

// start starts the program in a group of its own, unless stop was called
// before; then proc stays nil and there is no error.
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

// stop ends the run: TERM now, KILL after the grace. The first reason given is
// the one that counts.
func (p *process) stop(why hodei.Reason) { p.end(why, time.Now().Add(p.grace)) }

// end ends the run: TERM now, to what has left the group too, and KILL at the
// given time; said again, at the earliest of the times given. One whose main
// process has exited by itself is left alone. It reports whether it is the
// first to end the run.
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
		time.AfterFunc(0, func() { p.mark.signal(syscall.SIGTERM, group) }) // the search takes its time
	}
	if p.kill == nil {
		p.killAt, p.kill = killAt, time.AfterFunc(time.Until(killAt), p.killAll)
	} else if killAt.Before(p.killAt) {
		p.killAt = killAt
		p.kill.Reset(time.Until(killAt))
	}
	return first
}

// isOver reports whether the run has ended by itself.
func (p *process) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over && p.ended == ""
}

// killAll kills what is left of the group, and what has left it.
func (p *process) killAll() {
	p.killGroup()
	p.mark.signal(syscall.SIGKILL, 0)
}

func (p *process) killGroup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signal(syscall.SIGKILL)
}

// signal reaches the whole group. The number of the group is ours as long as
// its leader is not reaped.
func (p *process) signal(sig syscall.Signal) {
	if p.proc != nil {
		_ = syscall.Kill(-p.proc.Pid, sig) // it may be gone already
	}
}

// awaitExit waits for the main process to exit.
func (p *process) awaitExit() { awaitExit(p.proc.Pid, p.pidfd) }

// exited notes that the main process has exited and returns why we ended it,
// "" if we did not.
func (p *process) exited() hodei.Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.ended
}

// The processes of a run whose leader is gone are looked for after restPoll,
// then after twice as long each time, up to restMost.
const (
	restPoll = 20 * time.Millisecond
	restMost = 200 * time.Millisecond
)

// rest waits for what is left of a run that was told to stop: a shell dies of
// TERM at once, while what it runs may take its time, until it is killed.
func (p *process) rest() {
	for pause := restPoll; p.lives() && time.Now().Before(p.until()); pause = min(2*pause, restMost) {
		time.Sleep(pause)
	}
}

// until is when waiting is over: KILL was sent by then.
func (p *process) until() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killAt.Add(restPoll)
}

func (p *process) lives() bool { return groupLives(p.proc.Pid) || len(p.mark.bearers()) > 0 }

// reap kills what is left of the group, and if it is wanted what has left it
// too, lets go of its number, and returns how the main process ended.
func (p *process) reap(strays bool) (*os.ProcessState, error) {
	p.killGroup()
	if strays {
		sweep(context.Background(), func() int { return p.mark.signal(syscall.SIGKILL, 0) })
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

// abandon notes that there will be no process, and returns why it was ended
// before it began.
func (p *process) abandon() hodei.Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.ended
}
