package worker

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

// mark identifies the processes of one execution, or of one incarnation, by
// these environment variables, which children inherit. It finds a process that
// left its group, but not one that also discarded its environment, nor any if
// the system does not show environments.
type mark []string

func workerMark(tag string) mark { return mark{tagVariable + "=" + tag} }

func runMark(tag string, id hodei.ExecutionID) mark {
	return mark{tagVariable + "=" + tag, executionVariable + "=" + id.String()}
}

// Marks returns the variables, as NAME=value, by which a worker finds the
// current process if it is part of an execution.
func Marks() (marks []string) {
	for _, name := range []string{tagVariable, executionVariable} {
		if value, set := os.LookupEnv(name); set {
			marks = append(marks, name+"="+value)
		}
	}
	return marks
}

// bearers lists the processes with the mark. It reads every process of the
// machine, once for all concurrent callers, because many executions may end
// together.
func (m mark) bearers() []int {
	pids, _ := searches.Do(context.Background(), m) // a search does not fail
	return pids
}

var searches = batch.Group[mark, []int]{Run: func(_ context.Context, marks []mark) ([]batch.Answer[[]int], error) {
	found := make([]batch.Answer[[]int], len(marks))
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		worn := marksIn(path)
		for i, m := range marks {
			if m.among(worn) {
				found[i].Value = append(found[i].Value, pid)
			}
		}
	}
	return found, nil
}}

// marksIn returns the variables of the environment in the file that may be part
// of a mark. The environment of a zombie is empty.
func marksIn(environ string) (worn []string) {
	text, err := os.ReadFile(environ)
	if err != nil {
		return nil // it has exited, or belongs to another user
	}
	for v := range bytes.SplitSeq(text, []byte{0}) {
		if name, _, _ := bytes.Cut(v, []byte("=")); string(name) == tagVariable || string(name) == executionVariable {
			worn = append(worn, string(v))
		}
	}
	return worn
}

// among reports whether worn contains every variable of the mark.
func (m mark) among(worn []string) bool {
	return !slices.ContainsFunc(m, func(v string) bool { return !slices.Contains(worn, v) })
}

// signal sends a signal to each process with the mark, except those of the
// process group (0 for none), and returns how many received it.
func (m mark) signal(sig syscall.Signal, except int) (sent int) {
	for _, pid := range m.bearers() {
		proc, err := os.FindProcess(pid) // from here on the pid may be reused, but this handle is not
		if err != nil {
			continue
		}
		of, _ := syscall.Getpgid(pid)
		if m.among(marksIn("/proc/"+strconv.Itoa(pid)+"/environ")) && (except == 0 || of != except) && proc.Signal(sig) == nil {
			sent++
		}
		_ = proc.Release()
	}
	return sent
}

const (
	sweepGap = 20 * time.Millisecond // between two searches
	sweepFor = 5 * time.Second       // limit of the searches
)

// sweep calls kill, which returns how many processes it found, until it finds
// none, and at least twice: a process that was just being forked shows only
// then.
func sweep(ctx context.Context, kill func() int) {
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
