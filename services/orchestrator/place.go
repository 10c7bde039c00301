package orchestrator

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// placeHolds is how long placing may take before the execution is created
	// all the same, and found there if it was placed.
	placeHolds = 2 * time.Second
	// placePause is for how long nothing is placed after it came to nothing:
	// where executions wait, asking each time would be a request in vain.
	placePause = 100 * time.Millisecond
)

// place has an execution that is not recorded yet started at once, with one
// commit instead of two on the way to its start. Whatever it comes to
// otherwise, the execution is to be created under its id: there it is found,
// should it have been placed after all.
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
