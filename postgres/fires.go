package postgres

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

const (
	// firesKept and fireAge bound the fires of a schedule that are kept.
	firesKept = 10_000
	fireAge   = 90 * 24 * time.Hour
	// tidyEach is how many fires come before old ones are deleted.
	tidyEach = 200
)

// Due is a schedule that must be looked at: see internal/next.
type Due struct {
	hodei.Schedule
	Ends    []string
	Live    bool
	Waiting int
	Now     time.Time
}

// Firing is what is decided about it.
type Firing struct {
	Skipped           []hodei.Fire
	Start, Wait       []time.Time
	Release           bool
	Cancel, Supersede bool
	NextAt, DueAt     *time.Time
	Failures          int
	Paused            bool
}

// Starter makes the runs and executions of a schedule.
type Starter struct {
	Decide  func(Due) (Firing, error)
	Fill    func(s hodei.Schedule, r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error
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

// NextSchedule returns the time until a schedule must be looked at, at most the given
// time.
func (db *DB) NextSchedule(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next schedule", uncounted, `SELECT min(due_at) FROM schedules WHERE due_at IS NOT NULL`, most)
}

// uncounted is whether something ended that its schedule has not counted. The schedule may
// have been deleted since.
const uncounted = `(EXISTS (SELECT FROM runs r JOIN schedules s ON s.id = r.schedule_id WHERE r.fire_due)
	OR EXISTS (SELECT FROM executions e JOIN schedules s ON s.id = e.schedule_id WHERE e.fire_due))`

// FireSchedule locks one schedule that must be looked at and that no other instance has
// locked, and commits what is decided about it together with what it starts. It returns
// NOT_FOUND if there is none. The clock of Postgres alone decides.
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
	f, err := by.Decide(due)
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

// look takes the ends that the schedule has not counted, and reads what is live.
func look(ctx context.Context, tx pgx.Tx, s hodei.Schedule) (Due, error) {
	due := Due{Schedule: s}
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

// errFired rolls back what was started for a planned time that has been before.
var errFired = errors.New("the planned time has fired before")

// start starts what the schedule is for and records the planned time with it, or without
// it and why.
func (db *DB) start(ctx context.Context, tx pgx.Tx, out *Fired, at time.Time, kind hodei.FireKind, by Starter) error {
	fire := hodei.Fire{ScheduleID: out.Schedule.ID, PlannedAt: at, Kind: kind, Status: hodei.FireStarted, Count: 1}
	var run *Advanced
	var made *hodei.Execution
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) { // a savepoint
		if out.Schedule.JobID != nil {
			made, err = executeJob(ctx, tx, out.Schedule, at)
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

// cannotStart is the fire that could not start anything, with the reason.
func cannotStart(err error) hodei.Fire {
	fire := hodei.Fire{Status: hodei.FireSkipped, Count: 1}
	var known *hodei.Error
	switch {
	case errors.Is(err, hodei.Rejected):
		fire.Reason = reasonOf(hodei.ReasonRejected)
	case errors.As(err, &known) && (errors.Is(err, hodei.Invalid) || errors.Is(err, hodei.NotFound) || errors.Is(err, hodei.Conflict)):
		fire.Reason = reasonOf(hodei.ReasonInvalid)
	default:
		fire.Reason = reasonOf(hodei.ReasonError)
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
		ID: NewID[hodei.RunID](), PipelineID: s.PipelineID,
		Trigger: hodei.RunTrigger{Kind: hodei.TriggerSchedule, ScheduleID: &s.ID, ScheduledAt: &at},
	}
	a, err := db.createRunIn(ctx, tx, draft, nil, func(r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error {
		return by.Fill(s, r, settings, jobs)
	}, by.Advance)
	return &a, err
}

// executeJob records an execution of the schedule's job.
func executeJob(ctx context.Context, tx pgx.Tx, s hodei.Schedule, at time.Time) (*hodei.Execution, error) {
	job, err := one[hodei.Job](ctx, tx, "read job", "job", s.JobID.String(), jobs(noRecent)+`WHERE j.id = $1 FOR KEY SHARE OF j SKIP LOCKED`, s.JobID)
	if errors.Is(err, hodei.NotFound) { // another transaction changes or deletes it
		return nil, hodei.Errorf(hodei.Unavailable, "The job of the schedule is locked")
	} else if err != nil {
		return nil, err
	}
	spec := job.Spec
	spec.Graph = hodei.Graph{}
	if spec.Command.IsZero() {
		return nil, hodei.InvalidField("command", "required: the job has none")
	}
	env := maps.Clone(spec.Environment)
	if env == nil {
		env = map[string]string{}
	}
	env["HODEI_SCHEDULED_AT"], env["HODEI_TRIGGER"] = at.UTC().Format(time.RFC3339), string(hodei.TriggerSchedule)
	spec.Environment = env
	id := NewID[hodei.ExecutionID]()
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

// supersede asks that all ends which the schedule started.
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

// settle records when the schedule is due next, and now and then deletes old fires.
func settle(ctx context.Context, tx pgx.Tx, out Fired, f Firing) error {
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

// TriggerSchedule fires a schedule now, whether or not something that it started is live.
func (db *DB) TriggerSchedule(ctx context.Context, id hodei.ScheduleID, by Starter) (Fired, error) {
	var out Fired
	err := db.transact(ctx, "schedule", id.String(), func(tx pgx.Tx) error {
		// The pipeline is locked first, as everywhere.
		if _, err := tx.Exec(ctx, `SELECT FROM pipelines WHERE id = (SELECT pipeline_id FROM schedules WHERE id = $1) FOR NO KEY UPDATE`, id); err != nil {
			return err
		}
		s, err := getSchedule(ctx, tx, id, "FOR NO KEY UPDATE OF s")
		if err != nil {
			return err
		}
		out = Fired{Schedule: s}
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT now()`).Scan(&now); err != nil {
			return err
		}
		return db.start(ctx, tx, &out, now, hodei.FireManual, by)
	})
	if err == nil && len(out.Fires) == 0 {
		err = hodei.Errorf(hodei.Conflict, "The schedule fired at this very moment")
	}
	return out, failure("trigger schedule", err)
}

// Backfill has planned times of the past fire, one after the other, unless they started
// something before. It returns their fires.
func (db *DB) Backfill(ctx context.Context, id hodei.ScheduleID, plan func(hodei.Schedule, time.Time) ([]time.Time, error)) ([]hodei.Fire, error) {
	var out []hodei.Fire
	err := db.transact(ctx, "schedule", id.String(), func(tx pgx.Tx) error {
		s, err := getSchedule(ctx, tx, id, "FOR NO KEY UPDATE OF s")
		if err != nil {
			return err
		}
		var now time.Time
		if err := tx.QueryRow(ctx, `UPDATE schedules SET due_at = now() WHERE id = $1 RETURNING now()`, id).Scan(&now); err != nil {
			return err
		}
		times, err := plan(s, now)
		if err != nil {
			return err
		}
		out, err = all[hodei.Fire](ctx, tx, "backfill", `WITH f AS (INSERT INTO schedule_fires (schedule_id, planned_at, kind, status)
				SELECT $1, at, $2, $3 FROM unnest($4::timestamptz[]) AS at
				ON CONFLICT (schedule_id, planned_at) DO UPDATE SET kind = excluded.kind, status = excluded.status, reason = NULL, message = NULL,
					decided_at = NULL, count = 1 WHERE schedule_fires.status = ANY($5) RETURNING *)
			SELECT `+fireColumns+` FROM f ORDER BY f.planned_at`,
			id, hodei.FireBackfill, hodei.FireWaiting, times, hodei.FireTransitions.From(hodei.FireWaiting))
		return err
	})
	return out, failure("backfill", err)
}

const fireColumns = `f.schedule_id, f.planned_at, f.kind, f.status, f.reason, f.message, f.decided_at, f.run_id, f.run_number, f.execution_id, f.outcome, f.count`

// moment is the cursor of a list of fires.
type moment struct{ time.Time }

func (m moment) String() string { return m.Format(time.RFC3339Nano) }

// ListFires returns a page of the fires of a schedule, the latest planned time first. No
// states select all.
func (db *DB) ListFires(ctx context.Context, id hodei.ScheduleID, states []hodei.FireStatus, p Page) ([]hodei.Fire, *string, error) {
	if _, err := db.GetSchedule(ctx, id); err != nil {
		return nil, nil, err
	}
	return list(p, func(f hodei.Fire) moment { return moment{f.PlannedAt} }, func(from *moment, limit int) ([]hodei.Fire, error) {
		var before *time.Time
		if from != nil {
			before = &from.Time
		}
		return all[hodei.Fire](ctx, db.pool, "list fires", `SELECT `+fireColumns+` FROM schedule_fires f
			WHERE f.schedule_id = $1 AND ($2::timestamptz IS NULL OR f.planned_at < $2) AND ($3::text[] IS NULL OR f.status = ANY($3))
			ORDER BY f.planned_at DESC LIMIT $4`, id, before, states, limit)
	})
}
