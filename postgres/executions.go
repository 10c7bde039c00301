package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
)

// executionFields are the columns of a hodei.Execution in row e that every
// query selects alike. Each query appends its form of the specification and the
// log.
const executionFields = `e.id, e.job_id, e.pipeline_id, e.run_id, e.run_number, e.job_key, e.status, e.reason, e.worker_id, e.worker_type,
	e.exit_code, e.signal, e.attempt, e.retry_of,
	e.created_at, e.not_before, e.scheduled_at, e.started_at, e.completed_at, e.retry_at, e.cancel_requested_at, e.started_by, e.cancelled_by, e.resources, e.outputs, e.secret_versions,
	greatest(0, extract(epoch FROM coalesce(e.started_at, e.completed_at, now()) - greatest(e.created_at, e.not_before)))::float8 AS queued_seconds,
	extract(epoch FROM e.completed_at - e.started_at)::float8 AS duration_seconds, e.log_damaged, `

// countedLog are the columns that describe the log. They count the lines of a
// running execution in the log itself.
const countedLog = `(e.log_count = 0 OR EXISTS (SELECT FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id)) AS logs_available,
	CASE WHEN e.status = 'RUNNING' THEN (
		SELECT coalesce(sum(l.last_sequence - l.first_sequence + 1), 0)::bigint
		FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id)
	ELSE e.log_count END AS log_count`

const (
	executionColumns = executionFields + `e.spec, ` + countedLog
	// listedColumns are the columns for a list, which has no environments.
	listedColumns = executionFields + `e.spec - 'environment' AS spec, ` + countedLog
	// changedColumns are the columns of a row that has just changed. They do
	// not read its log: log_count is 0 until the execution ends.
	changedColumns = executionFields + `e.spec, true AS logs_available, e.log_count`
)

// GetExecution returns an execution, or NOT_FOUND.
func (db *DB) GetExecution(ctx context.Context, id hodei.ExecutionID) (hodei.Execution, error) {
	return one[hodei.Execution](ctx, db.pool, "get execution", "execution", id.String(),
		`SELECT `+executionColumns+` FROM executions e WHERE e.id = $1`, id)
}

// ExecutionFilter selects executions. A nil field does not filter.
type ExecutionFilter struct {
	JobIDs      []hodei.JobID
	PipelineIDs []hodei.PipelineID
	WorkerIDs   []hodei.WorkerID
	States      []hodei.ExecutionStatus
	RetryOf     *hodei.ExecutionID
	RunIDs      []hodei.RunID
	Created     Between
}

// from is the executions e that the filter selects. Where it has ids, the newest of
// each id are read by the index of the id, at most a page of each: a job may have
// many executions, and an index finds those of one id in order.
func (f ExecutionFilter) from() string {
	const selected = `executions e
		WHERE ($1::uuid IS NULL OR e.id < $1) AND ($2::uuid[] IS NULL OR e.job_id = ANY($2))
			AND ($3::uuid[] IS NULL OR e.pipeline_id = ANY($3)) AND ($4::uuid[] IS NULL OR e.worker_id = ANY($4))
			AND ($5::text[] IS NULL OR e.status = ANY($5)) AND ($6::uuid IS NULL OR e.retry_of = $6)
			AND ($8::timestamptz IS NULL OR e.created_at >= $8) AND ($9::timestamptz IS NULL OR e.created_at < $9)
			AND ($10::uuid[] IS NULL OR e.run_id = ANY($10))`
	each := func(column, parameter string) string {
		return `(SELECT DISTINCT unnest(` + parameter + `::uuid[]) AS id) one CROSS JOIN LATERAL (
			SELECT * FROM ` + selected + ` AND e.` + column + ` = one.id ORDER BY e.id DESC LIMIT $7) e`
	}
	switch {
	case len(f.JobIDs) > 0:
		return each("job_id", "$2")
	case len(f.RunIDs) > 0:
		return each("run_id", "$10")
	case len(f.WorkerIDs) > 0:
		return each("worker_id", "$4")
	case len(f.PipelineIDs) > 0:
		return each("pipeline_id", "$3")
	}
	return selected
}

