package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog"

	"github.com/nats-io/nats.go/jetstream"
)

// fleet is one running worker and the manager of the test.
type fleet struct {
	*Worker
	t       testing.TB
	manager *manager
	nc      *nats.Conn // of the manager
	js      jetstream.JetStream
	drain   context.CancelFunc
	done    chan error // the result of Run
}

// start runs a worker with a changed configuration until the test ends.
func start(t testing.TB, change ...func(*Config)) *fleet {
	t.Helper()
	nc, js := localtest.JetStream(t)
	return startOn(t, nc, js, change...)
}

func startOn(t testing.TB, nc *nats.Conn, js jetstream.JetStream, change ...func(*Config)) *fleet {
	t.Helper()
	f := &fleet{t: t, nc: nc, js: js, manager: newManager(t, nc), done: make(chan error, 1)}
	f.launch(change...)
	return f
}

// startRestartable starts a worker on a NATS server that can be stopped and
// restarted with its store.
func startRestartable(t testing.TB, change ...func(*Config)) (f *fleet, down, up func()) {
	t.Helper()
	cfg := local.NATSConfig{Port: freePort(t), StoreDir: t.TempDir(), Log: localtest.Log(t)}
	var srv *local.NATS
	down = func() { srv.Shutdown() }
	up = func() {
		t.Helper()
		var err error
		srv, err = local.StartNATS(cfg)
		require.NoError(t, err)
	}
	up()
	t.Cleanup(down)
	nc, err := rpc.Connect(srv.URL(), "manager", localtest.Log(t))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
	return startOn(t, nc, js, change...), down, up
}

func freePort(t testing.TB) int {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer probe.Close()
	return probe.Addr().(*net.TCPAddr).Port
}

// launch starts another worker with the same manager.
func (f *fleet) launch(change ...func(*Config)) {
	f.t.Helper()
	own, err := rpc.Connect(f.nc.Opts.Servers[0], "worker", localtest.Log(f.t))
	require.NoError(f.t, err)
	cfg := Config{NATS: own, Type: "shell", Slots: 4, StateDir: f.t.TempDir(), Log: localtest.Log(f.t), Grace: 300 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	f.Worker, err = New(cfg)
	require.NoError(f.t, err)
	ctx, drain := context.WithCancel(context.Background())
	f.drain, f.done = drain, make(chan error, 1)
	w, done := f.Worker, f.done
	go func() { done <- w.Run(ctx); close(done); own.Close() }()
	f.t.Cleanup(func() { w.Terminate(); <-done; drain() })
	receive(f.t, w.Ready(), "ready")
}

// startProcess starts a worker as a separate process, run by the command under
// if given, and killed at the end of the test. Only the methods of fleet that
// use NATS work.
func startProcess(t testing.TB, under ...string) (*fleet, *os.Process) {
	t.Helper()
	nc, js := localtest.JetStream(t)
	f := &fleet{t: t, nc: nc, js: js, manager: newManager(t, nc), Worker: &Worker{}}
	dir := t.TempDir()
	argv := append(under, os.Args[0], "worker", nc.Opts.Servers[0], dir)
	process := exec.Command(argv[0], argv[1:]...)
	process.Stderr = os.Stderr
	require.NoError(t, process.Start())
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })

	f.manager.await(t, "registered", func() bool { return len(f.manager.registered) == 1 })
	f.incarnation, f.cfg.StateDir = f.manager.registered[0].Incarnation, dir
	require.Eventually(t, func() bool {
		id, err := os.ReadFile(filepath.Join(dir, "worker-id"))
		tag, _ := os.ReadFile(filepath.Join(dir, "tag")) // written earlier
		f.tag = string(tag)
		return err == nil && f.id.UnmarshalText(id) == nil
	}, time.Minute, 5*time.Millisecond)
	f.availability("ready", func(hodei.Availability) bool { return true })
	return f, process.Process
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		require.FailNow(t, "timed out: "+what)
		panic("unreachable")
	}
}

