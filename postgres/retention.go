package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// DeleteExecution deletes an execution and its log. It returns NOT_FOUND if it
// does not exist, and CONFLICT if it has not ended or a retry of it is due.
func (db *DB) DeleteExecution(ctx context.Context, id hodei.ExecutionID) error {
	_, err := changeOne[struct{ ID hodei.ExecutionID }](ctx, db, "delete execution", "execution", id.String(),
		`WITH logs AS (DELETE FROM execution_logs l USING executions e
			WHERE e.id = $1 AND e.completed_at IS NOT NULL AND e.retry_at IS NULL AND NOT e.run_due AND l.day = e.log_day AND l.execution_id = e.id)
		DELETE FROM executions WHERE id = $1 AND completed_at IS NOT NULL AND retry_at IS NULL AND NOT run_due RETURNING id`, id)
	if !errors.Is(err, hodei.NotFound) {
		return err
	}
	e, err := db.GetExecution(ctx, id)
	if err != nil {
		return err
	}
	why := "Execution is " + string(e.Status) + ": cancel it, or delete it once it has ended"
	if e.RetryAt != nil {
		why = "A retry of the execution is due: cancel it first, or delete it afterwards"
	}
	return &hodei.Error{Code: hodei.Conflict, Message: why, Resource: "execution", ResourceID: id.String()}
}

// Aged is the position at which a deletion of old records continues.
type Aged[ID ~[16]byte] struct {
	CompletedAt time.Time
	ID          ID
}

// AgedExecution and AgedRun are those of executions and of runs.
type (
	AgedExecution = Aged[hodei.ExecutionID]
	AgedRun       = Aged[hodei.RunID]
)

// DeleteOldExecutions deletes at most limit executions that ended more than age
// ago, oldest first, with their logs. It keeps the last execution of each job,
// because it determines the job's status, each execution with a retry due, and those of runs,
// which stay as long as their run and the reruns that reuse their results and artifacts. It
// returns the number of deleted executions and the start of the next batch; a batch below the
// limit is the last. It skips rows that another instance is deleting.
func (db *DB) DeleteOldExecutions(ctx context.Context, age time.Duration, from AgedExecution, limit int) (deleted int, next AgedExecution, err error) {
	return deleteOld(ctx, db, "delete old executions",
		`WITH old AS (SELECT e.id, e.completed_at, e.log_day FROM executions e
			WHERE e.completed_at < now() - $1::interval AND (e.completed_at, e.id) > ($2, $3) AND e.retry_at IS NULL AND NOT e.run_due
				AND NOT EXISTS (SELECT FROM runs r WHERE r.id = e.run_id) AND NOT EXISTS (SELECT FROM run_jobs n WHERE n.reused_execution_id = e.id)
				AND (e.job_id IS NULL OR EXISTS (SELECT FROM executions n WHERE n.job_id = e.job_id AND n.id > e.id))
			ORDER BY e.completed_at, e.id LIMIT $4 FOR UPDATE SKIP LOCKED),
		logs AS (DELETE FROM execution_logs l USING old WHERE l.day = old.log_day AND l.execution_id = old.id),
		gone AS (DELETE FROM executions e USING old WHERE e.id = old.id)`, age, from, limit)
}

// DeleteOldRuns deletes at most limit runs that ended more than age ago, oldest first, with
// their jobs. It keeps the last run of each pipeline. Their executions are deleted afterwards,
// by DeleteOldExecutions. Results and batches are as there.
func (db *DB) DeleteOldRuns(ctx context.Context, age time.Duration, from AgedRun, limit int) (deleted int, next AgedRun, err error) {
	return deleteOld(ctx, db, "delete old runs",
		`WITH old AS (SELECT r.id, r.completed_at FROM runs r
			WHERE r.completed_at < now() - $1::interval AND (r.completed_at, r.id) > ($2, $3) AND NOT r.parent_due
				AND EXISTS (SELECT FROM runs n WHERE n.pipeline_id = r.pipeline_id AND n.number > r.number)
			ORDER BY r.completed_at, r.id LIMIT $4 FOR UPDATE SKIP LOCKED),
		gone AS (DELETE FROM runs r USING old WHERE r.id = old.id)`, age, from, limit)
}

// deleteOld deletes the records that the queries select as old, in order.
func deleteOld[ID ~[16]byte](ctx context.Context, db *DB, act, queries string, age time.Duration, from Aged[ID], limit int) (deleted int, next Aged[ID], err error) {
	err = db.pool.QueryRow(ctx, queries+` SELECT count(*) OVER (), completed_at, id FROM old ORDER BY completed_at DESC, id DESC LIMIT 1`,
		age, from.CompletedAt, from.ID, limit).Scan(&deleted, &next.CompletedAt, &next.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, from, nil
	}
	return deleted, next, failure(act, err)
}

// gone is the condition that the worker of row w has left and that all its
// executions have ended.
const gone = `w.status IN ('OFFLINE', 'TERMINATED')
	AND NOT EXISTS (SELECT FROM executions e WHERE e.worker_id = w.id AND e.status = 'RUNNING')`

// DeleteWorker deletes a worker that has left. Its executions keep its id. It
// returns NOT_FOUND if the worker does not exist, and CONFLICT if it has not
// left or one of its executions has not ended.
func (db *DB) DeleteWorker(ctx context.Context, id hodei.WorkerID) error {
	_, err := changeOne[struct{ ID hodei.WorkerID }](ctx, db, "delete worker", "worker", id.String(), `DELETE FROM workers w WHERE w.id = $1 AND `+gone+` RETURNING w.id`, id)
	if !errors.Is(err, hodei.NotFound) {
		return err
	}
	w, err := db.GetWorker(ctx, id)
	if err != nil {
		return err
	}
	why := "Worker is " + string(w.Status) + ": drain or terminate it, and delete it once it has left"
	if w.Running > 0 {
		why = "Worker has an execution that has not ended"
	}
	return &hodei.Error{Code: hodei.Conflict, Message: why, Resource: "worker", ResourceID: id.String()}
}

// DeleteOldWorkers deletes the workers that have left and were last seen more
// than age ago. It returns their number.
func (db *DB) DeleteOldWorkers(ctx context.Context, age time.Duration) (int, error) {
	tag, err := db.pool.Exec(ctx, `DELETE FROM workers w
		WHERE coalesce(w.last_seen_at, w.registered_at) < now() - $1::interval AND `+gone, age)
	return int(tag.RowsAffected()), failure("delete old workers", err)
}
