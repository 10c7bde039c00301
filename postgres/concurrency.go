package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

const (
	// admitSweep is the interval of steps of a run that waits for its concurrency key,
	// in case wakeNext failed.
	admitSweep = 10 * time.Second
	// admitSoon is when its next step follows if another instance, or the same batch,
	// decided about the key at the same moment.
	admitSoon = 100 * time.Millisecond
)

// keyLock is the advisory lock of a concurrency key, which belongs to its pipeline. Lock order:
// key, then run. A transaction that has locked a run must not wait for a key, only try to lock it.
const keyLock = `hashtextextended('hodei concurrency ' || $1::uuid || ' ' || $2, 0)`

// admitNew decides whether a new run starts, waits for its concurrency key, or is REJECTED.
// It sets the state of the run, and cancels others with the key as OnConflict requires.
func admitNew(ctx context.Context, tx session, r *hodei.Run, parent *parentJob) error {
	c := r.Plan.Concurrency
	if c == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+keyLock+`)`, r.PipelineID, c.Key); err != nil {
		return err
	}
	running, waiting, err := countKey(ctx, tx, r)
	if err != nil || running < max(c.Limit, 1) && waiting == 0 {
		return err
	}
	if waits, err := parent.waitsWithKey(ctx, tx, r); err != nil || waits {
		return cmp.Or(err, error(hodei.Errorf(hodei.Rejected, "The concurrency key %q is taken by a run that waits for this one", c.Key)))
	}
	r.Status, r.StartedAt, r.Reason = hodei.RunPending, nil, new(hodei.ReasonConcurrency)
	states := []hodei.RunStatus{hodei.RunPending}
	switch c.OnConflict {
	case hodei.ConflictReject:
		return hodei.Errorf(hodei.Rejected, "The concurrency key %q is taken by %d of %d runs", c.Key, running, max(c.Limit, 1))
	case hodei.ConflictCancelWaiting:
	case hodei.ConflictCancelRunning:
		states = append(states, hodei.RunRunning)
	default:
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE runs SET plan = plan || $3, cancel_requested_at = coalesce(cancel_requested_at, now()), due_at = now()
		WHERE pipeline_id = $4 AND concurrency_key = $1 AND completed_at IS NULL AND status = ANY($2) AND NOT plan ?| '{stopping,held}'`,
		c.Key, states, map[string]hodei.Reason{"stopping": hodei.ReasonSuperseded}, r.PipelineID)
	return err
}

// crowded reports whether run i of a batch is held and must be admitted in another
// transaction. The record does not show what the batch has decided about other runs with the
// key, and the batch would overwrite a request of admitNew to cancel them. Runs behind it that
// are held as well do not matter: admitNew neither counts nor cancels them.
func crowded(runs []hodei.Run, i int) bool {
	key := concurrencyKey(runs[i])
	if key == nil || !runs[i].Plan.Held {
		return false
	}
	for j := range runs {
		other := concurrencyKey(runs[j])
		if j != i && other != nil && *other == *key && runs[j].PipelineID == runs[i].PipelineID && (j < i || !runs[j].Plan.Held) {
			return true
		}
	}
	return false
}

// admitWaiting starts a waiting run if it is the oldest and the limit of its key allows it.
// Otherwise it returns the time of the next attempt.
func admitWaiting(ctx context.Context, tx session, r *hodei.Run, crowded bool, now time.Time) (again *time.Time, err error) {
	c := r.Plan.Concurrency
	if r.Status != hodei.RunPending || r.Plan.Stopping != nil {
		return nil, nil
	}
	if r.Plan.Held && r.NotBefore.After(now) {
		return r.NotBefore, nil
	}
	if c == nil {
		letGo(r, now)
		return nil, nil
	}
	if crowded {
		return new(now.Add(admitSoon)), nil
	}
	later := now.Add(admitSweep)
	var locked bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(`+keyLock+`)`, r.PipelineID, c.Key).Scan(&locked); err != nil {
		return nil, err
	}
	if !locked {
		return new(now.Add(admitSoon)), nil
	}
	if r.Plan.Held { // its not_before has passed: admit it like a new run
		letGo(r, now)
		if err := admitNew(ctx, tx, r, nil); errors.Is(err, hodei.Rejected) {
			r.Plan.Stopping = new(hodei.ReasonRejected)
		} else if err != nil {
			return nil, err
		}
		return &later, nil
	}
	running, before, err := countKey(ctx, tx, r)
	if err != nil || running >= max(c.Limit, 1) || before > 0 {
		return &later, err
	}
	r.Status, r.StartedAt, r.Reason = hodei.RunRunning, &now, nil
	return nil, nil
}

// hold makes a new run wait for its not_before.
func hold(r *hodei.Run) {
	r.Status, r.StartedAt, r.Plan.Held, r.Reason = hodei.RunPending, nil, true, new(hodei.ReasonNotBefore)
}

// letGo ends the wait of hold.
func letGo(r *hodei.Run, now time.Time) {
	r.Status, r.StartedAt, r.Plan.Held, r.Reason = hodei.RunRunning, &now, false, nil
}

// countKey counts the RUNNING runs with the key of the run, and the PENDING ones older than it.
func countKey(ctx context.Context, tx session, r *hodei.Run) (running, before int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE status = 'RUNNING'), count(*) FILTER (WHERE status = 'PENDING' AND id < $2
				AND NOT plan ?| '{stopping,held}')
		FROM runs WHERE pipeline_id = $3 AND concurrency_key = $1 AND completed_at IS NULL`,
		r.Plan.Concurrency.Key, r.ID, r.PipelineID).Scan(&running, &before)
	if err != nil {
		return 0, 0, fmt.Errorf("count runs of a key: %w", err)
	}
	return running, before, nil
}

// wakeNext marks the oldest run that waits for a key as due, after a run with the key has
// started or ended. queueNext does so in the transaction of the end, but misses a run that is
// being created or advanced by another transaction at that moment, which has counted the
// ended run. That transaction holds the lock of the key, so wakeNext waits for it in a
// transaction that has locked no run. If wakeNext fails, admitSweep finds the run.
func (db *DB) wakeNext(ctx context.Context, all []Advanced) {
	for _, a := range all {
		c := a.Plan.Concurrency
		if c == nil || a.Status == a.Was || a.Was == "" {
			continue
		}
		_ = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+keyLock+`)`, a.PipelineID, c.Key); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE runs SET due_at = now() WHERE id = (SELECT id FROM runs
				WHERE pipeline_id = $2 AND concurrency_key = $1 AND completed_at IS NULL AND status = 'PENDING' AND NOT plan ?| '{stopping,held}'
				ORDER BY id LIMIT 1) AND completed_at IS NULL`, c.Key, a.PipelineID)
			return err
		})
	}
}

// queueNext marks the oldest run that waits for the key as due, because a run with the key
// has started or ended.
func queueNext(batch *pgx.Batch, w decided) {
	c := w.run.Plan.Concurrency
	if c == nil || w.run.Status == w.was {
		return
	}
	batch.Queue(`UPDATE runs SET due_at = now() WHERE id = (SELECT id FROM runs
		WHERE pipeline_id = $3 AND concurrency_key = $1 AND completed_at IS NULL AND status = 'PENDING' AND NOT plan ? 'held' AND id <> $2
		ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)`, c.Key, w.run.ID, w.run.PipelineID)
}
