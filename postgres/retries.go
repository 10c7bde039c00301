package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/hodei-jobs/hodei"
)

// retryAt is when the row e, which ends now in the given state, will be
// executed again; null when it will not. The pause doubles up to
// hodei.RetryCap, and is varied by up to a fifth so that what failed together
// does not come together.
func retryAt(status string) string {
	return fmt.Sprintf(`CASE WHEN %s = ANY('{%s,%s}'::text[]) AND e.cancel_requested_at IS NULL
		AND (e.spec->'retries'->>'max')::int >= e.attempt THEN now() + (0.8 + 0.4 * random()) * make_interval(secs =>
			least(greatest(%d, (e.spec->'retries'->>'backoff_seconds')::float8),
				coalesce((e.spec->'retries'->>'backoff_seconds')::float8, 0) * power(2, e.attempt - 1))) END`,
		status, hodei.Failed, hodei.TimedOut, hodei.RetryCap)
}

// CreateRetry creates the execution that follows the one whose retry is due
// for longest, PENDING and with the next attempt. It is NOT_FOUND when none is
// due. Several instances may ask at once: each retry is created once.
func (db *DB) CreateRetry(ctx context.Context) (hodei.Execution, error) {
	id := NewID[hodei.ExecutionID]()
	return one[hodei.Execution](ctx, db.pool, "create retry", "execution", id.String(),
		`WITH due AS (SELECT id FROM executions WHERE retry_at <= now() ORDER BY retry_at LIMIT 1 FOR UPDATE SKIP LOCKED),
		past AS (UPDATE executions p SET retry_at = NULL FROM due WHERE p.id = due.id RETURNING p.*),
		e AS (INSERT INTO executions (id, job_id, pipeline_id, status, spec, attempt, retry_of, log_day)
			SELECT $1, job_id, pipeline_id, $2, spec, attempt + 1, id, $3 FROM past RETURNING *)
		SELECT `+executionColumns+` FROM e`, id, hodei.Pending, id.Day())
}

// NextRetry is how long it is until a retry is due, at most the given time;
// 0 when one is due now.
func (db *DB) NextRetry(ctx context.Context, most time.Duration) (time.Duration, error) {
	var seconds float64
	err := db.pool.QueryRow(ctx, `SELECT greatest(0, least($1, extract(epoch FROM min(retry_at) - now())))::float8
		FROM executions WHERE retry_at IS NOT NULL`, most.Seconds()).Scan(&seconds)
	return time.Duration(seconds * float64(time.Second)), failure("find next retry", err)
}
