package postgres

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
)

// NextDelayed returns the time until the not_before of an execution, at most the given time.
func (db *DB) NextDelayed(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next delayed execution", `false`,
		`SELECT min(not_before) FROM executions WHERE held AND status = 'PENDING'`, most)
}

// delayedAtOnce is how many executions one statement releases.
const delayedAtOnce = 100

// ReleaseDelayed releases executions whose not_before has passed. It returns NOT_FOUND if
// there are none that no other instance has locked.
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
