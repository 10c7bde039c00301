package orchestrator

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

func (o *Orchestrator) getExecution(ctx context.Context, req schemas.GetExecutionRequest) (hodei.Execution, error) {
	id, err := o.db.ExecutionID(ctx, req.ID)
	if err != nil {
		return hodei.Execution{}, err
	}
	return o.db.GetExecution(ctx, id)
}

func (o *Orchestrator) listExecutions(ctx context.Context, req schemas.ListExecutionsRequest) (schemas.List[hodei.Execution], error) {
	states, err := schemas.States("status", req.Status, hodei.ExecutionTransitions)
	if err != nil {
		return schemas.List[hodei.Execution]{}, err
	}
	pipelines, err := resolve(ctx, "pipeline_id", req.PipelineID, o.db.PipelineID)
	if err != nil {
		return schemas.List[hodei.Execution]{}, err
	}
	runs, err := resolve(ctx, "run_id", req.RunID, o.db.RunID)
	if err != nil {
		return schemas.List[hodei.Execution]{}, err
	}
	past, err := resolveOne(ctx, "retry_of", req.RetryOf, o.db.ExecutionID)
	if err != nil {
		return schemas.List[hodei.Execution]{}, err
	}
	items, next, err := o.db.ListExecutions(ctx,
		postgres.ExecutionFilter{
			JobIDs: req.JobID, PipelineIDs: pipelines, WorkerIDs: req.WorkerID, States: states, RetryOf: past, RunIDs: runs,
			Created: between(req.Created),
		},
		postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Execution]{Items: items, NextCursor: next}, err
}

// executeJob starts an execution of the job, or records and queues it.
func (o *Orchestrator) executeJob(ctx context.Context, req schemas.ExecuteJobRequest) (schemas.StartedExecution, error) {
	job, err := o.db.GetJob(ctx, req.ID)
	if err != nil {
		return schemas.StartedExecution{}, err
	}
	spec, err := run.Alone(job, req.Command, req.Environment)
	if err := errors.Join(req.CheckDelay(), err, spec.CheckVariables(), spec.Check()); err != nil {
		return schemas.StartedExecution{}, err
	}
	estimate := sync.OnceValue(func() *float64 { return o.estimate(ctx, job.ID) })
	if req.Wait() > 0 { // estimate in parallel, because the execution is likely to start
		go estimate()
		defer estimate() // waits for the goroutine
	}
	draft := hodei.Execution{ID: postgres.NewExecutionID(ctx), JobID: &job.ID, PipelineID: &job.PipelineID, Spec: spec}
	draft.NotBefore = req.NotBefore
	if draft.NotBefore != nil && req.IfNoWorker == schemas.Reject {
		return schemas.StartedExecution{}, hodei.InvalidField("not_before", "an execution that waits for a time is queued: leave out if_no_worker")
	}
	e, decision, err := o.begin(ctx, draft, req.Waiting)
	if err != nil {
		return schemas.StartedExecution{}, err
	}
	out := started(e, decision)
	if out.StartedAt == nil || out.Status != hodei.Running {
		return out, nil
	}
	if seconds := estimate(); seconds != nil {
		out.EstimatedCompletion = new(out.StartedAt.Add(time.Duration(*seconds * float64(time.Second))))
	}
	return out, nil
}

// begin places an execution, or records and schedules it.
func (o *Orchestrator) begin(ctx context.Context, draft hodei.Execution, waiting schemas.Waiting) (hodei.Execution, schemas.Decision, error) {
	if err := o.disks.Check(); err != nil {
		return draft, schemas.Decision{}, err
	}
	if draft.NotBefore != nil {
		if e, err := o.delay(ctx, draft); err != nil || e.Held() || e.Status != hodei.Pending {
			return e, held(e), err
		}
	} else if waiting.Wait() > 0 {
		if e, placed := o.place(ctx, draft); placed {
			return e, schemas.DecisionOf(e), nil
		}
	}
	e, err := o.create(ctx, draft)
	if err != nil || e.Status != hodei.Pending { // placed after all, or repeated with an idempotency key
		return e, schemas.DecisionOf(e), err
	}
	decision, err := o.schedule(ctx, e, waiting)
	return e, decision, err
}

