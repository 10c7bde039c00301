package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/next"
)

const (
	// firesKept and fireAge bound the fires of a schedule that are kept.
	firesKept = 10_000
	fireAge   = 90 * 24 * time.Hour
	// tidyEach is how many fires come before old ones are deleted.
	tidyEach = 200
)

// Starter fills in what schedules start: runs of pipelines and executions of jobs.
type Starter struct {
	Fill    func(s hodei.Schedule, r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error
	Alone   func(job hodei.Job, at time.Time) (hodei.Spec, error)
	Advance Advance
}

// Fired is what a schedule started.
type Fired struct {
	hodei.Schedule
	Fires []hodei.Fire
	Runs  []Advanced
	// Executions are those of a job.
	Executions []hodei.Execution
	// Stop are executions to cancel, and Superseded reports that runs are to be.
	Stop       []hodei.ExecutionID
	Superseded bool
}

// NextSchedule returns the time until a schedule is due, at most the given time.
func (db *DB) NextSchedule(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next schedule", uncounted, `SELECT min(due_at) FROM schedules WHERE due_at IS NOT NULL`, most)
}

// uncounted is whether something ended that its schedule has not counted. The schedule may
// have been deleted since.
const uncounted = `(EXISTS (SELECT FROM runs r JOIN schedules s ON s.id = r.schedule_id WHERE r.fire_due)
	OR EXISTS (SELECT FROM executions e JOIN schedules s ON s.id = e.schedule_id WHERE e.fire_due))`

// FireSchedule locks one schedule that is due and not locked by another instance, and commits
// the decision about it together with the runs and executions that it starts. It returns
// NOT_FOUND if there is none. Only the clock of Postgres counts.
func (db *DB) FireSchedule(ctx context.Context, by Starter) (Fired, error) {
	var out Fired
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		s, err := one[hodei.Schedule](ctx, tx, "lock schedule", "schedule", "", `SELECT `+scheduleColumns+`
			FROM schedules s JOIN pipelines own ON own.id = s.pipeline_id
			WHERE s.id = ANY(ARRAY(SELECT s.id FROM runs r JOIN schedules s ON s.id = r.schedule_id WHERE r.fire_due LIMIT 100)
				|| ARRAY(SELECT s.id FROM executions e JOIN schedules s ON s.id = e.schedule_id WHERE e.fire_due LIMIT 100)
				|| ARRAY(SELECT id FROM schedules WHERE due_at <= now() ORDER BY due_at LIMIT 100))
			ORDER BY s.due_at LIMIT 1 FOR NO KEY UPDATE OF s, own SKIP LOCKED`)
		if err != nil {
			return err
		}
		out, err = db.fire(ctx, tx, s, by)
		return err
	})
	return out, failure("fire schedule", err)
}

