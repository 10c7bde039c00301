package postgres

import (
	"context"
	"errors"

	"github.com/hodei-jobs/hodei"
)

// executionColumns are a hodei.Execution of the row e. The log of one that
// still runs is counted in the log itself.
const executionColumns = `e.id, e.job_id, e.pipeline_id, e.status, e.reason, e.worker_id, e.worker_type,
	e.command, e.environment, e.priority, e.requirements, e.timeout_seconds, e.retries, e.working_dir,
	e.exit_code, e.signal, e.attempt, e.retry_of,
	e.created_at, e.scheduled_at, e.started_at, e.completed_at, e.cancel_requested_at,
	extract(epoch FROM coalesce(e.started_at, e.completed_at, now()) - e.created_at)::float8 AS queued_seconds,
	extract(epoch FROM e.completed_at - e.started_at)::float8 AS duration_seconds,
	(e.log_count = 0 OR EXISTS (SELECT FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id)) AS logs_available,
	CASE WHEN e.status = 'RUNNING' THEN (
		SELECT coalesce(sum(l.last_sequence - l.first_sequence + 1), 0)::bigint
		FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id)
	ELSE e.log_count END AS log_count`

// CreateExecution records a PENDING execution under a new id. Only the spec,
// the job, the pipeline, the attempt and what it retries are taken from draft.
func (db *DB) CreateExecution(ctx context.Context, draft hodei.Execution) (hodei.Execution, error) {
	id := newID[hodei.ExecutionID](ctx)
	e, err := one[hodei.Execution](ctx, db.pool, "create execution", "execution", id.String(),
		`WITH e AS (INSERT INTO executions (id, job_id, pipeline_id, status, command, environment, priority,
				requirements, timeout_seconds, retries, working_dir, attempt, retry_of, log_day)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING RETURNING *)
		SELECT `+executionColumns+` FROM e`,
		id, draft.JobID, draft.PipelineID, hodei.Pending, draft.Command, draft.Environment, draft.Priority,
		draft.Requirements, draft.TimeoutSeconds, draft.Retries, draft.WorkingDir, max(draft.Attempt, 1), draft.RetryOf, id.Day())
	if errors.Is(err, hodei.NotFound) { // an earlier try got this far
		return db.GetExecution(ctx, id)
	}
	return e, err
}

// GetExecution returns an execution, or NOT_FOUND.
func (db *DB) GetExecution(ctx context.Context, id hodei.ExecutionID) (hodei.Execution, error) {
	return one[hodei.Execution](ctx, db.pool, "get execution", "execution", id.String(),
		`SELECT `+executionColumns+` FROM executions e WHERE e.id = $1`, id)
}

// ExecutionFilter selects executions; nil selects all.
type ExecutionFilter struct {
	JobID      *hodei.JobID
	PipelineID *hodei.PipelineID
	WorkerID   *hodei.WorkerID
	Status     *hodei.ExecutionStatus
	RetryOf    *hodei.ExecutionID
}

// ListExecutions returns a page of executions, newest first.
func (db *DB) ListExecutions(ctx context.Context, f ExecutionFilter, p Page) ([]hodei.Execution, *string, error) {
	from, err := after[hodei.ExecutionID](p.Cursor)
	if err != nil {
		return nil, nil, err
	}
	items, err := all[hodei.Execution](ctx, db.pool, "list executions",
		`SELECT `+executionColumns+` FROM executions e
		WHERE ($1::uuid IS NULL OR e.id < $1) AND ($2::uuid IS NULL OR e.job_id = $2)
			AND ($3::uuid IS NULL OR e.pipeline_id = $3) AND ($4::uuid IS NULL OR e.worker_id = $4)
			AND ($5::text IS NULL OR e.status = $5) AND ($6::uuid IS NULL OR e.retry_of = $6)
		ORDER BY e.id DESC LIMIT $7`, from, f.JobID, f.PipelineID, f.WorkerID, f.Status, f.RetryOf, p.Size+1)
	if err != nil {
		return nil, nil, err
	}
	items, next := page(items, p.Size, func(e hodei.Execution) string { return e.ID.String() })
	return items, next, nil
}

// AssignExecution makes a pending execution RUNNING on one incarnation of a
// worker. Of two callers one wins, the other gets CONFLICT.
func (db *DB) AssignExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, workerType, incarnation string) (hodei.Execution, error) {
	return db.change(ctx, "assign", id, hodei.Running,
		`worker_id = $4, worker_type = $5, worker_incarnation = $6, scheduled_at = now(), started_at = now()`, `true`,
		worker, workerType, incarnation)
}

