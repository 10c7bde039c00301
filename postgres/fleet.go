package postgres

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Waiting is an execution that waits for a worker, since CreatedAt: a delayed one since its
// NotBefore.
type Waiting struct {
	ID           hodei.ExecutionID
	JobID        *hodei.JobID
	Priority     int
	Requirements hodei.Requirements
	CreatedAt    time.Time
	NotBefore    *time.Time
}

// ListWaiting returns the executions of EachWaiting.
func (db *DB) ListWaiting(ctx context.Context, before time.Time, ageing time.Duration, limit int) (list []Waiting, err error) {
	err = db.EachWaiting(ctx, before, ageing, limit, func(w Waiting) { list = append(list, w) })
	return list, err
}

// EachWaiting calls do with the first limit executions of the queue, without those
// created after the given time. An execution gains one level of priority for
// each ageing that it waits. If ageing is negative, the order is by priority,
// then age. It reads at most limit rows of each priority, and keeps none of them.
func (db *DB) EachWaiting(ctx context.Context, before time.Time, ageing time.Duration, limit int, do func(Waiting)) error {
	const act = "list waiting executions"
	const strict = 1e12 // seconds: longer than any age
	worth := ageing.Seconds()
	if ageing < 0 {
		worth = strict
	}
	rows, err := db.pool.Query(ctx, `SELECT e.* FROM generate_series(0, $4::int) level CROSS JOIN LATERAL (
			SELECT id, job_id, priority, spec->'requirements' AS requirements, greatest(created_at, not_before) AS created_at, not_before FROM executions
			WHERE status = 'PENDING' AND NOT held AND priority = level AND created_at < $1 ORDER BY id LIMIT $3) e
		ORDER BY extract(epoch FROM e.created_at)::float8 - e.priority * $2::float8, e.id LIMIT $3`,
		before, worth, limit, hodei.MaxPriority)
	if err != nil {
		return failure(act, err)
	}
	defer rows.Close()
	for rows.Next() {
		w, err := scan[Waiting](rows)
		if err != nil {
			return failure(act, err)
		}
		do(w)
	}
	return failure(act, rows.Err())
}

// CountPending returns the length of the queue.
func (db *DB) CountPending(ctx context.Context) (int, error) {
	var n int
	err := db.pool.QueryRow(ctx, `SELECT count(*) FROM executions WHERE status = 'PENDING' AND NOT held`).Scan(&n)
	return n, failure("count pending executions", err)
}

// Held is a RUNNING execution and its worker.
type Held struct {
	ID                hodei.ExecutionID
	WorkerID          hodei.WorkerID
	WorkerIncarnation string
	ScheduledAt       time.Time
	CancelRequestedAt *time.Time
}

// ListHeld returns every RUNNING execution that was assigned before the given
// time.
func (db *DB) ListHeld(ctx context.Context, before time.Time) ([]Held, error) {
	return all[Held](ctx, db.pool, "list running executions",
		`SELECT id, worker_id, coalesce(worker_incarnation, '') AS worker_incarnation, scheduled_at, cancel_requested_at
		FROM executions WHERE status = 'RUNNING' AND scheduled_at < $1`, before)
}

// LoseExecutions ends the executions of one lost incarnation of a worker:
// FAILED, WORKER_LOST. It skips executions assigned after asOf (by the clock of
// Postgres) and those being offered to the worker, because the caller of the
// offer finds out whether they started. Each log is counted up to its first
// gap, so that the counted lines can be read.
func (db *DB) LoseExecutions(ctx context.Context, worker hodei.WorkerID, gone string, asOf time.Time, offered []hodei.ExecutionID) ([]hodei.Execution, error) {
	return all[hodei.Execution](ctx, db.pool, "lose executions",
		`WITH e AS (UPDATE executions e SET status = $2, reason = $3, completed_at = now(), `+ended("$2", "$3", "NULL", "NULL")+`, log_count = coalesce((
				SELECT max(last_sequence) FROM (
					SELECT last_sequence, sum(last_sequence - first_sequence + 1) OVER (ORDER BY first_sequence) AS so_far
					FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id) whole
				WHERE so_far = last_sequence), 0)
			WHERE e.worker_id = $1 AND e.status = ANY($4) AND coalesce(e.worker_incarnation, '') = $5 AND e.status = 'RUNNING'
				AND e.id <> ALL(coalesce($6::uuid[], '{}')) AND e.scheduled_at <= $7
			RETURNING *)
		SELECT `+executionColumns+` FROM e`,
		worker, hodei.Failed, hodei.ReasonWorkerLost, hodei.ExecutionTransitions.From(hodei.Failed), gone, offered, asOf)
}

// Now returns the time of Postgres' clock, which dates the records.
func (db *DB) Now(ctx context.Context) (now time.Time, err error) {
	err = db.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now, failure("ask for the time", err)
}
