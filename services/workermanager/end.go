package workermanager

import (
	"cmp"
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// finish records the end that a worker reports, once the record has the whole
// log. The worker repeats it until it is told that the end is committed.
func (m *Manager) finish(ctx context.Context, req schemas.FinishRequest) (schemas.Finished, error) {
	e, whole, err := m.db.FinishExecution(ctx, req.ExecutionID, req.WorkerID, req.Outcome)
	if err != nil {
		return schemas.Finished{}, err
	}
	out := schemas.Finished{ExecutionID: e.ID, Status: e.Status, Missing: []schemas.Span{}}
	if whole {
		m.publishEnd(ctx, e, &req.Free, req.Word)
		return out, nil
	}
	holes, err := m.db.MissingLogs(ctx, e.ID, req.Outcome.LogCount)
	if err != nil {
		return out, err
	}
	if len(holes) == 0 {
		return out, hodei.Errorf(hodei.Internal, "The log's digest is not its worker's")
	}
	for _, hole := range holes {
		out.Missing = append(out.Missing, schemas.Span{ExecutionID: e.ID, First: hole[0], Last: hole[1]})
	}
	return out, nil
}

// stop ends an execution wherever it is: one that waits at once, one that runs
// through its worker, whose report of the end is what makes it CANCELLED.
func (m *Manager) stop(ctx context.Context, req schemas.StopExecutionRequest) (hodei.Execution, error) {
	reason := cmp.Or(req.Reason, hodei.ReasonCancelled)
	err := m.endPending(ctx, req.ID, reason)
	if err == nil || !errors.Is(err, hodei.Conflict) || reason != hodei.ReasonCancelled {
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
	if e.Status == hodei.Running {
		m.interrupt(ctx, e.ID, *e.WorkerID, hodei.ReasonCancelled)
	}
	return e, nil
}

// interrupt has the worker end a run. Should the worker not hear it, the
// reconciler says it again.
func (m *Manager) interrupt(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, reason hodei.Reason) {
	_, err := rpc.CallWorker(ctx, m.nc, schemas.InterruptExecution, worker, schemas.InterruptRequest{ExecutionID: id, Reason: reason})
	if err != nil && !errors.Is(err, hodei.NotFound) && !errors.Is(err, nats.ErrNoResponders) {
		m.log.WarnContext(ctx, "interrupt not heard", "execution_id", id, "worker_id", worker, "err", err)
	}
}

// endPending ends an execution that waits for a worker.
func (m *Manager) endPending(ctx context.Context, id hodei.ExecutionID, reason hodei.Reason) error {
	e, err := m.db.EndPending(ctx, id, hodei.Cancelled, reason)
	if err == nil {
		m.publishEnd(ctx, e, nil, 0)
	}
	return err
}
