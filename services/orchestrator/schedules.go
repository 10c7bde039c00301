package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/internal/next"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// firedAtOnce is how many schedules an instance fires at the same time. A fire is a dozen
// statements in a row and one commit; most of its time it waits for Postgres.
const firedAtOnce = 4

// schedules are the schedules that are due: a planned time has come, or their run has ended.
func (o *Orchestrator) schedules() due.Rows {
	return due.Rows{Name: "schedules", Subject: schemas.ScheduleSubject, Next: o.db.NextSchedule, Take: o.fireDue, AtOnce: firedAtOnce}
}

// fireDue fires one schedule that is due.
func (o *Orchestrator) fireDue(ctx context.Context) (more bool, err error) {
	if err := o.disks.Check(); err != nil {
		return false, err
	}
	fired, err := o.db.FireSchedule(ctx, starter)
	if err != nil {
		return false, err
	}
	o.fired(ctx, fired)
	return true, nil
}

// starter fills in what schedules start.
var starter = postgres.Starter{
	Fill: func(s hodei.Schedule, r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error {
		return run.Expand(r, run.Source{Settings: settings, Jobs: jobs, Params: s.Params, Repository: s.Definition == hodei.DefinitionRepository})
	},
	Alone: func(job hodei.Job, at time.Time) (hodei.Spec, error) {
		return run.Alone(job, nil, map[string]string{
			hodei.RunVariable("scheduled_at"): at.UTC().Format(time.RFC3339), hodei.RunVariable("trigger"): string(hodei.TriggerSchedule),
		})
	},
	Advance: advance,
}

// fired publishes and executes a committed fire. If a message is lost, a sweep of the
// scheduler or of the runs finds the rows.
func (o *Orchestrator) fired(ctx context.Context, f postgres.Fired) {
	for _, a := range f.Runs {
		o.handOver(ctx, a.Created)
	}
	o.handOver(ctx, f.Executions)
	o.carryOut(ctx, f.Runs...)
	if f.Superseded {
		_ = o.nc.Publish(schemas.RunSubject, nil)
	}
	var g errgroup.Group
	g.SetLimit(carriedAtOnce)
	for _, id := range f.Stop {
		g.Go(func() error { o.stopExecution(ctx, id, hodei.ReasonSuperseded); return nil })
	}
	_ = g.Wait() // each has logged its own failure
	for _, fire := range f.Fires {
		if fire.Status == hodei.FireSkipped {
			o.log.WarnContext(ctx, "schedule started nothing", "schedule_id", f.Schedule.ID, "planned_at", fire.PlannedAt, "reason", *fire.Reason)
		}
	}
}

// announceSchedule wakes the loops of all instances for schedules.
func (o *Orchestrator) announceSchedule() { _ = o.nc.Publish(schemas.ScheduleSubject, nil) }

func (o *Orchestrator) createSchedule(ctx context.Context, req schemas.CreateScheduleRequest) (hodei.Schedule, error) {
	draft := hodei.Schedule{JobID: req.JobID, ScheduleSpec: req.ScheduleSpec, Paused: req.ScheduleSpec.Paused}
	if (req.PipelineID == nil) == (req.JobID == nil) {
		return draft, hodei.InvalidField("pipeline_id", "either pipeline_id or job_id is required")
	}
	pipeline, err := resolveOne(ctx, "pipeline_id", req.PipelineID, o.db.PipelineID)
	if err != nil {
		return draft, err
	}
	if pipeline != nil {
		draft.PipelineID = *pipeline
	}
	if err := o.checkSchedule(ctx, draft); err != nil {
		return draft, err
	}
	made, err := o.db.CreateSchedule(ctx, draft)
	if err == nil {
		o.announceSchedule()
	}
	return made, err
}

// inRequest converts the field of an error from the name in the file to that in a request.
func inRequest(err error) error {
	var invalid *hodei.Error
	if errors.As(err, &invalid) && invalid.Details != nil && invalid.Details.Field == "every" {
		return hodei.InvalidField("every_seconds", invalid.Details.Issue)
	}
	return err
}

// checkSchedule checks what the schema of a request cannot: its times, and its values for
// the params of the pipeline.
func (o *Orchestrator) checkSchedule(ctx context.Context, s hodei.Schedule) error {
	if _, err := next.Parse(s.ScheduleSpec, time.Time{}); err != nil {
		return inRequest(err)
	}
	if s.JobID != nil {
		if len(s.Params) > 0 {
			return hodei.InvalidField("params", "a job has no params; use pipeline_id")
		}
		if s.Definition == hodei.DefinitionRepository {
			return hodei.InvalidField("definition", "a job is executed as it was applied; use pipeline_id")
		}
		return nil
	}
	of, err := o.db.Recorded(ctx, s.PipelineID)
	if err != nil {
		return err
	}
	if s.Definition == hodei.DefinitionRepository && of.Settings.Source == nil {
		return hodei.InvalidField("definition", definition.NoSource)
	}
	_, err = run.Params(of.Settings.Params, s.Params)
	return err
}

func (o *Orchestrator) getSchedule(ctx context.Context, req schemas.GetScheduleRequest) (hodei.Schedule, error) {
	return o.db.GetSchedule(ctx, req.ID)
}

func (o *Orchestrator) listSchedules(ctx context.Context, req schemas.ListSchedulesRequest) (schemas.List[hodei.Schedule], error) {
	pipelines, err := resolve(ctx, "pipeline_id", req.PipelineID, o.db.PipelineID)
	if err != nil {
		return schemas.List[hodei.Schedule]{}, err
	}
	items, cursor, err := o.db.ListSchedules(ctx,
		postgres.ScheduleFilter{PipelineIDs: pipelines, JobIDs: req.JobID, Paused: req.Paused, Created: between(req.Created)},
		postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Schedule]{Items: items, NextCursor: cursor}, err
}

func (o *Orchestrator) updateSchedule(ctx context.Context, req schemas.UpdateScheduleRequest) (hodei.Schedule, error) {
	now, err := o.db.GetSchedule(ctx, req.ID)
	if err != nil {
		return now, err
	}
	req.Apply(&now)
	if err := o.checkSchedule(ctx, now); err != nil {
		return now, err
	}
	return o.changeSchedule(ctx, req.ID, req.At.Value != nil, req.Apply)
}

func (o *Orchestrator) changeSchedule(ctx context.Context, id hodei.ScheduleID, ahead bool, change func(*hodei.Schedule)) (hodei.Schedule, error) {
	s, err := o.db.ChangeSchedule(ctx, id, ahead, change)
	if err == nil {
		o.announceSchedule()
	}
	return s, err
}

func (o *Orchestrator) deleteSchedule(ctx context.Context, req schemas.DeleteScheduleRequest) (schemas.Empty, error) {
	return schemas.Empty{}, o.db.DeleteSchedule(ctx, req.ID)
}

func (o *Orchestrator) pauseSchedule(ctx context.Context, req schemas.PauseScheduleRequest) (hodei.Schedule, error) {
	return o.changeSchedule(ctx, req.ID, false, func(s *hodei.Schedule) { s.Paused = true })
}

func (o *Orchestrator) resumeSchedule(ctx context.Context, req schemas.ResumeScheduleRequest) (hodei.Schedule, error) {
	return o.changeSchedule(ctx, req.ID, false, func(s *hodei.Schedule) { s.Paused = false })
}

func (o *Orchestrator) pauseSchedules(ctx context.Context, req schemas.PauseSchedulesRequest) (schemas.ChangedSchedules, error) {
	return o.setPaused(ctx, req.PipelineID, true)
}

func (o *Orchestrator) resumeSchedules(ctx context.Context, req schemas.ResumeSchedulesRequest) (schemas.ChangedSchedules, error) {
	return o.setPaused(ctx, req.PipelineID, false)
}

func (o *Orchestrator) setPaused(ctx context.Context, ref *hodei.PipelineRef, paused bool) (schemas.ChangedSchedules, error) {
	pipeline, err := resolveOne(ctx, "pipeline_id", ref, o.db.PipelineID)
	if err != nil {
		return schemas.ChangedSchedules{}, err
	}
	n, err := o.db.PauseSchedules(ctx, pipeline, paused)
	if err == nil {
		o.announceSchedule()
	}
	return schemas.ChangedSchedules{Changed: n}, err
}

func (o *Orchestrator) triggerSchedule(ctx context.Context, req schemas.TriggerScheduleRequest) (hodei.Fire, error) {
	if err := o.disks.Check(); err != nil {
		return hodei.Fire{}, err
	}
	f, err := o.db.TriggerSchedule(ctx, req.ID, starter)
	if err != nil {
		return hodei.Fire{}, err
	}
	o.fired(ctx, f)
	f.Fires[0].ScheduleID = req.ID
	return f.Fires[0], nil
}

func (o *Orchestrator) backfillSchedule(ctx context.Context, req schemas.BackfillScheduleRequest) (schemas.Fires, error) {
	if !hodei.IsTime(req.From) {
		return schemas.Fires{}, hodei.InvalidField("from", "a time in the years 1 to 9999 UTC is required")
	}
	fires, err := o.db.Backfill(ctx, req.ID, func(s hodei.Schedule, now time.Time) ([]time.Time, error) {
		to := now
		if req.To != nil && req.To.Before(now) {
			to = *req.To
		}
		if !req.From.Before(to) {
			return nil, hodei.InvalidField("from", "a time before the end of the range is required, in the past")
		}
		if s.EverySeconds != nil { // extend the interval to times before the schedule was created
			s.Anchor = before(s.Anchor, req.From, *s.EverySeconds)
		}
		times, err := next.List(s, req.From.Add(-time.Microsecond), &to, schemas.MaxBackfill+1)
		if err == nil && len(times) > schemas.MaxBackfill {
			err = hodei.InvalidField("from", fmt.Sprintf("the range has more than %d planned times", schemas.MaxBackfill))
		}
		return times, err
	})
	if err == nil {
		o.announceSchedule()
	}
	return schemas.Fires{Items: fires}, err
}

// before moves the anchor of an interval back by whole intervals to a time at or before t.
func before(anchor, t time.Time, every float64) time.Time {
	if late := anchor.Sub(t); late > 0 {
		step := time.Duration(every * float64(time.Second)).Round(time.Microsecond)
		return anchor.Add(-(late/step + 2) * step)
	}
	return anchor
}

func (o *Orchestrator) nextFires(ctx context.Context, req schemas.NextFiresRequest) (schemas.PlannedTimes, error) {
	s, err := o.db.GetSchedule(ctx, req.ID)
	if err != nil {
		return schemas.PlannedTimes{}, err
	}
	now, err := o.db.Now(ctx)
	if err != nil {
		return schemas.PlannedTimes{}, err
	}
	n := req.N
	if n == 0 {
		n = 5
	}
	times, err := next.List(s, now, req.Until, n)
	return schemas.PlannedTimes{Items: times}, err
}

func (o *Orchestrator) listFires(ctx context.Context, req schemas.ListFiresRequest) (schemas.List[hodei.Fire], error) {
	states, err := schemas.States("status", req.Status, hodei.FireTransitions)
	if err != nil {
		return schemas.List[hodei.Fire]{}, err
	}
	items, cursor, err := o.db.ListFires(ctx, req.ID, states, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Fire]{Items: items, NextCursor: cursor}, err
}
