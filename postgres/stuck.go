package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// stuckPause is how long a run that cannot advance is put off. Its step fails again until a user
// cancels it or the cause is removed.
const stuckPause = time.Minute

// notPutOff is true for a run r whose next step is not postponed.
const notPutOff = `(r.put_off_until IS NULL OR r.put_off_until <= now())`

// dueRuns are the runs r that are due, at most $1.
const dueRuns = ` FROM runs r
	WHERE r.id = ANY(ARRAY(SELECT DISTINCT run_id FROM executions WHERE run_due)
		|| ARRAY(SELECT DISTINCT parent_run_id FROM runs WHERE parent_due)
		|| ARRAY(SELECT r.id FROM runs r WHERE r.due_at <= now() AND ` + notPutOff + ` ORDER BY r.due_at LIMIT $1))
		AND ` + notPutOff + ` LIMIT $1`

// Stuck is a run whose step failed, and which is put off for a minute.
type Stuck struct {
	RunID hodei.RunID
	Err   error
}

// ofOneRun reports whether the failure of a step may be due to one of its runs: not if there is
// none, nor if the database is unavailable to all of them.
func ofOneRun(err error) bool {
	return err != nil && !errors.Is(err, hodei.Unavailable) && !errors.Is(err, hodei.Timeout) && !errors.Is(err, hodei.NotFound)
}

// advanceEach advances the runs that are due in a transaction each, and puts off those that
// cannot advance. A run that another instance has advanced meanwhile does not change.
func (db *DB) advanceEach(ctx context.Context, advance Advance, announce Announce) (out []Advanced, stuck []Stuck, err error) {
	rows, err := db.pool.Query(ctx, `SELECT r.id`+dueRuns, RunsAtOnce)
	if err != nil {
		return nil, nil, failure("find due runs", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[hodei.RunID])
	if err != nil {
		return nil, nil, failure("find due runs", err)
	}
	for _, id := range ids {
		a, err := db.AdvanceRun(ctx, id, func(r *hodei.Run, ends []hodei.Execution, now time.Time) (Steps, error) {
			return advance(r, ends, now), nil
		}, announce)
		switch {
		case err == nil:
			out = append(out, a)
		case ofOneRun(err):
			stuck = append(stuck, Stuck{id, err})
			if err := db.putOff(ctx, id); err != nil {
				return out, stuck, err
			}
		case !errors.Is(err, hodei.NotFound): // otherwise it was deleted
			return out, stuck, err
		}
	}
	return out, stuck, nil
}

// putOff postpones the next step of a run by stuckPause, whatever it is due for. That step ends
// the postponement.
func (db *DB) putOff(ctx context.Context, id hodei.RunID) error {
	_, err := db.pool.Exec(ctx, `UPDATE runs SET put_off_until = now() + $2::interval,
		due_at = CASE WHEN completed_at IS NULL THEN now() + $2::interval END WHERE id = $1`, id, stuckPause)
	return failure("put off run", err)
}
