package workermanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// finish records the ends that a worker reports, in one statement.
func (m *Manager) finish(ctx context.Context, req schemas.FinishRequest) (schemas.Results[schemas.Finished], error) {
	results := make([]schemas.Result[schemas.Finished], len(req.Ends))
	var valid []int
	var reports []postgres.Report
	for i, end := range req.Ends {
		if err := end.Validate(); err != nil {
			results[i] = rpc.Result(ctx, m.svc, schemas.FinishExecutions.Op, schemas.Finished{}, err)
			continue
		}
		valid, reports = append(valid, i), append(reports, postgres.Report{ID: end.ExecutionID, Outcome: end.Outcome})
	}
	for n, ended := range m.db.FinishExecutions(ctx, req.WorkerID, reports, m.wakeRuns) {
		finished, err := m.finished(ctx, req, req.Ends[valid[n]], ended)
		results[valid[n]] = rpc.Result(ctx, m.svc, schemas.FinishExecutions.Op, finished, err)
	}
	return schemas.Results[schemas.Finished]{Results: results}, nil
}

// finished publishes an end once the record has the whole log, or returns what
// the record lacks. The worker repeats the report until the end is committed. An incomplete
// log does not block the end: if the worker has nothing more to send, or if no
// line is missing but the digest differs, the end is committed and the log is
// recorded as damaged.
func (m *Manager) finished(ctx context.Context, req schemas.FinishRequest, end schemas.End, ended postgres.Ended) (schemas.Finished, error) {
	if ended.Err != nil {
		return schemas.Finished{}, ended.Err
	}
	e := ended.Execution
	out := schemas.Finished{ExecutionID: e.ID, Status: e.Status, Missing: []schemas.Span{}}
	if !ended.Whole {
		holes, err := m.db.MissingLogs(ctx, e.ID, end.Outcome.LogCount)
		if err != nil {
			return out, err
		}
		if len(holes) > 0 && !end.Final {
			for _, hole := range holes[:min(len(holes), max(1, mostMissing/len(req.Ends)))] {
				out.Missing = append(out.Missing, schemas.Span{ExecutionID: e.ID, First: hole[0], Last: hole[1]})
			}
			return out, nil
		}
		if e, err = m.finishDamaged(ctx, req.WorkerID, end, holes); err != nil {
			return out, err
		}
		out.Status = e.Status
	}
	m.publishEnd(ctx, e, &req.Free, req.Revision)
	if !ended.Whole || e.RetryAt != nil { // otherwise wakeRuns came with the commit
		m.wake(e)
	}
	return out, nil
}

// mostMissing limits the gaps that an answer to a worker lists, for all ends together. It
// lists at least one gap for each.
const mostMissing = 100

// finishDamaged commits an end whose log has gaps or a wrong digest.
func (m *Manager) finishDamaged(ctx context.Context, worker hodei.WorkerID, end schemas.End, holes [][2]int64) (hodei.Execution, error) {
	if len(holes) == 0 { // the last chunk may have been committed between the two queries
		if e, whole, err := m.db.FinishExecution(ctx, end.ExecutionID, worker, end.Outcome); err != nil || whole {
			return e, err
		}
	}
	gaps := gapLines(end.ExecutionID, holes, end.Outcome.LogCount)
	e, err := m.db.FinishDamaged(ctx, end.ExecutionID, worker, end.Outcome, gaps, m.keptDays())
	if err == nil {
		m.log.WarnContext(ctx, "log damaged", "execution_id", e.ID, "holes", len(holes), "lines", end.Outcome.LogCount)
	}
	return e, err
}

