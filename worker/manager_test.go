package worker

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// manager replaces the worker manager: it answers the worker, stores its
// messages, and acknowledges chunks unless configured otherwise.
type manager struct {
	nc *nats.Conn

	mu         sync.Mutex
	changed    sync.Cond
	registered []schemas.RegisterWorkerRequest
	logs       map[hodei.ExecutionID]map[int64][]byte // chunks by first sequence
	digests    map[hodei.ExecutionID]map[int64]int64  // of the same chunks
	chunks     int                                    // chunks received, including repeated ones
	ends       map[hodei.ExecutionID][]end
	left       []schemas.LeaveRequest
	// Deliberate faults.
	lose       func(first int64) bool // a chunk never arrives
	refuse     func(first int64) bool // a chunk is refused
	missing    bool                   // lines are missing, until an end is final
	mute       bool                   // chunks are not acknowledged
	refuseEnds error
	holdEnds   bool              // reports of ends are not answered
	refuseEnd  hodei.ExecutionID // the end of one execution is refused
	together   []int             // how many ends each request had
}

// end is the report of an end, with what came beside it.
type end struct {
	schemas.End
	Free     int
	Revision uint64
}

func newManager(t testing.TB, nc *nats.Conn) *manager {
	m := &manager{nc: nc, logs: map[hodei.ExecutionID]map[int64][]byte{}, digests: map[hodei.ExecutionID]map[int64]int64{}, ends: map[hodei.ExecutionID][]end{}}
	m.changed.L = &m.mu
	svc := rpc.New(rpc.Config{NATS: nc, Name: schemas.WorkerManager, Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.JoinWorker, m.register)
	rpc.Handle(svc, schemas.FinishExecutions, m.finish)
	rpc.Handle(svc, schemas.LeaveWorker, m.leave)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = svc.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-svc.Ready()
	_, err := nc.Subscribe(schemas.LogSubjects, m.chunk)
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	return m
}

func (m *manager) register(_ context.Context, req schemas.RegisterWorkerRequest) (hodei.Worker, error) {
	defer m.change()()
	m.registered = append(m.registered, req)
	return hodei.Worker{ID: *req.ID}, nil
}

func (m *manager) finish(_ context.Context, req schemas.FinishRequest) (reply schemas.Results[schemas.Finished], err error) {
	defer m.change()()
	m.together = append(m.together, len(req.Ends))
	m.changed.Broadcast()
	for m.holdEnds {
		m.changed.Wait()
	}
	for _, e := range req.Ends {
		m.ends[e.ExecutionID] = append(m.ends[e.ExecutionID], end{e, req.Free, req.Revision})
		if m.refuseEnd == e.ExecutionID {
			reply.Results = append(reply.Results, schemas.Result[schemas.Finished]{Error: hodei.Errorf(hodei.Conflict, "Refused")})
			continue
		}
		finished := schemas.Finished{ExecutionID: e.ExecutionID, Status: e.Outcome.Status, Missing: []schemas.Span{}}
		if m.missing && !e.Final {
			finished.Status, finished.Missing = hodei.Running, []schemas.Span{{ExecutionID: e.ExecutionID, First: 1, Last: 1}}
		}
		reply.Results = append(reply.Results, schemas.Result[schemas.Finished]{Value: &finished})
	}
	return reply, m.refuseEnds
}

func (m *manager) leave(_ context.Context, req schemas.LeaveRequest) (schemas.Empty, error) {
	defer m.change()()
	m.left = append(m.left, req)
	return schemas.Empty{}, nil
}

// departures returns the workers that have left so far.
func (m *manager) departures() []schemas.LeaveRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.left)
}

func (m *manager) chunk(msg *nats.Msg) {
	defer m.change()()
	worker, id, _ := schemas.ParseLogSubject(msg.Subject)
	first, _ := strconv.ParseInt(msg.Header.Get(schemas.HeaderFirst), 10, 64)
	last, _ := strconv.ParseInt(msg.Header.Get(schemas.HeaderLast), 10, 64)
	if m.chunks++; m.lose != nil && m.lose(first) {
		return
	}
	if m.refuse != nil && m.refuse(first) {
		body, _ := json.Marshal(schemas.Stored{Refused: []schemas.Span{{ExecutionID: id, First: first, Last: last}}})
		_ = m.nc.Publish(schemas.StoredSubject(worker), body)
		return
	}
	if m.logs[id] == nil {
		m.logs[id], m.digests[id] = map[int64][]byte{}, map[int64]int64{}
	}
	body, _ := logchunk.Parse(msg.Data, msg.Header.Get(schemas.HeaderEncoding))
	m.logs[id][first], _ = body.NDJSON() // nothing of a damaged chunk: the tests then miss its lines
	m.digests[id][first] = int64(body.Digest())
	if !m.mute {
		body, _ := json.Marshal(schemas.Stored{Spans: []schemas.Span{{ExecutionID: id, First: first, Last: last}}})
		_ = m.nc.Publish(schemas.StoredSubject(worker), body)
	}
}

// change locks. The returned function wakes waiters and unlocks.
func (m *manager) change() func() {
	m.mu.Lock()
	return func() { m.changed.Broadcast(); m.mu.Unlock() }
}

// await waits for a condition on the manager's state.
func (m *manager) await(t testing.TB, what string, met func() bool) {
	t.Helper()
	late := false
	defer time.AfterFunc(30*time.Second, func() { defer m.change()(); late = true }).Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	for !met() {
		require.False(t, late, "timed out: %s", what)
		m.changed.Wait()
	}
}
