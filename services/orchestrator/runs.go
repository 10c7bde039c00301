package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// carriedAtOnce is the limit of requests that one carryOut has in flight: child runs
// to create, runs to cancel and executions to stop.
const carriedAtOnce = 16

// runs are the runs with an ended execution, a request, or a timer that is due.
func (o *Orchestrator) runs() due.Rows {
	return due.Rows{Name: "runs", Subject: schemas.RunSubject, Next: o.db.NextRun, Take: o.advanceDue}
}

// advanceDue advances runs that are due.
func (o *Orchestrator) advanceDue(ctx context.Context) (more bool, err error) {
	all, stuck, err := o.db.AdvanceRuns(ctx, advance, o.handOver)
	for _, s := range stuck {
		o.log.ErrorContext(ctx, "run put off: it cannot advance", "run_id", s.RunID, "err", s.Err)
	}
	o.carryOut(ctx, all...)
	return len(all)+len(stuck) == postgres.RunsAtOnce, err
}

func advance(r *hodei.Run, ends []hodei.Execution, now time.Time) postgres.Steps {
	return postgres.Steps(run.Advance(r, ends, now, readDefinition))
}

// handOver publishes the created events of executions. The scheduler queues them.
func (o *Orchestrator) handOver(ctx context.Context, all []hodei.Execution) {
	for _, e := range all {
		o.publish(ctx, schemas.EventCreated, e)
	}
}

// carryOut publishes and executes committed decisions. Failures are repaired later: the sweep
// of the scheduler finds executions without an event, and the next step of a run repeats
// child runs and cancels.
func (o *Orchestrator) carryOut(ctx context.Context, all ...postgres.Advanced) {
	var g errgroup.Group
	g.SetLimit(carriedAtOnce)
	freed, notifies := false, false
	for _, a := range all {
		o.announce(ctx, a)
		freed = freed || a.Plan.Concurrency != nil && a.Status.Ended()
		notifies = notifies || a.Notifies
		for _, call := range a.Calls {
			g.Go(func() error { o.call(ctx, a.Run, call); return nil })
		}
		for _, id := range a.StopRuns {
			g.Go(func() error { o.stopRun(ctx, id); return nil })
		}
		if a.Trigger.ScheduleID != nil && a.Status.Ended() {
			o.announceSchedule()
		}
		for _, id := range a.Stop {
			g.Go(func() error { o.stopExecution(ctx, id, ""); return nil })
		}
	}
	if notifies {
		_ = o.nc.Publish(schemas.NotificationSubject, nil)
	}
	_ = g.Wait() // each has logged its own failure
	if freed {
		_ = o.nc.Publish(schemas.RunSubject, nil) // a run may wait for the key
	}
}

// stopExecution cancels an execution of a run or of a schedule. An empty reason is CANCELLED.
// The answer does not wait for the worker.
func (o *Orchestrator) stopExecution(ctx context.Context, id hodei.ExecutionID, why hodei.Reason) {
	_, err := rpc.Call(ctx, o.nc, schemas.StopExecution, schemas.StopExecutionRequest{ID: id, Reason: why})
	if err != nil && !errors.Is(err, hodei.Conflict) { // CONFLICT: it has ended
		o.log.WarnContext(ctx, "execution not cancelled", "execution_id", id, "err", err)
	}
}

// announce publishes the changes of a run and of its jobs.
func (o *Orchestrator) announce(ctx context.Context, a postgres.Advanced) {
	publish := func(kind string, j *hodei.RunJob) {
		err := rpc.PublishRunEvent(ctx, o.nc, schemas.RunEvent{Type: kind, Time: time.Now().UTC(), Run: a.Run, Job: j})
		if err != nil {
			o.log.WarnContext(ctx, "event not published", "type", kind, "run_id", a.Run.ID, "err", err)
		}
	}
	if a.Was == "" {
		publish(schemas.EventRunCreated, nil)
	}
	if a.StartedAt != nil && (a.Was == "" || a.Was == hodei.RunPending) {
		publish(schemas.EventRunStarted, nil)
	}
	for _, j := range a.Changed {
		if a.Was == "" && j.Status == hodei.JobWaiting {
			continue // the created event implies it
		}
		kind := schemas.EventRunJob
		if j.Status == hodei.JobBlocked {
			kind = schemas.EventRunBlocked
		}
		publish(kind, &j)
	}
	if a.Status.Ended() && (a.Was == "" || !a.Was.Ended()) {
		publish(schemas.RunEndEvent(a.Status), nil)
	}
}