// RequeueExecution makes a RUNNING execution PENDING again, because the worker
// is known not to have started it.
func (db *DB) RequeueExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID) (hodei.Execution, error) {
	return db.change(ctx, "requeue", id, hodei.Pending,
		`worker_id = NULL, worker_type = NULL, worker_incarnation = NULL, scheduled_at = NULL, started_at = NULL`,
		`e.worker_id = $4`, worker)
}

// EndPending ends an execution that no worker was given.
func (db *DB) EndPending(ctx context.Context, id hodei.ExecutionID, status hodei.ExecutionStatus, reason hodei.Reason) (hodei.Execution, error) {
	return db.change(ctx, "end", id, status, `reason = $4, completed_at = now()`, `e.status = 'PENDING'`, reason)
}

// RequestCancel notes that somebody wants the execution cancelled; it is
// CONFLICT for one that has ended.
func (db *DB) RequestCancel(ctx context.Context, id hodei.ExecutionID) (hodei.Execution, error) {
	e, err := one[hodei.Execution](ctx, db.pool, "cancel execution", "execution", id.String(),
		`WITH e AS (UPDATE executions SET cancel_requested_at = coalesce(cancel_requested_at, now())
			WHERE id = $1 AND completed_at IS NULL RETURNING *) SELECT `+executionColumns+` FROM e`, id)
	return e, db.whyNot(ctx, id, "cancelled", err)
}

// recordedLog is the number of lines that the record has of the log of the row
// e, and their digest.
const recordedLog = `(SELECT coalesce(sum(l.last_sequence - l.first_sequence + 1), 0)::bigint AS count,
	mod(coalesce(sum(l.digest), 0), 9223372036854775808)::bigint AS digest
	FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id)`

// FinishExecution records the end of a run as its worker reports it, if the
// record has the whole log. Repeating it with the same outcome changes
// nothing. It returns false, and changes nothing, while lines are missing, and
// CONFLICT when the execution has ended otherwise or is another worker's.
func (db *DB) FinishExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, o hodei.Outcome) (hodei.Execution, bool, error) {
	e, err := db.change(ctx, "finish", id, o.Status,
		`reason = $5, exit_code = $6, signal = $7, started_at = coalesce($8, started_at),
			completed_at = greatest($9::timestamptz, $8), log_count = $10, log_digest = $11`,
		`e.worker_id = $4 AND ($10 = 0 OR EXISTS (SELECT FROM `+recordedLog+` log WHERE log.count = $10 AND log.digest = $11))`,
		worker, o.Reason, o.ExitCode, o.Signal, o.StartedAt, o.CompletedAt, o.LogCount, o.LogDigest)
	if err == nil || !errors.Is(err, hodei.Conflict) {
		return e, err == nil, err
	}
	now, getErr := db.GetExecution(ctx, id)
	switch {
	case getErr != nil:
		return now, false, getErr
	case now.WorkerID == nil || *now.WorkerID != worker:
		return now, false, err
	case now.Status == hodei.Running:
		return now, false, nil
	case now.Status == o.Status && now.LogCount == o.LogCount:
		return now, true, nil // told before
	}
	return now, false, err
}

// change makes the one guarded UPDATE of a state transition: args continue at
// $4. A row in another state, or for which the condition does not hold, is
// left alone and CONFLICT is returned.
func (db *DB) change(ctx context.Context, act string, id hodei.ExecutionID, to hodei.ExecutionStatus, set, cond string, args ...any) (hodei.Execution, error) {
	e, err := one[hodei.Execution](ctx, db.pool, act+" execution", "execution", id.String(),
		`WITH e AS (UPDATE executions e SET status = $2, `+set+`
			WHERE e.id = $1 AND e.status = ANY($3) AND `+cond+` RETURNING *)
		SELECT `+executionColumns+` FROM e`,
		append([]any{id, to, hodei.ExecutionTransitions.From(to)}, args...)...)
	return e, db.whyNot(ctx, id, string(to), err)
}

// whyNot tells an execution that is not there from one in the wrong state.
func (db *DB) whyNot(ctx context.Context, id hodei.ExecutionID, to string, err error) error {
	if !errors.Is(err, hodei.NotFound) {
		return err
	}
	now, err := db.GetExecution(ctx, id)
	if err != nil {
		return err
	}
	return &hodei.Error{
		Code: hodei.Conflict, Message: "Execution is " + string(now.Status) + " and cannot become " + to,
		Resource: "execution", ResourceID: id.String(),
	}
}