// retryExecution creates a retry of an ended execution. It replaces a retry that is due by
// the policy.
func (o *Orchestrator) retryExecution(ctx context.Context, req schemas.RetryExecutionRequest) (hodei.Execution, error) {
	past, err := o.getExecution(ctx, schemas.GetExecutionRequest(req))
	if err != nil {
		return past, err
	}
	if !past.Status.Ended() {
		conflict := hodei.Errorf(hodei.Conflict, "Execution is %s; only one that has ended can be retried", past.Status)
		conflict.Resource, conflict.ResourceID = "execution", past.ID.String()
		return past, conflict
	}
	if err := o.checkRetry(ctx, past); err != nil {
		return past, err
	}
	draft := hodei.Execution{
		JobID: past.JobID, PipelineID: past.PipelineID, Spec: past.Spec, Attempt: past.Attempt + 1, RetryOf: &past.ID,
	}
	if past.RetryAt != nil { // its run waits for the retry that this one replaces
		draft.RunID, draft.RunNumber, draft.JobKey = past.RunID, past.RunNumber, past.JobKey
	}
	return o.queue(ctx, draft)
}

// checkRetry returns CONFLICT for an execution whose start a person approved: the approval was
// for its run. The retries of its policy are part of that.
func (o *Orchestrator) checkRetry(ctx context.Context, past hodei.Execution) error {
	if past.RunID == nil || past.RetryAt != nil {
		return nil
	}
	of, err := o.db.GetWholeRun(ctx, *past.RunID)
	if err != nil {
		return err
	}
	for _, j := range of.Jobs {
		if j.Key == *past.JobKey && j.Spec.Approval != nil {
			return &hodei.Error{
				Code: hodei.Conflict, Message: "The job starts with an approval only: rerun its run",
				Resource: "execution", ResourceID: past.ID.String(),
			}
		}
	}
	return nil
}

// queue creates an execution and does not wait for a worker. The scheduler queues it from
// its created event.
func (o *Orchestrator) queue(ctx context.Context, draft hodei.Execution) (hodei.Execution, error) {
	if err := o.disks.Check(); err != nil {
		return draft, err
	}
	if time.Now().UnixNano() < o.full.Load() {
		return draft, hodei.Errorf(hodei.Rejected, "Not queued: the queue is full; try again later")
	}
	return o.create(ctx, draft)
}

// createExecution commits an execution without a job and does not wait for a worker.
func (o *Orchestrator) createExecution(ctx context.Context, req schemas.CreateExecutionRequest) (hodei.Execution, error) {
	spec, err := req.Spec()
	if err = errors.Join(req.CheckDelay(), err); err != nil {
		return hodei.Execution{}, err
	}
	draft := hodei.Execution{Spec: spec, NotBefore: req.NotBefore}
	if draft.NotBefore != nil {
		return o.delay(ctx, draft)
	}
	return o.queue(ctx, draft)
}

// execute creates an execution of a command without a job and does not wait for a
// worker.
func (o *Orchestrator) execute(ctx context.Context, req schemas.ExecuteRequest) (schemas.AdHocExecution, error) {
	if req.Command == nil || req.Command.IsZero() {
		return schemas.AdHocExecution{}, hodei.InvalidField("command", "required")
	}
	e, err := o.createExecution(ctx, schemas.CreateExecutionRequest(req))
	return schemas.AdHocExecution{
		ID: e.ID, Command: e.Command, Status: e.Status, CreatedAt: e.CreatedAt,
		Stream: hodei.Stdout, LogsAvailable: e.LogsAvailable,
	}, err
}

// create inserts an execution. It returns an execution that exists unchanged.
func (o *Orchestrator) create(ctx context.Context, draft hodei.Execution) (hodei.Execution, error) {
	if draft.Command.IsZero() {
		return draft, hodei.InvalidField("command", "required: the job has none")
	}
	e, err := o.db.CreateExecution(ctx, draft)
	if err == nil && e.Status == hodei.Pending {
		o.publish(ctx, schemas.EventCreated, e)
	}
	return e, err
}

// askAgain is the pause between two requests to the scheduler.
const askAgain = 200 * time.Millisecond