// executePipeline creates a run and starts its first jobs.
func (o *Orchestrator) executePipeline(ctx context.Context, req schemas.ExecutePipelineRequest) (hodei.Run, error) {
	if err := errors.Join(o.disks.Check(), req.CheckDelay(), hodei.CheckEnvironment(req.Environment)); err != nil {
		return hodei.Run{}, err
	}
	pipeline, err := o.db.PipelineID(ctx, req.ID)
	if err != nil {
		return hodei.Run{}, err
	}
	draft := hodei.Run{PipelineID: pipeline, Trigger: hodei.RunTrigger{Kind: hodei.TriggerAPI, By: hodei.CallerName(ctx)}, Ref: req.Ref, NotBefore: req.NotBefore}
	if req.Trigger != "" {
		draft.Trigger.Kind = req.Trigger
	}
	return o.newRun(ctx, draft, func(r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error {
		return run.Expand(r, run.Source{Settings: settings, Jobs: jobs, Params: req.Params, Environment: req.Environment, Only: req.Only, Uploaded: req.Source})
	})
}

// rerunRun creates a run that repeats another one.
func (o *Orchestrator) rerunRun(ctx context.Context, req schemas.RerunRunRequest) (hodei.Run, error) {
	id, err := o.db.RunID(ctx, req.ID)
	if err != nil {
		return hodei.Run{}, err
	}
	past, err := o.db.GetWholeRun(ctx, id)
	if err != nil {
		return past, err
	}
	if !past.Status.Ended() {
		return past, &hodei.Error{
			Code: hodei.Conflict, Message: "Run is " + string(past.Status) + "; only one that has ended can be repeated",
			Resource: "run", ResourceID: past.ID.String(),
		}
	}
	draft := hodei.Run{PipelineID: past.PipelineID, Trigger: past.Trigger, RerunOf: &past.ID}
	draft.Trigger.Kind, draft.Trigger.By, draft.Trigger.ScheduleID = hodei.TriggerRerun, hodei.CallerName(ctx), nil
	return o.newRun(ctx, draft, func(r *hodei.Run, _ hodei.Settings, jobs []hodei.Job) error {
		err := run.Rerun(r, past, req.Jobs)
		run.Renew(r, jobs)
		return err
	})
}

// newRun records a run with its first executions. fill sets its jobs.
func (o *Orchestrator) newRun(ctx context.Context, draft hodei.Run, fill postgres.Expansion) (hodei.Run, error) {
	a, err := o.db.CreateRun(ctx, draft, fill, advance, o.handOver)
	if err != nil {
		return hodei.Run{}, err
	}
	if a.Status == hodei.RunPending { // it may have cancelled those before it
		_ = o.nc.Publish(schemas.RunSubject, nil)
	}
	o.carryOut(ctx, a)
	return a.Run, nil
}

func (o *Orchestrator) getRun(ctx context.Context, req schemas.GetRunRequest) (hodei.Run, error) {
	id, err := o.db.RunID(ctx, req.ID)
	if err != nil {
		return hodei.Run{}, err
	}
	return o.db.GetRun(ctx, id)
}

func (o *Orchestrator) listRuns(ctx context.Context, req schemas.ListRunsRequest) (schemas.List[hodei.Run], error) {
	states, err := schemas.States("status", req.Status, hodei.RunTransitions)
	if err != nil {
		return schemas.List[hodei.Run]{}, err
	}
	for _, kind := range req.Trigger {
		if !slices.Contains(hodei.TriggerKinds, kind) {
			return schemas.List[hodei.Run]{}, hodei.InvalidField("trigger", fmt.Sprintf("%s required, several separated by commas", schemas.Any(hodei.TriggerKinds...)))
		}
	}
	pipelines, err := resolve(ctx, "pipeline_id", req.PipelineID, o.db.PipelineID)
	if err != nil {
		return schemas.List[hodei.Run]{}, err
	}
	items, next, err := o.db.ListRuns(ctx,
		postgres.RunFilter{PipelineIDs: pipelines, States: states, Number: req.Number, Triggers: req.Trigger, Created: between(req.Created)},
		postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Run]{Items: items, NextCursor: next}, err
}

func (o *Orchestrator) cancelRun(ctx context.Context, req schemas.CancelRunRequest) (hodei.Run, error) {
	return o.decide(ctx, req.ID, "", func(r *hodei.Run, now time.Time) error {
		if r.CancelledBy == nil {
			r.CancelledBy = hodei.CallerName(ctx)
		}
		return run.Cancel(r, hodei.ReasonCancelled, now)
	})
}

func (o *Orchestrator) approveRun(ctx context.Context, req schemas.ApproveRunRequest) (hodei.Run, error) {
	return o.answer(ctx, req.RunAnswer, true)
}

func (o *Orchestrator) rejectRun(ctx context.Context, req schemas.RejectRunRequest) (hodei.Run, error) {
	return o.answer(ctx, req.RunAnswer, false)
}

func (o *Orchestrator) answer(ctx context.Context, req schemas.RunAnswer, approved bool) (hodei.Run, error) {
	return o.decide(ctx, req.ID, req.Key, func(r *hodei.Run, now time.Time) error {
		return run.Reply(r, req.Key, run.Answer{Approved: approved, By: hodei.CallerName(ctx), Comment: req.Comment}, now)
	})
}

// decide applies a user's decision about a run, or about the job with the key, and advances
// the run.
func (o *Orchestrator) decide(ctx context.Context, ref hodei.RunRef, key string, decision func(*hodei.Run, time.Time) error) (hodei.Run, error) {
	id, err := o.db.RunID(ctx, ref)
	if err != nil {
		return hodei.Run{}, err
	}
	if err := o.advanceRun(ctx, id, key, decision); err != nil {
		return hodei.Run{}, err
	}
	return o.db.GetRun(ctx, id)
}

// advanceRun changes a run, advances it and carries out the decisions. The job with the key, if
// any, counts as changed. After an error of change nothing is committed.
func (o *Orchestrator) advanceRun(ctx context.Context, id hodei.RunID, key string, change func(*hodei.Run, time.Time) error) error {
	a, err := o.db.AdvanceRun(ctx, id, func(r *hodei.Run, ends []hodei.Execution, now time.Time) (postgres.Steps, error) {
		if err := change(r, now); err != nil {
			return postgres.Steps{}, err
		}
		steps := run.Advance(r, ends, now, readDefinition)
		steps.Include(r, key)
		return postgres.Steps(steps), nil
	}, o.handOver)
	if err == nil {
		o.carryOut(ctx, a)
	}
	return err
}
