package postgres

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/next"
)

// scheduleColumns are the columns of a hodei.Schedule in row s.
const scheduleColumns = `s.id, s.pipeline_id, (SELECT p.slug FROM pipelines p WHERE p.id = s.pipeline_id) AS pipeline, s.job_id,
	s.position IS NOT NULL AS defined, s.paused, s.pause_reason, s.next_at, s.failures, s.created_at, s.updated_at, s.anchor, s.spec,
	(SELECT jsonb_build_object('schedule_id', 'sched_' || f.schedule_id, 'planned_at', f.planned_at, 'kind', f.kind, 'status', f.status,
		'reason', f.reason, 'message', f.message, 'decided_at', f.decided_at, 'run_id', 'run_' || f.run_id, 'run_number', f.run_number,
		'execution_id', 'exec_' || f.execution_id, 'outcome', f.outcome, 'count', f.count)
		FROM schedule_fires f WHERE f.schedule_id = s.id ORDER BY f.planned_at DESC LIMIT 1) AS last_fire`

// GetSchedule returns a schedule, or NOT_FOUND.
func (db *DB) GetSchedule(ctx context.Context, id hodei.ScheduleID) (hodei.Schedule, error) {
	return getSchedule(ctx, db.pool, id, "")
}

func getSchedule(ctx context.Context, q querier, id hodei.ScheduleID, lock string) (hodei.Schedule, error) {
	return one[hodei.Schedule](ctx, q, "get schedule", "schedule", id.String(),
		`SELECT `+scheduleColumns+` FROM schedules s WHERE s.id = $1 `+lock, id)
}

// ScheduleFilter selects schedules; nil selects all.
type ScheduleFilter struct {
	PipelineIDs []hodei.PipelineID
	JobIDs      []hodei.JobID
	Paused      *bool
	Created     Between
}

// ListSchedules returns a page of schedules, newest first.
func (db *DB) ListSchedules(ctx context.Context, f ScheduleFilter, p Page) ([]hodei.Schedule, *string, error) {
	f.PipelineIDs = own(ctx, f.PipelineIDs)
	return list(p, func(s hodei.Schedule) hodei.ScheduleID { return s.ID }, func(from *hodei.ScheduleID, limit int) ([]hodei.Schedule, error) {
		return all[hodei.Schedule](ctx, db.pool, "list schedules",
			`SELECT `+scheduleColumns+` FROM schedules s
			WHERE ($1::uuid IS NULL OR s.id < $1) AND ($2::uuid[] IS NULL OR s.pipeline_id = ANY($2)) AND ($3::uuid[] IS NULL OR s.job_id = ANY($3))
				AND ($4::bool IS NULL OR s.paused = $4)
				AND ($5::timestamptz IS NULL OR s.created_at >= $5) AND ($6::timestamptz IS NULL OR s.created_at < $6)
			ORDER BY s.id DESC LIMIT $7`, from, f.PipelineIDs, f.JobIDs, f.Paused, f.Created.From, f.Created.To, limit)
	})
}

// CreateSchedule records a schedule of the pipeline, or of the job, of the draft. It
// returns NOT_FOUND if that does not exist, and INVALID if its only time is in the past.
func (db *DB) CreateSchedule(ctx context.Context, draft hodei.Schedule) (hodei.Schedule, error) {
	draft.ID = newID[hodei.ScheduleID](ctx)
	err := db.transact(ctx, "schedule", draft.ID.String(), func(tx pgx.Tx) error {
		if draft.JobID != nil {
			err := tx.QueryRow(ctx, `SELECT pipeline_id FROM jobs WHERE id = $1 FOR KEY SHARE`, draft.JobID).Scan(&draft.PipelineID)
			if errors.Is(err, pgx.ErrNoRows) {
				return hodei.Missing("job", draft.JobID.String())
			} else if err != nil {
				return err
			}
		} else if tag, err := tx.Exec(ctx, `SELECT FROM pipelines WHERE id = $1 FOR KEY SHARE`, draft.PipelineID); err != nil || tag.RowsAffected() == 0 {
			return cmp.Or(err, error(hodei.Missing("pipeline", draft.PipelineID.String())))
		}
		if err := insertSchedule(ctx, tx, &draft, nil); err != nil {
			return err
		}
		return isAhead(draft)
	})
	if err != nil {
		return draft, failure("create schedule", err)
	}
	return db.GetSchedule(ctx, draft.ID)
}