func (db *DB) fire(ctx context.Context, tx pgx.Tx, s hodei.Schedule, by Starter) (Fired, error) {
	out := Fired{Schedule: s}
	due, err := look(ctx, tx, s)
	if err != nil {
		return out, err
	}
	f, err := next.Decide(due)
	if err != nil {
		return out, err
	}
	if f.Paused {
		if err := pauseFires(ctx, tx, s.ID, hodei.ReasonFailures); err != nil {
			return out, err
		}
	}
	if f.Supersede {
		if err := pauseFires(ctx, tx, s.ID, hodei.ReasonSuperseded); err != nil {
			return out, err
		}
	}
	if err := skipFires(ctx, tx, s.ID, f.Skipped); err != nil {
		return out, err
	}
	for _, at := range f.Start {
		if err := db.start(ctx, tx, &out, at, hodei.FirePlanned, by); err != nil {
			return out, err
		}
	}
	for _, at := range f.Wait {
		if _, err := tx.Exec(ctx, `INSERT INTO schedule_fires (schedule_id, planned_at, kind, status) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			s.ID, at, hodei.FirePlanned, hodei.FireWaiting); err != nil {
			return out, err
		}
	}
	if f.Release {
		if f.DueAt, err = db.release(ctx, tx, &out, f.DueAt, due.Now, by); err != nil {
			return out, err
		}
	}
	if f.Cancel {
		if err := supersede(ctx, tx, &out); err != nil {
			return out, err
		}
	}
	return out, settle(ctx, tx, out, f)
}

// look reads the ends that the schedule has not counted, marks them as counted, and reads
// whether something is live.
func look(ctx context.Context, tx pgx.Tx, s hodei.Schedule) (next.State, error) {
	due := next.State{Schedule: s}
	ends, err := tx.Query(ctx, `WITH r AS (UPDATE runs SET fire_due = false WHERE fire_due AND schedule_id = $1
			RETURNING status, completed_at, (trigger->>'scheduled_at')::timestamptz AS planned_at, NULL::uuid AS execution_id),
		e AS (UPDATE executions SET fire_due = false WHERE fire_due AND schedule_id = $1 RETURNING status, completed_at, planned_at, id),
		a AS (SELECT * FROM r UNION ALL SELECT * FROM e),
		f AS (UPDATE schedule_fires f SET outcome = a.status, execution_id = a.execution_id FROM a WHERE f.schedule_id = $1 AND f.planned_at = a.planned_at)
		SELECT status FROM a ORDER BY completed_at`, s.ID)
	if err != nil {
		return due, err
	}
	if due.Ends, err = pgx.CollectRows(ends, pgx.RowTo[string]); err != nil {
		return due, err
	}
	err = tx.QueryRow(ctx, `SELECT now(), (SELECT count(*) FROM schedule_fires WHERE schedule_id = $1 AND status = 'WAITING'),
		EXISTS (SELECT FROM runs WHERE schedule_id = $1 AND completed_at IS NULL)
			OR EXISTS (SELECT FROM executions WHERE schedule_id = $1 AND (completed_at IS NULL OR retry_at IS NOT NULL))`,
		s.ID).Scan(&due.Now, &due.Waiting, &due.Live)
	return due, err
}

// skipFires records planned times that start nothing, unless they are recorded.
func skipFires(ctx context.Context, tx pgx.Tx, id hodei.ScheduleID, fires []hodei.Fire) error {
	if len(fires) == 0 {
		return nil
	}
	n := len(fires)
	at, kinds, reasons, counts, messages := make([]time.Time, n), make([]hodei.FireKind, n), make([]*hodei.Reason, n), make([]int, n), make([]*string, n)
	for i, f := range fires {
		at[i], kinds[i], reasons[i], counts[i], messages[i] = f.PlannedAt, f.Kind, f.Reason, f.Count, f.Message
	}
	_, err := tx.Exec(ctx, `INSERT INTO schedule_fires (schedule_id, planned_at, kind, status, reason, message, decided_at, count)
		SELECT $1, planned_at, kind, $2, reason, message, clock_timestamp(), count
		FROM unnest($3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::int[]) AS d(planned_at, kind, reason, message, count)
		ON CONFLICT (schedule_id, planned_at) DO UPDATE SET status = excluded.status, reason = excluded.reason, message = excluded.message,
			decided_at = excluded.decided_at WHERE schedule_fires.status = 'WAITING' AND schedule_fires.status = ANY($8)`,
		id, hodei.FireSkipped, at, kinds, reasons, messages, counts, hodei.FireTransitions.From(hodei.FireSkipped))
	return err
}

// settle records when the schedule is due next, and now and then deletes old fires.
func settle(ctx context.Context, tx pgx.Tx, out Fired, f next.Plan) error {
	var fired int64
	err := tx.QueryRow(ctx, `UPDATE schedules SET next_at = $2, due_at = $3, failures = $4, fired = fired + $5,
			paused = paused OR $6, pause_reason = CASE WHEN $6 THEN $7 ELSE pause_reason END,
			paused_from = CASE WHEN $6 THEN coalesce(next_at, now()) ELSE paused_from END
		WHERE id = $1 RETURNING fired`, out.Schedule.ID, f.NextAt, f.DueAt, f.Failures, len(f.Skipped)+len(f.Start)+len(f.Wait),
		f.Paused, hodei.ReasonFailures).Scan(&fired)
	if err != nil || fired == 0 || fired%tidyEach >= int64(max(len(f.Skipped)+len(f.Start)+len(f.Wait), 1)) {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM schedule_fires WHERE schedule_id = $1 AND status <> 'WAITING' AND (planned_at < now() - $2::interval
		OR planned_at < (SELECT planned_at FROM schedule_fires WHERE schedule_id = $1 ORDER BY planned_at DESC OFFSET $3 LIMIT 1))`,
		out.Schedule.ID, fireAge, firesKept)
	return err
}