// ListExecutions returns a page of executions, newest first.
func (db *DB) ListExecutions(ctx context.Context, f ExecutionFilter, p Page) ([]hodei.Execution, *string, error) {
	f.PipelineIDs = own(ctx, f.PipelineIDs)
	return list(p, func(e hodei.Execution) hodei.ExecutionID { return e.ID }, func(from *hodei.ExecutionID, limit int) ([]hodei.Execution, error) {
		return all[hodei.Execution](ctx, db.pool, "list executions", `SELECT `+listedColumns+` FROM `+f.from()+` ORDER BY e.id DESC LIMIT $7`,
			from, f.JobIDs, f.PipelineIDs, f.WorkerIDs, f.States, f.RetryOf, limit, f.Created.From, f.Created.To, f.RunIDs)
	})
}

// RequeueExecution returns a RUNNING execution to PENDING, after its worker is
// known not to have started it. It undoes only the assignment made at
// scheduledAt, because the same worker may have been assigned the execution
// again.
func (db *DB) RequeueExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, scheduledAt time.Time) (hodei.Execution, error) {
	return db.change(ctx, "requeue", id, hodei.Pending,
		`worker_id = NULL, worker_type = NULL, worker_incarnation = NULL, scheduled_at = NULL, started_at = NULL`,
		`e.worker_id = $4 AND e.scheduled_at = $5`, worker, scheduledAt)
}

// EndPending ends an execution that has no worker.
func (db *DB) EndPending(ctx context.Context, id hodei.ExecutionID, status hodei.ExecutionStatus, reason hodei.Reason) (hodei.Execution, error) {
	return db.change(ctx, "end", id, status, `reason = $4, completed_at = now(), run_due = e.run_id IS NOT NULL, fire_due = e.schedule_id IS NOT NULL,
			cancelled_by = coalesce(e.cancelled_by, $5)`, `e.status = 'PENDING'`, reason, hodei.CallerName(ctx))
}

// RequestCancel records a request to cancel the execution. If the execution has
// ended, it removes the pending retry, and returns CONFLICT if there is none.
func (db *DB) RequestCancel(ctx context.Context, id hodei.ExecutionID) (hodei.Execution, error) {
	e, err := changeOne[hodei.Execution](ctx, db, "cancel execution", "execution", id.String(),
		`WITH e AS (UPDATE executions SET cancel_requested_at = coalesce(cancel_requested_at, now()), cancelled_by = coalesce(cancelled_by, $2), retry_at = NULL,
				run_due = run_id IS NOT NULL AND completed_at IS NOT NULL,
				fire_due = schedule_id IS NOT NULL AND completed_at IS NOT NULL
			WHERE id = $1 AND (completed_at IS NULL OR retry_at IS NOT NULL) RETURNING *) SELECT `+executionColumns+` FROM e`, id, hodei.CallerName(ctx))
	return e, db.whyNot(ctx, id, "cancelled", err)
}

// change performs the one guarded UPDATE of a state transition; args start at
// $4. If the row is in another state or the condition is false, it changes
// nothing and returns CONFLICT.
func (db *DB) change(ctx context.Context, act string, id hodei.ExecutionID, to hodei.ExecutionStatus, set, cond string, args ...any) (hodei.Execution, error) {
	e, err := changeOne[hodei.Execution](ctx, db, act+" execution", "execution", id.String(),
		`WITH e AS (UPDATE executions e SET status = $2, `+set+`
			WHERE e.id = $1 AND e.status = ANY($3) AND `+cond+` RETURNING *)
		SELECT `+changedColumns+` FROM e`,
		append([]any{id, to, hodei.ExecutionTransitions.From(to)}, args...)...)
	return e, db.whyNot(ctx, id, string(to), err)
}

// whyNot distinguishes a missing execution from one in the wrong state.
func (db *DB) whyNot(ctx context.Context, id hodei.ExecutionID, to string, err error) error {
	if !errors.Is(err, hodei.NotFound) {
		return err
	}
	now, err := db.GetExecution(ctx, id)
	if err != nil {
		return err
	}
	return cannotBecome(now, to)
}

func cannotBecome(e hodei.Execution, to string) error {
	return &hodei.Error{
		Code: hodei.Conflict, Message: "Execution is " + string(e.Status) + " and cannot become " + to,
		Resource: "execution", ResourceID: e.ID.String(),
	}
}
