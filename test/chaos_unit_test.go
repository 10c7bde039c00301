//go:build linux

package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// unit is a process of the arena that is started again whenever it ends, as a
// supervisor would do it.
type unit struct {
	w       *arena
	name    string
	role    string // "worker", "edge", "nats"…
	command func() (*exec.Cmd, error)
	// clear is called before each start, nil for nothing.
	clear func()
	nats  []*link // its ways to NATS, one a server
	pg    *link   // its way to Postgres, nil for none
	home  string  // of a worker: what its commands see as HOME
	fault sync.Mutex

	mu      sync.Mutex
	proc    *os.Process // nil while it is away
	starts  int
	away    time.Duration // before the next start
	asked   bool          // its end was asked for
	stopped bool          // for good
	gone    chan struct{} // closed when it has ended for good
}

// run supervises until stop. The thread is kept because the kernel kills the
// child with the thread that started it, should this process die.
func (u *unit) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(u.gone)
	for {
		cmd, log, err := u.start()
		if err != nil {
			u.w.flaw("", "%s cannot be started: %v", u.name, err)
			return
		}
		if cmd == nil {
			return // stopped for good
		}
		err = cmd.Wait()
		if again := u.ended(err, log); !again {
			return
		}
		u.mu.Lock()
		away := max(u.away, 300*time.Millisecond)
		u.away = 0
		u.mu.Unlock()
		pause(u.w.ctx, away)
	}
}

func (u *unit) start() (*exec.Cmd, string, error) {
	if u.clear != nil {
		u.clear()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped {
		return nil, "", nil
	}
	u.starts++
	path := filepath.Join(u.w.logs, fmt.Sprintf("%s.%03d.log", u.name, u.starts))
	log, err := os.Create(path)
	if err != nil {
		return nil, "", err
	}
	defer log.Close()
	cmd, err := u.command()
	if err != nil {
		return nil, "", err
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	u.proc, u.asked = cmd.Process, false
	return cmd, path, nil
}

// ready is what a role says once it answers.
var ready = regexp.MustCompile(`(?m)^ready `)

// ended notes how the process ended and reports whether it is to be started
// again. A role that was ready and ends unasked is a flaw: it should have lived
// through whatever happened.
func (u *unit) ended(err error, log string) (again bool) {
	said, _ := os.ReadFile(log) // a file of ours
	if strings.Contains(string(said), "panic contained") || strings.Contains(string(said), "panic in ") {
		u.w.flaw("", "%s has panicked: %s", u.name, log)
	}
	if strings.Contains(string(said), "DATA RACE") {
		u.w.flaw("", "%s has a data race: %s", u.name, log)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.proc = nil
	switch leaves := u.role == "worker" && err == nil; {
	case u.asked || leaves:
	case u.role == "nats" || u.role == "postgres":
		u.w.note("%s ended by itself: %v", u.name, err)
	case ready.Match(said):
		u.w.flaw("", "%s ended by itself though it was ready: %v: %s", u.name, err, log)
	}
	return !u.stopped
}

// signal sends to the process, if there is one.
func (u *unit) signal(s syscall.Signal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.proc == nil {
		return
	}
	if s != syscall.SIGSTOP && s != syscall.SIGCONT {
		u.asked = true
	}
	_ = u.proc.Signal(s) // it may be gone already
}

// kill ends the process as a crash does; it comes back after the time given.
func (u *unit) kill(away time.Duration) {
	u.mu.Lock()
	u.away = away
	var with []int // a crash of Postgres takes all of its processes
	if u.role == "postgres" && u.proc != nil {
		with = childrenOf(u.proc.Pid)
	}
	u.mu.Unlock()
	u.signal(syscall.SIGKILL)
	for _, pid := range with {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
	}
}

// killSchedulers kills one scheduler after the other until ctx is done, each time after
// the last one came back. It returns how often.
func (w *arena) killSchedulers(ctx context.Context, r *rand.Rand) (kills int) {
	all := w.of("scheduler")
	for ctx.Err() == nil {
		pause(ctx, 3*time.Second+span(r, 0, 9*time.Second))
		u, away := all[kills%len(all)], span(r, 100*time.Millisecond, 4*time.Second)
		if ctx.Err() != nil || !tryLock([]*unit{u}) {
			continue
		}
		w.note("kill -9 %s in its turn, back in %s", u.name, away)
		u.kill(away)
		u.awaitBack(ctx, away)
		unlock([]*unit{u})
		kills++
	}
	return kills
}

// end stops the process for good: politely, then less so.
func (u *unit) end() {
	u.mu.Lock()
	u.stopped = true
	u.mu.Unlock()
	polite := []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}
	if u.role == "postgres" {
		polite = []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT}
	}
	for i, s := range polite {
		u.signal(s)
		select {
		case <-u.gone:
			return
		case <-time.After(30*time.Second + time.Duration(i)*30*time.Second):
		}
	}
	u.w.flaw("", "%s does not stop on SIGTERM", u.name)
	u.signal(syscall.SIGKILL)
	<-u.gone
}

// started is how often it was started.
func (u *unit) started() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.starts
}

// childrenOf lists the children of a process.
func childrenOf(parent int) (pids []int) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent)) // the pattern is well formed
	for _, path := range paths {
		text, _ := os.ReadFile(path) // empty when it is gone
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// pause waits, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
