package orchestrator

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// placeHolds is the timeout of a placement. After it the execution is created
	// with the same id, which is a no-op if it was placed.
	placeHolds = 2 * time.Second
	// placePause is the pause after a failed placement. While executions are
	// queued, every placement fails, so each would cost a useless request.
	placePause = 100 * time.Millisecond
)

// place requests that the scheduler create and start an execution in one commit, instead of
// two commits before the start. If it returns false, the caller creates the execution with
// the same id; that is a no-op if it was placed after all.
func (o *Orchestrator) place(ctx context.Context, draft hodei.Execution) (placed hodei.Execution, ok bool) {
	if draft.Command.IsZero() || time.Now().UnixNano() < o.crowded.Load() {
		return draft, false
	}
	ctx, cancel := context.WithTimeout(ctx, placeHolds)
	defer cancel()
	a, err := rpc.Call(ctx, o.nc, schemas.PlaceExecution, schemas.PlaceRequest{
		ExecutionID: draft.ID, JobID: draft.JobID, PipelineID: draft.PipelineID, Spec: draft.Spec,
	})
	if err != nil {
		o.crowded.Store(time.Now().Add(placePause).UnixNano())
		o.log.DebugContext(ctx, "not placed", "execution_id", draft.ID, "err", err)
		return draft, false
	}
	draft.Status, draft.WorkerID, draft.WorkerType, draft.StartedAt = hodei.Running, &a.WorkerID, &a.WorkerType, &a.StartedAt
	return draft, true
}
