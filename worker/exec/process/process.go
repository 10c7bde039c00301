package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec"
	"github.com/hodei-jobs/hodei/worker/mark"
	"github.com/hodei-jobs/hodei/worker/reaper"
)

// Host runs commands as processes of this machine.
type Host struct {
	tag    string
	reaper *reaper.Keeper
	base   []variable
	oom    *oomKills
}

// NewHost returns a Host. The tag identifies the worker's processes. The environment of
// this process is read now.
func NewHost(tag string, reaper *reaper.Keeper) *Host {
	return &Host{tag: tag, reaper: reaper, base: baseEnvironment(), oom: newOOMKills("/")}
}

// New returns the process of an execution, which is not started yet.
func (h *Host) New(id hodei.ExecutionID) exec.Process {
	return &process{host: h, id: id, mark: mark.Execution(h.tag, id)}
}

// process is the process group of one execution.
type process struct {
	host *Host
	id   hodei.ExecutionID
	mark mark.Mark // of the process and its descendants

	mu        sync.Mutex
	proc      *os.Process // nil before Start and after Sweep
	pidfd     int         // -1 if the system has none
	signalled bool
	searches  sync.WaitGroup // of Signal, for processes that left the group
}

// Start starts the program in its own group, which the reaper learns of.
func (p *process) Start(c exec.Command) error {
	path, err := p.host.lookUp(&c)
	if err == nil {
		err = p.start(path, &c)
	}
	switch code := exitCode(err); {
	case err == nil:
		p.host.reaper.Add(p.proc.Pid, p.id, c.Fence)
		return nil
	case errors.Is(err, exec.ErrSignalled):
		return err
	case code != 0:
		return &exec.StartError{ExitCode: code, Text: c.Args[0] + ": " + reason(path, err)}
	}
	return &exec.StartError{Text: fmt.Sprintf("%s: %v", c.Args[0], err)}
}

func (p *process) start(path string, c *exec.Command) (err error) {
	attr := &os.ProcAttr{Dir: c.Dir, Env: p.environment(c), Files: []*os.File{c.Stdin, c.Stdout, c.Stderr}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.signalled {
		return exec.ErrSignalled
	}
	p.pidfd = -1
	attr.Sys = groupAttr(&p.pidfd)
	p.proc, err = os.StartProcess(path, c.Args, attr)
	return err
}

// Signal signals the group, and then the processes that left it, which takes a search.
func (p *process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signalled = true
	if p.proc == nil {
		return
	}
	p.signal(sig)
	except := p.proc.Pid
	if sig == syscall.SIGKILL {
		except = 0
	}
	p.searches.Go(func() { p.mark.Signal(sig, except) })
}

// signal signals the whole group. The number of the group cannot be reused until its
// leader is reaped.
func (p *process) signal(sig syscall.Signal) {
	if p.proc != nil {
		_ = syscall.Kill(-p.proc.Pid, sig) // it may have exited
	}
}

// Wait waits for the main process to exit.
func (p *process) Wait() { awaitExit(p.proc.Pid, p.pidfd) }

// Alive reports whether a process of the group, or one that left it, runs.
func (p *process) Alive() bool { return groupLives(p.proc.Pid) || len(p.mark.Bearers()) > 0 }

// Sweep kills the rest of the group and, if wanted, the processes that left it. It
// releases the process number and returns how the main process exited.
func (p *process) Sweep(strays bool) (*exec.Exit, error) {
	p.mu.Lock()
	p.signal(syscall.SIGKILL)
	p.mu.Unlock()
	if strays {
		mark.Sweep(context.Background(), func() int { return p.mark.Signal(syscall.SIGKILL, 0) })
	}
	group := p.proc.Pid
	p.mu.Lock()
	state, err := p.proc.Wait()
	p.proc = nil
	signalled := p.signalled
	p.mu.Unlock()
	p.searches.Wait() // another process of the execution may follow, which has the same mark
	p.host.reaper.Remove(group)
	if err != nil {
		return nil, err
	}
	exit := exitOf(state)
	exit.OutOfMemory = !signalled && exit.Killed() && p.host.oom.struck(time.Now())
	return exit, nil
}