// gapLines returns the lines that mark the gaps: one at the first sequence of
// each gap. If only the digest is wrong, one after the last line.
func gapLines(id hodei.ExecutionID, holes [][2]int64, count int64) []postgres.Chunk {
	now := time.Now().UTC()
	line := func(sequence int64, text string) postgres.Chunk {
		body, _ := hodei.JSON(hodei.LogLine{Timestamp: now, Stream: hodei.Stderr, Line: text, Sequence: sequence}) // it cannot fail
		chunk := logchunk.Body{Lines: append(body, '\n')}
		return postgres.Chunk{ExecutionID: id, First: sequence, Last: sequence, Digest: int64(chunk.Digest()), Body: chunk}
	}
	var gaps []postgres.Chunk
	for _, hole := range holes {
		text := fmt.Sprintf("[hodei] lines %d-%d of this log were lost", hole[0], hole[1])
		if hole[0] == hole[1] {
			text = fmt.Sprintf("[hodei] line %d of this log was lost", hole[0])
		}
		gaps = append(gaps, line(hole[0], text))
	}
	if len(gaps) == 0 {
		gaps = append(gaps, line(count+1, "[hodei] this log is damaged: its lines are not those that the worker sent"))
	}
	return gaps
}

// stop ends an execution in any state: a waiting one at once, a running one
// through its worker, whose report of the end makes it CANCELLED with that reason.
// REJECTED is for waiting ones only: an execution that has started stays.
func (m *Manager) stop(ctx context.Context, req schemas.StopExecutionRequest) (hodei.Execution, error) {
	reason := cmp.Or(req.Reason, hodei.ReasonCancelled)
	err := m.endPending(ctx, req.ID, reason)
	if err == nil || !errors.Is(err, hodei.Conflict) || reason == hodei.ReasonRejected {
		if err != nil {
			return hodei.Execution{}, err
		}
		return m.db.GetExecution(ctx, req.ID)
	}
	e, err := m.db.RequestCancel(ctx, req.ID)
	if err != nil {
		return e, err
	}
	m.publish(ctx, schemas.Event{Type: schemas.EventCancel, Execution: e})
	if e.Status.Ended() && e.RunID != nil { // its job had a retry due, and has now ended
		m.wakeRuns()
	}
	if e.Status == hodei.Running {
		m.interruptSoon(ctx, *e.WorkerID, schemas.InterruptRequest{ExecutionID: e.ID, Reason: hodei.ReasonCancelled})
	}
	return e, nil
}

// interruptsAtOnce is the limit of interrupts that stop has in flight.
const interruptsAtOnce = 256

// interruptSoon is interrupt for a caller that must not wait for the worker: a frozen one
// would hold the request of a user, or a loop of the orchestrator. Above interruptsAtOnce
// it leaves the interrupt to the reconciler.
func (m *Manager) interruptSoon(ctx context.Context, worker hodei.WorkerID, req schemas.InterruptRequest) {
	ctx = context.WithoutCancel(ctx) // the request is answered before
	m.interrupting.TryGo(func() error {
		defer rpc.Recover(m.log, "interrupt")
		m.interrupt(ctx, worker, req)
		return nil
	})
}

// interrupt makes the worker end executions. It gives up after probeTimeout, because the
// worker may be frozen. The reconciler repeats interrupts that were not delivered.
func (m *Manager) interrupt(ctx context.Context, worker hodei.WorkerID, all ...schemas.InterruptRequest) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for _, req := range all {
		if ctx.Err() != nil {
			return
		}
		_, err := rpc.CallWorker(ctx, m.nc, schemas.InterruptExecution, worker, req)
		if err != nil && !errors.Is(err, hodei.NotFound) && !errors.Is(err, nats.ErrNoResponders) {
			m.log.WarnContext(ctx, "interrupt not delivered", "execution_id", req.ExecutionID, "worker_id", worker, "err", err)
		}
	}
}

// endPending ends an execution that waits for a worker.
func (m *Manager) endPending(ctx context.Context, id hodei.ExecutionID, reason hodei.Reason) error {
	e, err := m.db.EndPending(ctx, id, hodei.Cancelled, reason)
	if err == nil {
		m.publishEnd(ctx, e, nil, 0)
		m.wake(e)
	}
	return err
}
