package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/hodei-jobs/hodei"
)

// ended returns the assignments that follow from the end of row e: when the
// execution is retried, and whether its run must be advanced. The arguments are
// expressions for the new status, reason, exit code and signal. The backoff
// doubles up to hodei.RetryCap and has a jitter of a fifth, so that executions
// that failed together are not retried together.
func ended(status, reason, exitCode, signal string) string {
	retried := fmt.Sprintf(`(e.cancel_requested_at IS NULL AND coalesce((e.spec->'retries'->>'max')::int >= e.attempt, false) AND
		CASE WHEN e.spec->'retries'->'on' IS NULL THEN %[1]s = ANY('{%[5]s,%[6]s}'::text[])
		ELSE %[1]s <> ALL('{%[7]s,%[8]s}'::text[]) AND jsonb_exists_any(e.spec->'retries'->'on',
			ARRAY[%[1]s, %[2]s, 'exit:' || %[3]s, 'signal:' || %[4]s]) END)`,
		status, reason, exitCode, signal, hodei.Failed, hodei.TimedOut, hodei.Completed, hodei.Cancelled)
	return fmt.Sprintf(`retry_at = CASE WHEN %[1]s THEN now() + (0.8 + 0.4 * random()) * make_interval(secs =>
			least(greatest(%[2]d, (e.spec->'retries'->>'backoff_seconds')::float8),
				coalesce((e.spec->'retries'->>'backoff_seconds')::float8, 0) * power(2, e.attempt - 1))) END,
		run_due = e.run_id IS NOT NULL AND NOT %[1]s, fire_due = e.schedule_id IS NOT NULL AND NOT %[1]s`, retried, hodei.RetryCap)
}

// CreateRetry creates the next attempt, PENDING, of the execution whose retry
// has been due longest. It returns NOT_FOUND if none is due. Several instances
// may call it at once: each retry is created once.
func (db *DB) CreateRetry(ctx context.Context) (hodei.Execution, error) {
	id := NewID[hodei.ExecutionID]()
	return one[hodei.Execution](ctx, db.pool, "create retry", "execution", id.String(),
		`WITH due AS (SELECT id FROM executions WHERE retry_at <= now() ORDER BY retry_at LIMIT 1 FOR UPDATE SKIP LOCKED),
		past AS (UPDATE executions p SET retry_at = NULL FROM due WHERE p.id = due.id RETURNING p.*),
		e AS (INSERT INTO executions (id, job_id, pipeline_id, run_id, run_number, job_key, schedule_id, planned_at, status, spec, attempt, retry_of, started_by, log_day)
			SELECT $1, job_id, pipeline_id, run_id, run_number, job_key, schedule_id, planned_at, $2, spec, attempt + 1, id, started_by, $3 FROM past RETURNING *)
		SELECT `+executionColumns+` FROM e`, id, hodei.Pending, id.Day())
}

// NextRetry returns the time until the next retry is due, at most the given
// time; 0 if one is due now.
func (db *DB) NextRetry(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next retry", `false`, `SELECT min(retry_at) FROM executions WHERE retry_at IS NOT NULL`, most)
}
