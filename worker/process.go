package worker

import (
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

	mu    sync.Mutex
	proc  *os.Process
	pidfd int          // where the system has such a thing, else -1
	over  bool         // its main process has exited: nothing is left to end
	ended hodei.Reason // why we ended it, "" if we did not
	kill  *time.Timer
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

// stop ends the group: TERM now, KILL after the grace. The first reason given
// is the one that counts. It reports false when there is nothing to end.
func (p *process) stop(why hodei.Reason) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false
	}
	if p.ended != "" {
		return true
	}
	p.ended = why
	if p.proc != nil {
		p.signal(syscall.SIGTERM)
		p.kill = time.AfterFunc(p.grace, p.killGroup)
	}
	return true
}

// killGroup kills what is left of the group.
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

// exited waits for the main process to exit and returns why we ended it, ""
// if we did not.
func (p *process) exited() hodei.Reason {
	awaitExit(p.proc.Pid, p.pidfd)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.ended
}

// restPoll is how often a group is looked at whose leader is gone.
const restPoll = 50 * time.Millisecond

// rest waits for what is left of a group that was told to stop: a shell dies
// of TERM at once, while what it runs may take its time, up to the grace.
func (p *process) rest() {
	for giveUp := time.Now().Add(p.grace + restPoll); groupLives(p.proc.Pid) && time.Now().Before(giveUp); {
		time.Sleep(restPoll)
	}
}

// reap kills what is left of the group, lets go of its number, and returns how
// the main process ended.
func (p *process) reap() (*os.ProcessState, error) {
	p.killGroup()
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