// isAhead returns an error for a schedule that will never be due: its only time is in the past.
func isAhead(s hodei.Schedule) error {
	if s.NextAt == nil && !s.Paused {
		return hodei.InvalidField("at", "lies in the past")
	}
	return nil
}

// insertSchedule records a new schedule, whose intervals count from now, in whole seconds.
func insertSchedule(ctx context.Context, tx pgx.Tx, s *hodei.Schedule, position *int) error {
	var now time.Time
	if err := tx.QueryRow(ctx, `SELECT now(), date_trunc('second', now())`).Scan(&now, &s.Anchor); err != nil {
		return err
	}
	nextAt, dueAt, err := next.Begin(*s, now)
	if err != nil {
		return err
	}
	s.NextAt = nextAt
	_, err = tx.Exec(ctx, `INSERT INTO schedules (id, pipeline_id, job_id, spec, position, paused, pause_reason, paused_from, anchor, next_at, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6 THEN 'PAUSED' END, CASE WHEN $6 THEN now() END, $7, $8, $9) ON CONFLICT (id) DO NOTHING`,
		s.ID, s.PipelineID, s.JobID, s.ScheduleSpec, position, s.Paused, s.Anchor, nextAt, dueAt)
	return err
}

// ChangeSchedule applies change to the recorded schedule. A schedule whose times change counts
// from now. If ahead is true, one whose only time is in the past is INVALID.
func (db *DB) ChangeSchedule(ctx context.Context, id hodei.ScheduleID, ahead bool, change func(*hodei.Schedule)) (hodei.Schedule, error) {
	err := db.transact(ctx, "schedule", id.String(), func(tx pgx.Tx) error {
		s, err := getSchedule(ctx, tx, id, "FOR NO KEY UPDATE OF s")
		if err != nil {
			return err
		}
		if err := changeSchedule(ctx, tx, &s, change); err != nil || !ahead {
			return err
		}
		return isAhead(s)
	})
	if err != nil {
		return hodei.Schedule{}, failure("change schedule", err)
	}
	return db.GetSchedule(ctx, id)
}

// changeSchedule changes a schedule that is locked.
func changeSchedule(ctx context.Context, tx pgx.Tx, s *hodei.Schedule, change func(*hodei.Schedule)) error {
	was := *s
	var now, second time.Time
	if err := tx.QueryRow(ctx, `SELECT now(), date_trunc('second', now())`).Scan(&now, &second); err != nil {
		return err
	}
	change(s)
	if !s.SameTimes(was.ScheduleSpec) {
		s.Anchor = second
	}
	from := now
	if was.NextAt != nil && s.SameTimes(was.ScheduleSpec) {
		from = was.NextAt.Add(-time.Microsecond) // it keeps its next planned time
	}
	var dueAt *time.Time
	var err error
	if s.NextAt, dueAt, err = next.Begin(*s, from); err != nil {
		return err
	}
	switch {
	case s.Paused && !was.Paused:
		if err := pauseFires(ctx, tx, s.ID, hodei.ReasonPaused); err != nil {
			return err
		}
		s.PauseReason = new(hodei.ReasonPaused)
	case !s.Paused && was.Paused:
		if err := resumeFires(ctx, tx, *s, now); err != nil {
			return err
		}
		s.PauseReason, s.Failures = nil, 0
	}
	_, err = tx.Exec(ctx, `UPDATE schedules SET spec = $2, paused = $3, pause_reason = $4, failures = $5, anchor = $6, next_at = $7, due_at = $8,
			paused_from = CASE WHEN NOT $3 THEN NULL WHEN paused THEN paused_from ELSE coalesce(next_at, now()) END, updated_at = now()
		WHERE id = $1`, s.ID, s.ScheduleSpec, s.Paused, s.PauseReason, s.Failures, s.Anchor, s.NextAt, dueAt)
	return err
}

