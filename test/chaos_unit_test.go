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

// unit is a process of the arena that is restarted whenever it ends, as by a
// supervisor.
type unit struct {
	w       *arena
	name    string
	role    string // "worker", "edge", "nats"…
	command func() (*exec.Cmd, error)
	// clear is called before each start; may be nil.
	clear func()
	nats  []*link // its links to NATS, one per server
	pg    *link   // its link to Postgres, or nil
	home  string  // of a worker: HOME of its commands
	fault sync.Mutex

	mu      sync.Mutex
	proc    *os.Process // nil while it is down
	starts  int
	away    time.Duration // before the next start
	asked   bool          // its end was requested
	stopped bool          // permanently
	gone    chan struct{} // closed when it has ended permanently
}

// run supervises until stop. It keeps its thread, because the kernel kills the
// child with the thread that started it if this process dies.
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
			return // stopped permanently
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

// ready matches the line that a role prints when it is ready.
var ready = regexp.MustCompile(`(?m)^ready `)

// ended logs how the process ended and reports whether to restart it. A role
// that was ready and ends by itself is a flaw: it must survive every fault.
func (u *unit) ended(err error, log string) (again bool) {
	text, _ := os.ReadFile(log) // a file of the test
	if strings.Contains(string(text), "panic contained") || strings.Contains(string(text), "panic in ") {
		u.w.flaw("", "%s has panicked: %s", u.name, log)
	}
	if strings.Contains(string(text), "DATA RACE") {
		u.w.flaw("", "%s has a data race: %s", u.name, log)
	}
	if refusal := violation(string(text)); refusal != "" {
		u.w.flaw("", "NATS has refused something to %s: %s: %s", u.name, refusal, log)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.proc = nil
	switch leaves := u.role == "worker" && err == nil; {
	case u.asked || leaves:
	case u.role == "nats" || u.role == "postgres":
		u.w.note("%s ended by itself: %v", u.name, err)
	case ready.Match(text):
		u.w.flaw("", "%s ended by itself though it was ready: %v: %s", u.name, err, log)
	}
	return !u.stopped
}

// violation returns the first line about something that a role needs and NATS refuses: not a
// reply to the subject that hostile messages name.
func violation(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "Permissions Violation") && !strings.Contains(line, `\"`+noReply+`\"`) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// signal sends a signal to the process, if it runs.
func (u *unit) signal(s syscall.Signal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.proc == nil {
		return
	}
	if s != syscall.SIGSTOP && s != syscall.SIGCONT {
		u.asked = true
	}
	_ = u.proc.Signal(s) // it may have ended
}

// kill ends the process like a crash; it restarts after the given time.
func (u *unit) kill(away time.Duration) {
	u.mu.Lock()
	u.away = away
	var with []int // a crash of Postgres ends all of its processes
	if u.role == "postgres" && u.proc != nil {
		with = childrenOf(u.proc.Pid)
	}
	u.mu.Unlock()
	u.signal(syscall.SIGKILL)
	for _, pid := range with {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
}

// breakSchedulers kills or stops one scheduler after the other until ctx is done, each
// time after the last one came back: both are killed, then both are stopped. It returns
// how often each happened.
func (w *arena) breakSchedulers(ctx context.Context, r *rand.Rand) (kills, stops int) {
	all := w.of("scheduler")
	for ctx.Err() == nil {
		pause(ctx, 3*time.Second+span(r, 0, 9*time.Second))
		turn := kills + stops
		u, away := all[turn%len(all)], span(r, 100*time.Millisecond, 4*time.Second)
		if ctx.Err() != nil || !tryLock([]*unit{u}) {
			continue
		}
		if turn/len(all)%2 == 0 {
			w.note("kill -9 %s in its turn, back in %s", u.name, away)
			u.kill(away)
			u.awaitBack(ctx, away)
			kills++
		} else {
			away += time.Second // its lease, and that of a successor, expires
			w.note("stop %s in its turn, for %s", u.name, away)
			u.signal(syscall.SIGSTOP)
			pause(ctx, away)
			u.signal(syscall.SIGCONT)
			stops++
		}
		unlock([]*unit{u})
	}
	return kills, stops
}

// end stops the process permanently: first with SIGTERM, then with SIGKILL.
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

// started returns how often it was started.
func (u *unit) started() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.starts
}

// childrenOf lists the children of a process.
func childrenOf(parent int) (pids []int) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent)) // the pattern is well formed
	for _, path := range paths {
		text, _ := os.ReadFile(path) // empty if the process has ended
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
