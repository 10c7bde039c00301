package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// TestRoles runs two of each role as separate processes, submits work, and then
// kills one of each: the others continue.
func TestRoles(t *testing.T) {
	t.Parallel()
	database := localtest.Database(t)
	natsURL, role := roles(t)
	var first []*process
	for range 2 {
		var set []*process
		for _, name := range []string{"worker-manager", "orchestrator", "scheduler"} {
			set = append(set, role(name, "--database-url", database))
		}
		set = append(set, role("edge", "--port-base", "0"))
		set = append(set, role("worker", "--type", "shell", "--capacity", "4", "--state-dir", t.TempDir()))
		first = set
	}
	edge := role("edge", "--port-base", "0")
	addrs := strings.Fields(edge.find(`ready edge (.*)`))
	s := &system{process: edge, t: t, orchestrator: addrs[0], scheduler: addrs[1], workerManager: addrs[2], nats: natsURL}

	work := func(n int) {
		witness := filepath.Join(t.TempDir(), "witness")
		var ids []string
		for range n {
			ids = append(ids, s.execute(`echo "$HODEI_EXECUTION_ID" >> `+witness+`; seq 1 10`))
		}
		for _, id := range ids {
			e := s.ended(id)
			require.Equal(t, "COMPLETED", e["status"])
			require.Equal(t, 10.0, e["log_count"])
		}
		started, err := os.ReadFile(witness)
		require.NoError(t, err)
		require.ElementsMatch(t, ids, strings.Fields(string(started)), "each started exactly once")
	}
	work(40)
	_, workers := call(t, "GET", s.workerManager+"/workers", "")
	require.Len(t, workers["items"], 2)

	for _, p := range first {
		p.kill()
	}
	work(20)
	eventually(t, "the reaper reports the killed worker", time.Minute, func() bool {
		_, gone := call(t, "GET", s.workerManager+"/workers?status=OFFLINE", "")
		return len(gone["items"].([]any)) == 1
	})
}

// TestWorkerDrains: after the first SIGTERM executions finish, the second ends
// them.
func TestWorkerDrains(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "0")
	gate := filepath.Join(t.TempDir(), "gate")
	w := start(t, "worker", "--nats", s.nats, "--state-dir", t.TempDir())
	id := s.execute(fmt.Sprintf("echo begun; until [ -e %s ]; do sleep 0.05; done; echo finished", gate))
	begun := func(id string) func() bool {
		return func() bool {
			_, e := call(t, "GET", s.orchestrator+"/executions/"+id, "")
			return e["log_count"] == 1.0
		}
	}
	eventually(t, "the command runs", time.Minute, begun(id))
	w.signal(syscall.SIGTERM)
	eventually(t, "the worker drains", time.Minute, func() bool {
		_, list := call(t, "GET", s.workerManager+"/workers?type=shell", "")
		return list["items"].([]any)[0].(object)["status"] == "DRAINING"
	})
	waiting := s.execute("echo later")
	require.NoError(t, os.WriteFile(gate, nil, 0o644))
	require.Equal(t, "COMPLETED", s.ended(id)["status"])
	require.Zero(t, w.wait(), w.output())
	_, e := call(t, "GET", s.orchestrator+"/executions/"+waiting, "")
	require.Equal(t, "PENDING", e["status"], "a draining worker takes nothing new")
	_, list := call(t, "GET", s.workerManager+"/workers?status=TERMINATED", "")
	require.Len(t, list["items"], 1)

	w = start(t, "worker", "--nats", s.nats, "--state-dir", t.TempDir())
	require.Equal(t, "COMPLETED", s.ended(waiting)["status"], "the queue is taken up by the next worker")
	id = s.execute("echo begun; sleep 1000")
	eventually(t, "the command runs", time.Minute, begun(id))
	w.signal(syscall.SIGTERM)
	eventually(t, "the worker drains", time.Minute, func() bool { // two signals at once arrive as one
		_, list := call(t, "GET", s.workerManager+"/workers?status=DRAINING", "")
		return len(list["items"].([]any)) == 1
	})
	w.signal(syscall.SIGTERM)
	require.Zero(t, w.wait(), w.output())
	e = s.ended(id)
	require.Equal(t, "FAILED", e["status"])
	require.Equal(t, "WORKER_TERMINATED", e["reason"])
}

// TestCancel ends a waiting and a running execution, and is refused for an
// ended one.
func TestCancel(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-capacity", "1")
	running := s.execute("trap 'echo caught; exit 1' TERM; echo begun; while :; do sleep 0.05; done")
	eventually(t, "the command runs", time.Minute, func() bool {
		_, e := call(t, "GET", s.orchestrator+"/executions/"+running, "")
		return e["log_count"] == 1.0
	})
	waiting := s.execute("true")
	status, e := call(t, "POST", s.orchestrator+"/executions/"+waiting+"/cancel", "")
	require.Equal(t, 202, status)
	require.Equal(t, "CANCELLED", e["status"])
	status, _ = call(t, "POST", s.orchestrator+"/executions/"+running+"/cancel", "")
	require.Equal(t, 202, status)
	e = s.ended(running)
	require.Equal(t, "CANCELLED", e["status"])
	require.Equal(t, "CANCELLED", e["reason"])
	lines, _ := s.lines(running, "stream=stdout") // the shell itself may print more
	require.Equal(t, []string{"begun", "caught"}, lines)
	status, e = call(t, "POST", s.orchestrator+"/executions/"+running+"/cancel", "")
	require.Equal(t, 409, status)
	require.Equal(t, "CONFLICT", e["error"])
}

// TestTimeout ends a command that runs too long, with all its descendants.
func TestTimeout(t *testing.T) {
	t.Parallel()
	s := up(t)
	status, x := call(t, "POST", s.workerManager+"/execute", `{"command":"echo begun; sleep 1000 & sleep 1000","timeout_seconds":0.5}`)
	require.Equal(t, 201, status)
	e := s.ended(x["id"].(string))
	require.Equal(t, "TIMED_OUT", e["status"])
	require.Equal(t, "TIMEOUT", e["reason"])
	require.Equal(t, 1.0, e["log_count"])
}

// TestExample runs the example's script.
func TestExample(t *testing.T) {
	t.Parallel()
	s := up(t)
	cmd := exec.Command("../examples/build/run.sh")
	cmd.Env = append(os.Environ(), "HODEI="+binary, "HODEI_SERVER="+s.orchestrator)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "hodei builds itself")
}