// pauseFires skips the fires that wait.
func pauseFires(ctx context.Context, tx pgx.Tx, id hodei.ScheduleID, why hodei.Reason) error {
	_, err := tx.Exec(ctx, `UPDATE schedule_fires SET status = $2, reason = $3, decided_at = now()
		WHERE schedule_id = $1 AND status = 'WAITING' AND status = ANY($4)`,
		id, hodei.FireSkipped, why, hodei.FireTransitions.From(hodei.FireSkipped))
	return err
}

// mostPaused bounds the count of planned times that a pause prevented.
const mostPaused = 10_000

// resumeFires records the planned times that a pause prevented as one fire.
func resumeFires(ctx context.Context, tx pgx.Tx, s hodei.Schedule, now time.Time) error {
	var from *time.Time
	if err := tx.QueryRow(ctx, `SELECT paused_from FROM schedules WHERE id = $1`, s.ID).Scan(&from); err != nil || from == nil {
		return err
	}
	first, _, err := next.Begin(s, from.Add(-time.Microsecond))
	count := 0
	for at := first; err == nil && at != nil && !at.After(now) && count < mostPaused; count++ {
		at, _, err = next.Begin(s, *at)
	}
	if err != nil || count == 0 {
		return err
	}
	return skipFires(ctx, tx, s.ID, []hodei.Fire{{PlannedAt: *first, Kind: hodei.FirePlanned, Reason: new(hodei.ReasonPaused), Count: count}})
}

// PauseSchedules pauses or resumes all schedules, or those of a pipeline. It returns the
// number of those that changed.
func (db *DB) PauseSchedules(ctx context.Context, pipeline *hodei.PipelineID, paused bool) (changed int, err error) {
	err = db.transact(ctx, "schedule", "", func(tx pgx.Tx) error {
		changed = 0
		found, err := all[hodei.Schedule](ctx, tx, "lock schedules", `SELECT `+scheduleColumns+` FROM schedules s
			WHERE ($1::uuid IS NULL OR s.pipeline_id = $1) AND s.paused <> $2 ORDER BY s.id FOR NO KEY UPDATE OF s`, pipeline, paused)
		for _, s := range found {
			if err := changeSchedule(ctx, tx, &s, func(s *hodei.Schedule) { s.Paused = paused }); err != nil {
				return err
			}
			changed++
		}
		return err
	})
	return changed, failure("pause schedules", err)
}

// DeleteSchedule deletes a schedule with its fires, or returns NOT_FOUND. What it started
// goes on.
func (db *DB) DeleteSchedule(ctx context.Context, id hodei.ScheduleID) error {
	_, err := changeOne[struct{ ID hodei.ScheduleID }](ctx, db, "delete schedule", "schedule", id.String(), `DELETE FROM schedules WHERE id = $1 RETURNING id`, id)
	return err
}

// writeSchedules records the schedules of a definition, whose pipeline is locked: those
// with an id are changed, those without are new, and the other defined ones deleted.
func writeSchedules(ctx context.Context, tx pgx.Tx, pipeline hodei.PipelineID, now, next []hodei.Schedule) error {
	before := map[hodei.ScheduleID]hodei.Schedule{}
	for _, s := range now {
		before[s.ID] = s
	}
	for i, s := range next {
		s.PipelineID = pipeline
		old, known := before[s.ID]
		delete(before, s.ID)
		if !known {
			s.ID, s.Paused = NewID[hodei.ScheduleID](), s.ScheduleSpec.Paused
			if err := insertSchedule(ctx, tx, &s, &i); err != nil {
				return err
			}
			continue
		}
		err := changeSchedule(ctx, tx, &old, func(into *hodei.Schedule) {
			if s.ScheduleSpec.Paused != old.ScheduleSpec.Paused { // otherwise a user's choice stays
				into.Paused = s.ScheduleSpec.Paused
			}
			into.ScheduleSpec = s.ScheduleSpec
		})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE schedules SET position = $2 WHERE id = $1`, s.ID, i); err != nil {
			return err
		}
	}
	for id := range before {
		if _, err := tx.Exec(ctx, `DELETE FROM schedules WHERE id = $1`, id); err != nil {
			return err
		}
	}
	return nil
}
