package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slug is the slug of the pipeline in a world.
const slug = "demo"

// world is an edge before services that know one pipeline, one job and one
// execution.
type world struct {
	nc       *nats.Conn
	edge     *edge.Edge
	pipeline hodei.PipelineID
	job      hodei.JobID
	exec     hodei.ExecutionID
	run      hodei.RunID // its only job has the execution

	mu       sync.Mutex
	recorded int64
	status   hodei.ExecutionStatus
	sick     bool
	key      string // of the last pipeline created

	entered, leave chan struct{} // of the request for a slow pipeline
}

func newID[T ~[16]byte]() T { return T(uuid.Must(uuid.NewV7())) }

func newWorld(t *testing.T) *world {
	nc, _ := localtest.JetStream(t)
	w := &world{
		nc: nc, pipeline: newID[hodei.PipelineID](), job: newID[hodei.JobID](), exec: newID[hodei.ExecutionID](), run: newID[hodei.RunID](),
		status: hodei.Running, entered: make(chan struct{}), leave: make(chan struct{}),
	}
	svc := rpc.New(rpc.Config{NATS: nc, Name: "services", Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.CreatePipeline, func(ctx context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
		w.mu.Lock()
		w.key = rpc.IdempotencyKey(ctx)
		w.mu.Unlock()
		switch req.Name {
		case "panic":
			panic("secret")
		case "slow":
			close(w.entered)
			<-w.leave
		}
		return hodei.Pipeline{ID: w.pipeline, Name: req.Name}, nil
	})
	rpc.Handle(svc, schemas.GetPipeline, func(_ context.Context, req schemas.GetPipelineRequest) (hodei.Pipeline, error) {
		if id, _ := req.ID.ID(); id != w.pipeline && req.ID != slug {
			return hodei.Pipeline{}, hodei.Missing("pipeline", string(req.ID))
		}
		return hodei.Pipeline{ID: w.pipeline, Name: "demo"}, nil
	})
	rpc.Handle(svc, schemas.ApplyPipeline, func(_ context.Context, req schemas.ApplyPipelineRequest) (schemas.AppliedPipeline, error) {
		got, err := hodei.JSON(req)
		return schemas.AppliedPipeline{Changes: []hodei.Change{{Field: "request", Action: hodei.ChangeChanged, To: got}}, New: req.DryRun}, err
	})
	rpc.Handle(svc, schemas.GetDefinition, func(context.Context, schemas.GetDefinitionRequest) (schemas.PipelineDocument, error) {
		return schemas.PipelineDocument(`{"slug":"x","jobs":{"a":{"command":"one\ntwo\n","env":{"A":"1.30"}}}}`), nil
	})
	rpc.Handle(svc, schemas.ListPipelines, func(_ context.Context, req schemas.ListPipelinesRequest) (schemas.List[hodei.Pipeline], error) {
		return schemas.List[hodei.Pipeline]{Items: make([]hodei.Pipeline, req.Size())}, nil
	})
	rpc.Handle(svc, schemas.ExecuteJob, func(_ context.Context, req schemas.ExecuteJobRequest) (schemas.StartedExecution, error) {
		if req.IfNoWorker == schemas.Reject {
			return schemas.StartedExecution{}, hodei.Errorf(hodei.Rejected, "No worker")
		}
		return schemas.StartedExecution{ExecutionID: w.exec, JobID: req.ID, Status: hodei.Pending, Environment: req.Environment}, nil
	})
	rpc.Handle(svc, schemas.Schedule, func(_ context.Context, req schemas.ScheduleRequest) (schemas.Decision, error) {
		out := schemas.Decision{DryRun: req.DryRun, Status: hodei.Pending}
		if req.ExecutionID != nil {
			id, _ := req.ExecutionID.ID()
			out.ExecutionID = &id
		}
		return out, nil
	})
	rpc.Handle(svc, schemas.GetQueue, func(context.Context, schemas.GetQueueRequest) (schemas.QueueList, error) {
		return schemas.QueueList{Items: []schemas.QueueEntry{}}, nil
	})
	rpc.Handle(svc, schemas.GetExecution, func(context.Context, schemas.GetExecutionRequest) (hodei.Execution, error) {
		return w.execution(), nil
	})
	rpc.Handle(svc, schemas.GetRun, func(_ context.Context, req schemas.GetRunRequest) (hodei.Run, error) {
		if id, _ := req.ID.ID(); id != w.run {
			return hodei.Run{}, req.ID.Missing()
		}
		return w.oneRun(), nil
	})
	rpc.Handle(svc, schemas.GetLogs, w.logs)
	rpc.Handle(svc, schemas.ReadLogs, w.read)
	for _, op := range []schemas.Operation[schemas.Empty, schemas.Health]{
		schemas.OrchestratorHealth, schemas.SchedulerHealth, schemas.WorkerManagerHealth,
	} {
		rpc.Handle(svc, op, func(context.Context, schemas.Empty) (schemas.Health, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return schemas.Health{Ready: !w.sick, Checks: map[string]string{"postgres": map[bool]string{false: "ok", true: "gone"}[w.sick]}}, nil
		})
	}
	run(t, svc.Run)
	<-svc.Ready()
	w.edge, _ = serve(t, nc, edge.Config{})
	return w
}

// serve runs an edge on free ports until the test ends or stop is called.
func serve(t *testing.T, nc *nats.Conn, cfg edge.Config) (e *edge.Edge, stop func()) {
	cfg.NATS, cfg.Log, cfg.Version = nc, localtest.Log(t), "0.0.1"
	e = edge.New(cfg)
	stop = run(t, e.Run)
	<-e.Ready()
	return e, stop
}

// run runs until the test ends or stop is called.
func run(t *testing.T, fn func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("stopped with", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (w *world) execution() hodei.Execution {
	w.mu.Lock()
	defer w.mu.Unlock()
	return hodei.Execution{ID: w.exec, Status: w.status, LogCount: w.recorded}
}

// oneRun is a run of one job, which is as its execution.
func (w *world) oneRun() hodei.Run {
	e, begun := w.execution(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	job := hodei.RunJob{Key: "build", Job: "build", Status: hodei.RunJobStatus(e.Status), ExecutionID: &e.ID, Attempt: 1, StartedAt: &begun}
	return hodei.Run{ID: w.run, PipelineID: w.pipeline, Number: 1, Status: hodei.RunStatus(e.Status), Jobs: []hodei.RunJob{job}}
}

func (w *world) logs(_ context.Context, req schemas.GetLogsRequest) (schemas.LogPage, error) {
	if id, _ := req.ID.ID(); id != w.exec {
		return schemas.LogPage{}, req.ID.Missing()
	}
	filter, err := req.Filter(time.Now())
	if err != nil {
		return schemas.LogPage{}, err
	}
	e := w.execution()
	page := schemas.LogPage{Items: []json.RawMessage{}, LogCount: e.LogCount, Status: e.Status}
	cursor, _ := strconv.ParseInt(req.Cursor, 10, 64)
	for n := max(cursor+1, req.From(e.LogCount)); n <= e.LogCount && len(page.Items) < req.Limit; n++ {
		if filter.Match(line(n)) {
			page.Items = append(page.Items, encoded(n))
		}
	}
	return page, nil
}

func (w *world) read(_ context.Context, req schemas.ReadLogsRequest) (schemas.RecordedLog, error) {
	if req.ID != w.exec {
		return schemas.RecordedLog{}, hodei.Missing("execution", req.ID.String())
	}
	e := w.execution()
	log := schemas.RecordedLog{LogEnd: schemas.LogEnd{ExecutionID: e.ID, LogCount: e.LogCount, Status: e.Status}}
	var lines []byte
	last := min(e.LogCount, req.After+int64(req.Limit))
	for n := req.After + 1; n <= last; n++ {
		lines = append(append(lines, encoded(n)...), '\n')
	}
	if len(lines) > 0 {
		body := logchunk.Compress(lines)
		log.Chunks = []schemas.LogChunk{{First: req.After + 1, Last: last, Lines: body.Lines, Size: body.Size}}
	}
	return log, nil
}

// line n goes to standard error when n is even.
func line(n int64) hodei.LogLine {
	return hodei.LogLine{
		Timestamp: time.Date(2026, 1, 1, 0, 0, int(n), 0, time.UTC), Sequence: n, Line: fmt.Sprintf("<line %d>", n),
		Stream: []hodei.Stream{hodei.Stderr, hodei.Stdout}[n%2],
	}
}

func encoded(n int64) json.RawMessage {
	b, _ := json.Marshal(line(n))
	return b
}

// write writes lines to the window and the record.
func (w *world) write(t *testing.T, first, last int64) {
	msg := nats.NewMsg(schemas.LogSubject(hodei.WorkerID{1}, w.exec))
	msg.Header.Set(schemas.HeaderFirst, strconv.FormatInt(first, 10))
	msg.Header.Set(schemas.HeaderLast, strconv.FormatInt(last, 10))
	for n := first; n <= last; n++ {
		msg.Data = append(append(msg.Data, encoded(n)...), '\n')
	}
	_, err := w.nc.RequestMsg(msg, time.Minute)
	require.NoError(t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recorded = last
}

func (w *world) end(t *testing.T) {
	w.mu.Lock()
	w.status = hodei.Completed
	w.mu.Unlock()
	event := schemas.Event{Type: schemas.EventCompleted, Execution: w.execution()}
	require.NoError(t, rpc.PublishEvent(t.Context(), w.nc, event))
}

// frame returns line n as a stream sends it.
func frame(n int64) string { return fmt.Sprintf("id: %d\ndata: %s\n\n", n, encoded(n)) }

func frames(first, last int64) string {
	var b strings.Builder
	for n := first; n <= last; n++ {
		b.WriteString(frame(n))
	}
	return b.String()
}

func (w *world) done(status hodei.ExecutionStatus, count int64) string {
	return fmt.Sprintf("event: done\ndata: {\"execution_id\":%q,\"status\":%q,\"exit_code\":null,\"log_count\":%d}\n\n", w.exec, status, count)
}

// browser returns a client that makes requests over connections of its own.
func browser(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// do makes a request; headers are "Name: value".
func do(t *testing.T, method, url, body string, headers ...string) *http.Response {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := browser(t).Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func text(t *testing.T, resp *http.Response) string {
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

// stream opens the log's stream and returns a function that reads exactly the
// wanted text.
func (w *world) url(path string) string { return "http://" + w.edge.Addrs()[0] + path }

// stream opens the log's stream and returns a reader of exactly so many bytes
// at a time.
func (w *world) stream(t *testing.T, addr, query string, headers ...string) (next func(want string), resp *http.Response) {
	resp = do(t, "GET", "http://"+addr+"/executions/"+w.exec.String()+"/logs/stream"+query, "", headers...)
	require.Equal(t, 200, resp.StatusCode)
	r := bufio.NewReader(resp.Body)
	return func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		_, err := io.ReadFull(r, got)
		require.NoError(t, err, "got %q", got)
		require.Equal(t, want, string(got))
	}, resp
}

// listen serves on a free port until the test ends.
func listen(t *testing.T, srv *http.Server) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // returns what Close makes it return
	}()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return l.Addr().String()
}

// forget deletes a stream of NATS.
func (w *world) forget(t *testing.T, stream string) {
	t.Helper()
	js, err := jetstream.New(w.nc)
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), stream))
}
