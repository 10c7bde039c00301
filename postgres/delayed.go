package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
)

// CreateDelayed inserts a PENDING execution that no worker gets before its not_before. If
// that is not in the future, it waits for a worker at once. An execution that an earlier
// try recorded is returned unchanged.
func (db *DB) CreateDelayed(ctx context.Context, draft hodei.Execution) (hodei.Execution, error) {
	if draft.ID.IsZero() {
		draft.ID = NewExecutionID(ctx)
	}
	e, err := one[hodei.Execution](ctx, db.pool, "create execution", "execution", draft.ID.String(),
		`WITH e AS (INSERT INTO executions (id, job_id, pipeline_id, status, spec, attempt, log_day, not_before, held, reason)
			VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $7 > now(), CASE WHEN $7 > now() THEN $8 END) ON CONFLICT (id) DO NOTHING RETURNING *)
		SELECT `+changedColumns+` FROM e`,
		draft.ID, draft.JobID, draft.PipelineID, hodei.Pending, draft.Spec, draft.ID.Day(), draft.NotBefore, hodei.ReasonNotBefore)
	if errors.Is(err, hodei.NotFound) {
		return db.GetExecution(ctx, draft.ID)
	}
	return e, err
}

// NextDelayed returns the time until an execution is to be let go, at most the given time.
func (db *DB) NextDelayed(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next delayed execution", `false`,
		`SELECT min(not_before) FROM executions WHERE held AND status = 'PENDING'`, most)
}

// delayedAtOnce is how many executions one statement lets go.
const delayedAtOnce = 100

// ReleaseDelayed lets executions go whose time has come. It returns NOT_FOUND if there are
// none that no other instance has locked.
func (db *DB) ReleaseDelayed(ctx context.Context) ([]hodei.Execution, error) {
	out, err := all[hodei.Execution](ctx, db.pool, "let executions go",
		`WITH due AS (SELECT id FROM executions WHERE held AND status = 'PENDING' AND not_before <= now()
			ORDER BY not_before LIMIT $1 FOR UPDATE SKIP LOCKED),
		e AS (UPDATE executions x SET held = false, reason = NULL FROM due WHERE x.id = due.id RETURNING x.*)
		SELECT `+changedColumns+` FROM e ORDER BY e.id`, delayedAtOnce)
	if err == nil && len(out) == 0 {
		err = hodei.NotFound
	}
	return out, err
}
