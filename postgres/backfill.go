package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// TriggerSchedule fires a schedule now, whether or not something that it started is live. It
// returns the fire of an earlier try of the request unchanged.
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
		if out.Fires, err = triggered(ctx, tx, id); err != nil || len(out.Fires) > 0 {
			return err
		}
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

// triggered returns the fire that an earlier try of the request has recorded, if any. The run or
// execution that it started has the id of the request; the fire may have that of a retry.
func triggered(ctx context.Context, tx pgx.Tx, id hodei.ScheduleID) ([]hodei.Fire, error) {
	return all[hodei.Fire](ctx, tx, "find fire", `SELECT `+fireColumns+` FROM schedule_fires f WHERE f.schedule_id = $1 AND f.planned_at = coalesce(
			(SELECT (trigger->>'scheduled_at')::timestamptz FROM runs WHERE id = $2), (SELECT planned_at FROM executions WHERE id = $2))`,
		id, newID[uuid.UUID](ctx))
}

// Backfill records fires for planned times of the past, except those that have started
// something. They start one after the other. It returns the fires.
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
