package test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// workerLife is a system with one worker as a separate process, during an
// execution that ends when the gate exists.
type workerLife struct {
	*system
	t         *testing.T
	worker    *process
	id        string
	gate      string
	execution string
}

func newWorkerLife(t *testing.T) *workerLife {
	l := &workerLife{system: up(t, "--workers", "0"), t: t, gate: filepath.Join(t.TempDir(), "gate")}
	l.worker = start(t, "worker", "--nats", l.nats, "--state-dir", t.TempDir(), "--capacity", "4")
	l.id = l.worker.find(`ready worker (\S+)`)
	l.execution = l.execute(fmt.Sprintf("echo begun; until [ -e %s ]; do sleep 0.05; done; echo finished", l.gate))
	eventually(t, "the command runs", time.Minute, func() bool {
		_, e := call(t, "GET", l.orchestrator+"/executions/"+l.execution, "")
		_, w := call(t, "GET", l.workerManager+"/workers/"+l.id, "")
		return e["log_count"] == 1.0 && w["running"] == 1.0
	})
	return l
}

// command sends the worker a command over REST.
func (l *workerLife) command(do, body string) (int, object) {
	l.t.Helper()
	return call(l.t, "POST", l.workerManager+"/api/v1/workers/"+l.id+"/"+do, body)
}

// is waits until the worker and the list of its state have the status.
func (l *workerLife) is(status string) {
	l.t.Helper()
	eventually(l.t, "the worker is "+status, time.Minute, func() bool {
		_, w := call(l.t, "GET", l.workerManager+"/workers/"+l.id, "")
		_, list := call(l.t, "GET", l.workerManager+"/workers?status="+status, "")
		return w["status"] == status && len(list["items"].([]any)) == 1
	})
}

// waits creates an execution that waits because the worker accepts nothing.
func (l *workerLife) waits() string {
	l.t.Helper()
	id := l.execute("true")
	eventually(l.t, "it waits", time.Minute, func() bool {
		_, queue := call(l.t, "GET", l.scheduler+"/queue", "")
		items := queue["items"].([]any)
		return len(items) == 1 && items[0].(object)["reason"] == "no worker: 1 draining"
	})
	return id
}

func (l *workerLife) open() { require.NoError(l.t, os.WriteFile(l.gate, nil, 0o644)) }

// TestDrainOverREST: the worker accepts nothing new, finishes its execution,
// and ends.
func TestDrainOverREST(t *testing.T) {
	t.Parallel()
	l := newWorkerLife(t)
	for range 2 {
		status, w := l.command("drain", "")
		require.Equal(t, 202, status, w)
		require.Equal(t, "DRAINING", w["status"])
		require.Equal(t, 1.0, w["running"])
	}
	l.is("DRAINING")
	waiting := l.waits()
	l.open()
	require.Equal(t, "COMPLETED", l.ended(l.execution)["status"])
	require.Zero(t, l.worker.wait(), l.worker.output())
	l.is("TERMINATED")
	_, e := call(t, "GET", l.orchestrator+"/executions/"+waiting, "")
	require.Equal(t, "PENDING", e["status"])
	status, body := l.command("resume", "")
	require.Equal(t, 409, status)
	require.Equal(t, "CONFLICT", body["error"])
}

// TestResumeOverREST: by the command, and by an assignment that names the
// worker.
func TestResumeOverREST(t *testing.T) {
	t.Parallel()
	l := newWorkerLife(t)
	l.command("drain", `{"deadline_seconds": 3600}`)
	l.is("DRAINING")
	waiting := l.waits()
	status, w := l.command("resume", "")
	require.Equal(t, 202, status, w)
	require.Equal(t, "BUSY", w["status"])
	require.Equal(t, "COMPLETED", l.ended(waiting)["status"], "what waited is taken up")
	l.is("BUSY")

	l.command("drain", "")
	l.is("DRAINING")
	waiting = l.waits()
	body := fmt.Sprintf(`{"execution_id": %q, "worker_id": %q}`, waiting, l.id)
	status, a := call(t, "POST", l.workerManager+"/assign-job", body)
	require.Equal(t, 200, status, a)
	require.Equal(t, l.id, a["worker_id"])
	require.Equal(t, "COMPLETED", l.ended(waiting)["status"])
	l.is("BUSY")
	l.open()
	require.Equal(t, "COMPLETED", l.ended(l.execution)["status"])
	l.is("AVAILABLE")
}

// TestDrainDeadlineOverREST: executions that still run at the deadline are
// killed.
func TestDrainDeadlineOverREST(t *testing.T) {
	t.Parallel()
	l := newWorkerLife(t)
	status, _ := l.command("drain", `{"deadline_seconds": 0.5}`)
	require.Equal(t, 202, status)
	e := l.ended(l.execution)
	require.Equal(t, "FAILED", e["status"])
	require.Equal(t, "WORKER_TERMINATED", e["reason"])
	require.Zero(t, l.worker.wait(), l.worker.output())
	l.is("TERMINATED")
	status, body := l.command("drain", `{"deadline_seconds": -1}`)
	require.Equal(t, 400, status)
	require.Equal(t, "deadline_seconds", body["details"].(object)["field"])
}

// TestTerminateOverREST: at once. A worker that is not connected is recorded as
// TERMINATED.
func TestTerminateOverREST(t *testing.T) {
	t.Parallel()
	l := newWorkerLife(t)
	status, w := l.command("terminate", "")
	require.Equal(t, 202, status, w)
	require.Equal(t, "WORKER_TERMINATED", l.ended(l.execution)["reason"])
	require.Zero(t, l.worker.wait(), l.worker.output())
	l.is("TERMINATED")

	other := start(t, "worker", "--nats", l.nats, "--state-dir", t.TempDir())
	l.id = other.find(`ready worker (\S+)`)
	other.kill()
	l.is("OFFLINE")
	status, body := l.command("drain", "")
	require.Equal(t, 409, status)
	require.Contains(t, body["message"], "not connected")
	status, w = l.command("terminate", "")
	require.Equal(t, 202, status)
	require.Equal(t, "TERMINATED", w["status"])
	status, _ = call(t, "POST", l.workerManager+"/workers/worker_0199aaaa-0000-7000-8000-000000000000/drain", "")
	require.Equal(t, 404, status)
}

// TestUpContinuesWithoutItsWorker: the worker leaves on command; the rest
// continues.
func TestUpContinuesWithoutItsWorker(t *testing.T) {
	t.Parallel()
	s := up(t)
	_, list := call(t, "GET", s.workerManager+"/workers", "")
	id := list["items"].([]any)[0].(object)["id"].(string)
	status, _ := call(t, "POST", s.workerManager+"/workers/"+id+"/drain", "")
	require.Equal(t, 202, status)
	eventually(t, "it has left", time.Minute, func() bool {
		_, w := call(t, "GET", s.workerManager+"/workers/"+id, "")
		return w["status"] == "TERMINATED"
	})
	waiting := s.execute("true")
	start(t, "worker", "--nats", s.nats, "--state-dir", t.TempDir())
	require.Equal(t, "COMPLETED", s.ended(waiting)["status"])
}