// request returns an offer that any worker can accept.
func (f *fleet) request(command ...string) schemas.ExecutionRequest {
	req := schemas.ExecutionRequest{
		ExecutionID: hodei.ExecutionID(uuid.Must(uuid.NewV7())), Attempt: 1,
		Spec:        hodei.Spec{Command: hodei.Command{Args: command}, Environment: map[string]string{}},
		Incarnation: f.incarnation, Deadline: time.Now().Add(time.Minute).UTC(),
	}
	if len(command) == 1 {
		req.Command = hodei.Command{Shell: command[0]}
	}
	return req
}

// ask offers an execution.
func (f *fleet) ask(req schemas.ExecutionRequest) schemas.Acceptance {
	f.t.Helper()
	reply, err := rpc.CallWorker(f.t.Context(), f.nc, schemas.RequestExecutions, f.ID(), schemas.OfferRequest{Offers: []schemas.ExecutionRequest{req}})
	require.NoError(f.t, err)
	answer, err := reply.Get(0)
	require.NoError(f.t, err)
	return answer
}

// run offers an execution that must be accepted.
func (f *fleet) run(req schemas.ExecutionRequest) hodei.ExecutionID {
	f.t.Helper()
	answer := f.ask(req)
	require.True(f.t, answer.Accepted, "refused: %v", answer.Refused)
	return req.ExecutionID
}

func (f *fleet) interrupt(id hodei.ExecutionID, reason hodei.Reason) error {
	_, err := rpc.CallWorker(f.t.Context(), f.nc, schemas.InterruptExecution, f.ID(), schemas.InterruptRequest{ExecutionID: id, Reason: reason})
	return err
}

// end waits for the end of an execution, and checks its log against it.
func (f *fleet) end(id hodei.ExecutionID) (hodei.Outcome, []hodei.LogLine) {
	f.t.Helper()
	m := f.manager
	m.await(f.t, "end of "+id.String(), func() bool { return len(m.ends[id]) > 0 })
	lines := f.log(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.ends[id][0].Outcome
	require.EqualValues(f.t, len(lines), end.LogCount)
	require.Equal(f.t, m.digest(id), end.LogDigest)
	return end, lines
}

// outcome runs a command to its end.
func (f *fleet) outcome(req schemas.ExecutionRequest) (hodei.Outcome, []hodei.LogLine) {
	f.t.Helper()
	return f.end(f.run(req))
}

// log decodes the received log, which must have no gaps or duplicates.
func (f *fleet) log(id hodei.ExecutionID) []hodei.LogLine {
	f.t.Helper()
	m := f.manager
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []hodei.LogLine
	for _, first := range slices.Sorted(maps.Keys(m.logs[id])) {
		chunk := m.logs[id][first]
		require.LessOrEqual(f.t, len(chunk), joblog.ChunkBytes+6*hodei.MaxLine+200)
		for text := range bytes.Lines(chunk) {
			var line hodei.LogLine
			require.NoError(f.t, json.Unmarshal(text, &line))
			require.EqualValues(f.t, len(lines)+1, line.Sequence)
			lines = append(lines, line)
		}
	}
	return lines
}

// digest is computed like the record's.
func (m *manager) digest(id hodei.ExecutionID) (digest int64) {
	for _, of := range m.digests[id] {
		digest += of
	}
	return digest & math.MaxInt64
}

// availability waits until the worker's key has a wanted value, and returns it.
func (f *fleet) availability(what string, want func(hodei.Availability) bool) hodei.Availability {
	f.t.Helper()
	bucket, err := kv.OpenWorkers(f.t.Context(), f.js)
	require.NoError(f.t, err)
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	var found hodei.Availability
	require.NoError(f.t, bucket.Watch(ctx, func(u kv.Update) {
		if u.Availability != nil && u.WorkerID == f.ID() && found.WorkerID.IsZero() && want(*u.Availability) {
			found = *u.Availability
			cancel()
		}
	}))
	require.False(f.t, found.WorkerID.IsZero(), "timed out: %s", what)
	return found
}

func texts(lines []hodei.LogLine, stream hodei.Stream) []string {
	got := []string{}
	for _, l := range lines {
		if l.Stream == stream {
			got = append(got, l.Line)
		}
	}
	return got
}

// spoolIsEmpty requires that no chunk is kept.
func (f *fleet) spoolIsEmpty() {
	f.t.Helper()
	inMemory, onDisk := f.spool.Held()
	require.Zero(f.t, inMemory)
	require.Zero(f.t, onDisk)
}