// ask requests a worker from the scheduler. A scheduler that hands over answers UNAVAILABLE;
// ask then repeats the request to the next one until the wait of the caller has ended.
func (o *Orchestrator) ask(ctx context.Context, e hodei.Execution, waiting schemas.Waiting, hungUp <-chan struct{}) (schemas.Decision, error) {
	id, until := hodei.RefTo(e.ID), time.Now().Add(waiting.Wait())
	for {
		decision, err := rpc.Call(ctx, o.nc, schemas.Schedule, schemas.ScheduleRequest{
			ExecutionID: &id, Brief: true, Waiting: waiting,
			JobConfig: &schemas.JobConfig{Requirements: &e.Requirements, Priority: &e.Priority},
		})
		left := time.Until(until.Add(-askAgain)).Seconds()
		if !errors.Is(err, hodei.Unavailable) || left <= 0 {
			return decision, err
		}
		select {
		case <-hungUp:
			return decision, err
		case <-ctx.Done():
			return decision, err
		case <-time.After(askAgain):
		}
		waiting.WaitSeconds = &left
	}
}

// schedule requests a worker from the scheduler. If no scheduler answers, the execution
// stays PENDING, and the next leader adopts it; with if_no_worker: reject it is ended.
func (o *Orchestrator) schedule(ctx context.Context, e hodei.Execution, waiting schemas.Waiting) (schemas.Decision, error) {
	var hungUp <-chan struct{}
	if waiting.Wait() > 0 {
		var may bool
		if hungUp, may = rpc.Wait(ctx); !may { // too many requests wait: queue it and answer at once
			waiting.WaitSeconds = new(float64)
		}
	}
	decision, err := o.ask(ctx, e, waiting, hungUp)
	if errors.Is(err, hodei.Conflict) { // the next scheduler has assigned it already
		now, err := o.db.GetExecution(ctx, e.ID)
		return schemas.DecisionOf(now), err
	}
	if !errors.Is(err, hodei.Unavailable) && !errors.Is(err, hodei.Timeout) {
		return decision, err
	}
	o.log.WarnContext(ctx, "execution not scheduled", "execution_id", e.ID, "err", err)
	if waiting.IfNoWorker == schemas.Reject {
		_, stop := rpc.Call(ctx, o.nc, schemas.StopExecution, schemas.StopExecutionRequest{ID: e.ID, Reason: hodei.ReasonRejected})
		if stop != nil && !errors.Is(stop, hodei.Conflict) {
			o.log.WarnContext(ctx, "execution not rejected, it may start later", "execution_id", e.ID, "err", stop)
		}
		return decision, err
	}
	if now, err := o.db.GetExecution(ctx, e.ID); err == nil {
		e = now // it may have been assigned nevertheless
	}
	decision = schemas.DecisionOf(e)
	if e.Status == hodei.Pending {
		decision.Reason = new("no scheduler answers")
	}
	return decision, nil
}

func started(e hodei.Execution, d schemas.Decision) schemas.StartedExecution {
	return schemas.StartedExecution{
		ExecutionID: e.ID, JobID: *e.JobID, Status: d.Status, WorkerID: d.WorkerID, WorkerType: d.WorkerType,
		Command: e.Command, Environment: e.Environment, StartedAt: d.StartedAt,
		QueuePosition: d.QueuePosition, Reason: d.Reason,
	}
}

// estimate returns the typical duration of the job in seconds; nil without earlier
// executions.
func (o *Orchestrator) estimate(ctx context.Context, id hodei.JobID) *float64 {
	defer rpc.Recover(o.log, "estimate") // it runs beside the handler
	seconds, err := o.db.TypicalDuration(ctx, id)
	if err != nil {
		o.log.WarnContext(ctx, "completion not estimated", "job_id", id, "err", err)
	}
	return seconds
}

func (o *Orchestrator) cancelExecution(ctx context.Context, req schemas.CancelExecutionRequest) (hodei.Execution, error) {
	id, err := o.db.ExecutionID(ctx, req.ID)
	if err != nil {
		return hodei.Execution{}, err
	}
	return rpc.Call(ctx, o.nc, schemas.StopExecution, schemas.StopExecutionRequest{ID: id})
}

func (o *Orchestrator) publish(ctx context.Context, kind string, e hodei.Execution) {
	err := rpc.PublishEvent(ctx, o.nc, schemas.Event{Type: kind, Time: time.Now().UTC(), Execution: e})
	if err != nil {
		o.log.WarnContext(ctx, "event not published", "type", kind, "execution_id", e.ID, "err", err)
	}
}
