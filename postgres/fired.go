package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// errFired rolls back a start for a planned time that has fired before.
var errFired = errors.New("the planned time has fired before")

// start starts the run or execution of the schedule and records the planned time with it, or
// records why it could not start.
func (db *DB) start(ctx context.Context, tx pgx.Tx, out *Fired, at time.Time, kind hodei.FireKind, by Starter) error {
	fire := hodei.Fire{ScheduleID: out.Schedule.ID, PlannedAt: at, Kind: kind, Status: hodei.FireStarted, Count: 1}
	var run *Advanced
	var made *hodei.Execution
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) { // a savepoint
		if out.Schedule.JobID != nil {
			made, err = executeJob(ctx, tx, out.Schedule, at, by)
		} else {
			run, err = db.runPipeline(ctx, tx, out.Schedule, at, by)
		}
		if err != nil {
			return err
		}
		if run != nil {
			fire.RunID, fire.RunNumber = &run.Run.ID, &run.Number
		} else {
			fire.ExecutionID = &made.ID
		}
		return recordFire(ctx, tx, &fire)
	})
	switch why := failure("start", err); {
	case errors.Is(err, errFired):
		return nil
	case errors.Is(why, hodei.Unavailable), errors.Is(why, hodei.Timeout):
		return err // and it is started later
	case err != nil:
		skipped := cannotStart(why)
		skipped.PlannedAt, skipped.Kind = at, kind
		out.Fires = append(out.Fires, skipped)
		return skipFires(ctx, tx, out.Schedule.ID, []hodei.Fire{skipped})
	case run != nil:
		out.Runs = append(out.Runs, *run)
	default:
		out.Executions = append(out.Executions, *made)
	}
	out.Fires = append(out.Fires, fire)
	return nil
}

// recordFire records a fire that started something, once.
func recordFire(ctx context.Context, tx pgx.Tx, fire *hodei.Fire) error {
	err := tx.QueryRow(ctx, `INSERT INTO schedule_fires (schedule_id, planned_at, kind, status, decided_at, run_id, run_number, execution_id)
		VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7)
		ON CONFLICT (schedule_id, planned_at) DO UPDATE SET status = excluded.status, decided_at = excluded.decided_at, reason = NULL, message = NULL,
			run_id = excluded.run_id, run_number = excluded.run_number, execution_id = excluded.execution_id
			WHERE schedule_fires.status = 'WAITING' AND schedule_fires.status = ANY($8)
		RETURNING decided_at, kind`, fire.ScheduleID, fire.PlannedAt, fire.Kind, fire.Status, fire.RunID, fire.RunNumber, fire.ExecutionID,
		hodei.FireTransitions.From(hodei.FireStarted)).Scan(&fire.DecidedAt, &fire.Kind)
	if errors.Is(err, pgx.ErrNoRows) {
		return errFired
	}
	return err
}

// cannotStart returns the fire that could not start anything, with the reason.
func cannotStart(err error) hodei.Fire {
	fire := hodei.Fire{Status: hodei.FireSkipped, Count: 1}
	var known *hodei.Error
	switch {
	case errors.Is(err, hodei.Rejected):
		fire.Reason = new(hodei.ReasonRejected)
	case errors.As(err, &known) && (errors.Is(err, hodei.Invalid) || errors.Is(err, hodei.NotFound) || errors.Is(err, hodei.Conflict)):
		fire.Reason = new(hodei.ReasonInvalid)
	default:
		fire.Reason = new(hodei.ReasonError)
		return fire
	}
	if errors.As(err, &known) {
		text := known.Message
		if known.Details != nil {
			text = known.Details.Field + ": " + known.Details.Issue
		}
		fire.Message = &text
	}
	return fire
}

func (db *DB) runPipeline(ctx context.Context, tx pgx.Tx, s hodei.Schedule, at time.Time, by Starter) (*Advanced, error) {
	draft := hodei.Run{
		ID: newID[hodei.RunID](ctx), PipelineID: s.PipelineID,
		Trigger: hodei.RunTrigger{Kind: hodei.TriggerSchedule, ScheduleID: &s.ID, ScheduledAt: &at},
	}
	a, err := createRunIn(ctx, tx, within(tx), within(tx), draft, nil, func(r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error {
		return by.Fill(s, r, settings, jobs)
	}, by.Advance)
	return &a, err
}

// executeJob records an execution of the schedule's job.
func executeJob(ctx context.Context, tx pgx.Tx, s hodei.Schedule, at time.Time, by Starter) (*hodei.Execution, error) {
	job, err := one[hodei.Job](ctx, tx, "read job", "job", s.JobID.String(), jobs(noRecent)+`WHERE j.id = $1 FOR KEY SHARE OF j SKIP LOCKED`, s.JobID)
	if errors.Is(err, hodei.NotFound) { // another transaction changes or deletes it
		return nil, hodei.Errorf(hodei.Unavailable, "The job of the schedule is locked")
	} else if err != nil {
		return nil, err
	}
	spec, err := by.Alone(job, at)
	if err != nil {
		return nil, err
	}
	id := NewExecutionID(ctx)
	e, err := one[hodei.Execution](ctx, tx, "execute job", "execution", id.String(),
		`WITH e AS (INSERT INTO executions (id, job_id, pipeline_id, status, spec, attempt, log_day, schedule_id, planned_at)
			VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8) RETURNING *) SELECT `+changedColumns+` FROM e`,
		id, job.ID, job.PipelineID, hodei.Pending, spec, id.Day(), s.ID, at)
	return &e, err
}

// release starts the oldest fire that waits. If it cannot start and another one waits,
// the schedule stays due.
func (db *DB) release(ctx context.Context, tx pgx.Tx, out *Fired, dueAt *time.Time, now time.Time, by Starter) (*time.Time, error) {
	var at time.Time
	var kind hodei.FireKind
	err := tx.QueryRow(ctx, `SELECT planned_at, kind FROM schedule_fires WHERE schedule_id = $1 AND status = 'WAITING' ORDER BY planned_at LIMIT 1`,
		out.Schedule.ID).Scan(&at, &kind)
	if errors.Is(err, pgx.ErrNoRows) {
		return dueAt, nil
	} else if err != nil {
		return dueAt, err
	}
	if err := db.start(ctx, tx, out, at, kind, by); err != nil {
		return dueAt, err
	}
	if len(out.Runs)+len(out.Executions) == 0 {
		return &now, nil
	}
	return dueAt, nil
}

// supersede requests the cancellation of everything that the schedule started.
func supersede(ctx context.Context, tx pgx.Tx, out *Fired) error {
	tag, err := tx.Exec(ctx, `UPDATE runs SET plan = plan || $2, cancel_requested_at = coalesce(cancel_requested_at, now()), due_at = now()
		WHERE schedule_id = $1 AND completed_at IS NULL AND NOT plan ? 'stopping'`,
		out.Schedule.ID, map[string]hodei.Reason{"stopping": hodei.ReasonSuperseded})
	if err != nil {
		return err
	}
	out.Superseded = tag.RowsAffected() > 0
	rows, err := tx.Query(ctx, `SELECT id FROM executions WHERE schedule_id = $1 AND (completed_at IS NULL OR retry_at IS NOT NULL)`, out.Schedule.ID)
	if err != nil {
		return err
	}
	out.Stop, err = pgx.CollectRows(rows, pgx.RowTo[hodei.ExecutionID])
	return err
}
