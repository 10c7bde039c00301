package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// call creates the child run that a job of the parent requires. If the pipeline cannot be
// started, the job fails with the reason. After any other failure, the next step of the
// parent repeats the call.
func (o *Orchestrator) call(ctx context.Context, parent hodei.Run, call hodei.RunCall) {
	err := o.startChild(ctx, parent, call)
	if why, refused := refusal(call, err); refused {
		err = o.refuse(ctx, parent.ID, call, why)
	}
	if err != nil {
		o.log.WarnContext(ctx, "run of a job not created", "run_id", parent.ID, "job_key", call.Key, "pipeline", call.Slug, "err", err)
	}
}

func (o *Orchestrator) startChild(ctx context.Context, parent hodei.Run, call hodei.RunCall) error {
	if err := o.disks.Check(); err != nil {
		return err
	}
	// The author of the definition needed the right to start the pipeline; the user who started the
	// run does not need it.
	pipeline, err := o.db.PipelineID(hodei.WithCaller(ctx, hodei.Caller{}), hodei.PipelineRef(call.Slug))
	if err != nil {
		return err
	}
	draft := hodei.Run{
		PipelineID: pipeline, Trigger: hodei.RunTrigger{Kind: hodei.TriggerPipeline, By: parent.Trigger.By},
		Parent: &hodei.ParentRun{RunID: parent.ID, Pipeline: parent.Pipeline, Number: parent.Number, JobKey: call.Key},
	}
	if call.Ref != "" {
		draft.Ref = &call.Ref
	}
	a, created, err := o.db.CreateChild(ctx, draft, call, func(r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error {
		return run.ExpandCall(r, run.Source{Settings: settings, Jobs: jobs, NoSecrets: parent.Plan.NoSecrets, CacheScope: parent.Plan.CacheScope}, call)
	}, advance, o.handOver)
	if err != nil || !created {
		return err
	}
	_ = o.nc.Publish(schemas.RunSubject, nil) // the parent is due; if the message is lost, the sweep finds it
	o.carryOut(ctx, a)
	return nil
}

// refusal returns why the pipeline cannot be started; false for an error that may be
// temporary.
func refusal(call hodei.RunCall, err error) (hodei.Refusal, bool) {
	switch {
	case errors.Is(err, hodei.NotFound):
		return hodei.Refusal{Reason: hodei.ReasonStartFailed, Message: fmt.Sprintf("no pipeline has the slug %q", call.Slug)}, true
	case errors.Is(err, hodei.Rejected):
		return hodei.Refusal{Reason: hodei.ReasonRejected, Message: call.Slug + ": " + run.Issue(err)}, true
	case errors.Is(err, hodei.Invalid):
		return hodei.Refusal{Reason: hodei.ReasonStartFailed, Message: call.Slug + ": " + run.Issue(err)}, true
	}
	return hodei.Refusal{}, false
}

// refuse fails the attempt of the job.
func (o *Orchestrator) refuse(ctx context.Context, id hodei.RunID, call hodei.RunCall, why hodei.Refusal) error {
	return o.advanceRun(ctx, id, "", func(r *hodei.Run, _ time.Time) error {
		run.Refuse(r, call.Key, call.Attempt, why)
		return nil
	})
}

// stopRun cancels a run because the job that waits for it is stopped.
func (o *Orchestrator) stopRun(ctx context.Context, id hodei.RunID) {
	err := o.advanceRun(ctx, id, "", func(r *hodei.Run, now time.Time) error {
		run.Stop(r, now)
		return nil
	})
	if err != nil {
		o.log.WarnContext(ctx, "child run not cancelled", "run_id", id, "err", err)
	}
}
