package follow_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// written is the log of an execution: it replaces the worker that writes it and
// the services that store it.
type written struct {
	id hodei.ExecutionID
	nc *nats.Conn

	mu       sync.Mutex
	recorded map[int64]bool
	reads    int // of lines of the record
	exec     hodei.Execution
}

func newLog(t *testing.T, nc *nats.Conn) *written {
	id := hodei.ExecutionID(uuid.Must(uuid.NewV7()))
	l := &written{id: id, nc: nc, recorded: map[int64]bool{}, exec: hodei.Execution{ID: id, Status: hodei.Running, WorkerID: &hodei.WorkerID{1}}}
	svc := rpc.New(rpc.Config{NATS: nc, Name: schemas.WorkerManager, Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.ReadLogs, l.read)
	rpc.Handle(svc, schemas.GetLogs, l.page)
	rpc.Handle(svc, schemas.GetExecution, func(_ context.Context, req schemas.GetExecutionRequest) (hodei.Execution, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.exec, nil
	})
	run(t, svc.Run)
	<-svc.Ready()
	return l
}

// run runs until the test ends.
func run(t *testing.T, fn func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// read is logs.read. It returns the recorded lines, with gaps: the reader must
// not skip them.
func (l *written) read(_ context.Context, req schemas.ReadLogsRequest) (schemas.RecordedLog, error) {
	if req.ID != l.id {
		return schemas.RecordedLog{}, hodei.Missing("execution", req.ID.String())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if req.Limit > 0 {
		l.reads++
	}
	count := int64(len(l.recorded))
	if l.exec.Status.Ended() {
		count = l.exec.LogCount
	}
	log := schemas.RecordedLog{
		LogEnd: schemas.LogEnd{ExecutionID: l.id, LogCount: count, Status: l.exec.Status, ExitCode: l.exec.ExitCode}, WorkerID: l.exec.WorkerID,
	}
	const size = 7 // so that neither a page nor the requested line begins with a chunk
	for n := req.After/size*size + 1; n <= count+100; n++ {
		if past := n > req.After+int64(req.Limit); past && (req.Limit == 0 || !l.exec.Status.Ended() || len(log.Chunks) > 0) {
			break // the gap of an ended log may be wider than the page
		}
		if !l.recorded[n] {
			continue
		}
		last := n
		for last%size != 0 && l.recorded[last+1] {
			last++
		}
		if last > req.After {
			body := logchunk.Compress([]byte(lines(n, last)))
			log.Chunks = append(log.Chunks, schemas.LogChunk{First: n, Last: last, Lines: body.Lines, Size: body.Size})
		}
		n = last
	}
	return log, nil
}

// page is logs.get, used only to check that the execution exists.
func (l *written) page(_ context.Context, req schemas.GetLogsRequest) (schemas.LogPage, error) {
	if id, _ := req.ID.ID(); id != l.id {
		return schemas.LogPage{}, req.ID.Missing()
	}
	return schemas.LogPage{}, nil
}

func line(n int64) string {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return fmt.Sprintf(`{"timestamp":%q,"stream":"stdout","line":"line %d","sequence":%d}`, at.Format(time.RFC3339), n, n)
}

func lines(first, last int64) string {
	var b strings.Builder
	for n := first; n <= last; n++ {
		b.WriteString(line(n) + "\n")
	}
	return b.String()
}

// publish sends a chunk to the window, compressed unless it is small.
func (l *written) publish(t *testing.T, first, last int64) {
	l.send(t, first, last, logchunk.Compress([]byte(lines(first, last))))
}

func (l *written) send(t *testing.T, first, last int64, body logchunk.Body) {
	_, err := l.nc.RequestMsg(l.message(first, last, body), time.Minute) // the stream's acknowledgement
	require.NoError(t, err)
}

// publishCore publishes where there may be no stream.
func (l *written) publishCore(t *testing.T, first, last int64) {
	require.NoError(t, l.nc.PublishMsg(l.message(first, last, logchunk.Compress([]byte(lines(first, last))))))
}

func (l *written) message(first, last int64, body logchunk.Body) *nats.Msg {
	return l.messageOf(hodei.WorkerID{1}, first, last, body)
}

func (l *written) messageOf(worker hodei.WorkerID, first, last int64, body logchunk.Body) *nats.Msg {
	msg := nats.NewMsg(schemas.LogSubject(worker, l.id))
	msg.Header.Set(schemas.HeaderFirst, strconv.FormatInt(first, 10))
	msg.Header.Set(schemas.HeaderLast, strconv.FormatInt(last, 10))
	if msg.Data = body.Lines; body.Encoding() != "" {
		msg.Header.Set(schemas.HeaderEncoding, body.Encoding())
	}
	return msg
}

func (l *written) record(first, last int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := first; n <= last; n++ {
		l.recorded[n] = true
	}
}

// write records and publishes.
func (l *written) write(t *testing.T, first, last int64) {
	l.publish(t, first, last)
	l.record(first, last)
}

// forge publishes lines of another worker.
func (l *written) forge(t *testing.T, worker hodei.WorkerID, first, last int64) {
	text := strings.ReplaceAll(lines(first, last), "stdout", "stderr")
	require.NoError(t, l.nc.PublishMsg(l.messageOf(worker, first, last, logchunk.Compress([]byte(text)))))
	require.NoError(t, l.nc.Flush())
}

// runsOn commits the worker, and publishes that it has started the execution.
func (l *written) runsOn(t *testing.T, worker hodei.WorkerID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exec.Status, l.exec.WorkerID = hodei.Running, &worker
	require.NoError(t, rpc.PublishEvent(t.Context(), l.nc, schemas.Event{Type: schemas.EventStarted, Execution: l.exec}))
}

// end commits the end; publishEnd publishes it.
func (l *written) end(count int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	code := 3
	l.exec.Status, l.exec.ExitCode, l.exec.LogCount = hodei.Failed, &code, count
}

func (l *written) publishEnd(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	event := schemas.Event{Type: schemas.EndEvent(l.exec.Status), Execution: l.exec}
	require.NoError(t, rpc.PublishEvent(t.Context(), l.nc, event))
}

func (l *written) ended(count int64) *schemas.LogEnd {
	code := 3
	return &schemas.LogEnd{ExecutionID: l.id, Status: hodei.Failed, ExitCode: &code, LogCount: count}
}
