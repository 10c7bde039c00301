package mark

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
)

// ExecutionVariable and TagVariable are the variables of every command that a worker
// starts. A job cannot change them. The tag is a random value that never leaves the
// machine: a command that reads it cannot act as the worker.
const (
	ExecutionVariable = "HODEI_EXECUTION_ID"
	TagVariable       = "HODEI_WORKER_TAG"
)

// Mark is a set of variables, as NAME=value, that identifies the processes of one
// execution or of one worker process.
type Mark []string

// Worker is the mark of all commands of the worker process with this tag.
func Worker(tag string) Mark { return Mark{TagVariable + "=" + tag} }

// Execution is the mark of one execution at the worker process with this tag.
func Execution(tag string, id hodei.ExecutionID) Mark {
	return Mark{TagVariable + "=" + tag, ExecutionVariable + "=" + id.String()}
}

// Own returns the variables of the present process that are part of a mark, if it
// runs as part of an execution.
func Own() (own Mark) {
	for _, name := range []string{TagVariable, ExecutionVariable} {
		if value, set := os.LookupEnv(name); set {
			own = append(own, name+"="+value)
		}
	}
	return own
}

// Bearers returns the processes that have the mark. A search reads the environment of
// every process of the machine; simultaneous calls share one, because many executions
// may end together.
func (m Mark) Bearers() []int {
	pids, _ := searches.Do(context.Background(), m) // a search does not fail
	return pids
}

var searches = batch.Group[Mark, []int]{Run: func(_ context.Context, marks []Mark) ([]batch.Answer[[]int], error) {
	found := make([]batch.Answer[[]int], len(marks))
	for _, process := range Processes() {
		pid, _ := strconv.Atoi(filepath.Base(process))
		present := In(process)
		for i, m := range marks {
			if m.within(present) {
				found[i].Value = append(found[i].Value, pid)
			}
		}
	}
	return found, nil
}}

// Processes returns the directories /proc/<pid> of the machine's processes, none if the
// system has no /proc. filepath.Glob would list each of them.
func Processes() []string {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	processes := names[:0]
	for _, name := range names {
		if name[0] >= '0' && name[0] <= '9' {
			processes = append(processes, "/proc/"+name)
		}
	}
	return processes
}

// In returns the variables in the environment of a process, given as /proc/<pid>, that
// may be part of a mark. It returns none for a zombie, and for a process that is gone or
// of another user.
func In(process string) (present Mark) {
	text, err := os.ReadFile(process + "/environ")
	if err != nil {
		return nil
	}
	for v := range bytes.SplitSeq(text, []byte{0}) {
		if name, _, _ := bytes.Cut(v, []byte("=")); string(name) == TagVariable || string(name) == ExecutionVariable {
			present = append(present, string(v))
		}
	}
	return present
}

// within reports whether every variable of the mark is among those given.
func (m Mark) within(present Mark) bool {
	return !slices.ContainsFunc(m, func(v string) bool { return !slices.Contains(present, v) })
}

// Signal sends a signal to each process that has the mark, except to those of the
// process group except, 0 for none. It returns how many processes took the signal.
func (m Mark) Signal(sig syscall.Signal, except int) (sent int) {
	for _, pid := range m.Bearers() {
		proc, err := os.FindProcess(pid) // proc stays this process, even if the number is used again
		if err != nil {
			continue
		}
		group, _ := syscall.Getpgid(pid)
		if m.within(In("/proc/"+strconv.Itoa(pid))) && (except == 0 || group != except) && proc.Signal(sig) == nil {
			sent++
		}
		_ = proc.Release()
	}
	return sent
}

const (
	sweepGap = 20 * time.Millisecond // between two calls of kill
	sweepFor = 5 * time.Second       // the longest time that a sweep takes
)

// Sweep calls kill, which returns how many processes it found, until it finds none. It
// calls kill at least twice: only the second call finds a process that was being forked
// during the first. It gives up when ctx is done, or after 5 s.
func Sweep(ctx context.Context, kill func() int) {
	ctx, cancel := context.WithTimeout(ctx, sweepFor)
	defer cancel()
	for looks := 0; ; looks++ {
		if kill() == 0 && looks > 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepGap):
		}
	}
}
