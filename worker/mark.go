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

// mark identifies the processes of one run, or of one incarnation, wherever
// they went: by these variables in their environment, which children inherit. A
// process that left its group is found by it; one that threw its environment away as
// well is not, nor any where the system does not show it.
type mark []string

func workerMark(tag string) mark { return mark{tagVariable + "=" + tag} }

func runMark(tag string, id hodei.ExecutionID) mark {
	return mark{tagVariable + "=" + tag, executionVariable + "=" + id.String()}
}

// Marks are the variables, as NAME=value, by which a worker finds the present
// process, if it runs as part of an execution.
func Marks() (marks []string) {
	for _, name := range []string{tagVariable, executionVariable} {
		if value, set := os.LookupEnv(name); set {
			marks = append(marks, name+"="+value)
		}
	}
	return marks
}

// bearers lists the processes that bear the mark. It looks at every process of
// the machine, once for all who want to know at a time: many runs may be ended
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
// of a mark. That of a zombie is empty.
func marksIn(environ string) (worn []string) {
	text, err := os.ReadFile(environ)
	if err != nil {
		return nil // gone, or not ours
	}
	for v := range bytes.SplitSeq(text, []byte{0}) {
		if name, _, _ := bytes.Cut(v, []byte("=")); string(name) == tagVariable || string(name) == executionVariable {
			worn = append(worn, string(v))
		}
	}
	return worn
}

// among reports whether every variable of the mark is among those given.
func (m mark) among(worn []string) bool {
	return !slices.ContainsFunc(m, func(v string) bool { return !slices.Contains(worn, v) })
}

// signal sends a signal to each process that bears the mark, except to those of
// the process group, 0 for none, and returns how many were there to take it.
func (m mark) signal(sig syscall.Signal, except int) (sent int) {
	for _, pid := range m.bearers() {
		proc, err := os.FindProcess(pid) // from here on the number may be another's, but this is not
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
	sweepGap = 20 * time.Millisecond // between two looks at what still lives
	sweepFor = 5 * time.Second       // how long they go on
)

// sweep calls kill, which returns how many it found, until it finds none, and
// twice at least: what was just being forked shows only then.
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
