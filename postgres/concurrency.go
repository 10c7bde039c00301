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
	// admitSweep is how often a run that waits for its concurrency key is looked at,
	// should the end of the run before it not have led to that.
	admitSweep = 10 * time.Second
	// admitSoon is when it is looked at again where another instance, or the same batch,
	// decided about the key at the same moment.
	admitSoon = 100 * time.Millisecond
)

// keyLock is the advisory lock of a concurrency key. Who holds it may wait for the lock
// of a run; who holds the lock of a run only tries for it.
const keyLock = `hashtextextended('hodei concurrency ' || $1, 0)`

// admitNew decides whether a new run starts, waits for its concurrency key, or is
// REJECTED, and what becomes of the others with the key. It sets the state.
func admitNew(ctx context.Context, tx session, r *hodei.Run, caller *Caller) error {
	c := r.Plan.Concurrency
	if c == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+keyLock+`)`, c.Key); err != nil {
		return err
	}
	running, waiting, err := countKey(ctx, tx, c.Key, r.ID)
	if err != nil || running < max(c.Limit, 1) && waiting == 0 {
		return err
	}
	if waits, err := caller.waitsWithKey(ctx, tx, c.Key); err != nil || waits {
		return cmp.Or(err, error(hodei.Errorf(hodei.Rejected, "The concurrency key %q is taken by a run that waits for this one", c.Key)))
	}
	r.Status, r.StartedAt = hodei.RunPending, nil
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
		WHERE concurrency_key = $1 AND completed_at IS NULL AND status = ANY($2) AND NOT plan ?| '{stopping,held}'`,
		c.Key, states, map[string]hodei.Reason{"stopping": hodei.ReasonSuperseded})
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
		if j != i && other != nil && *other == *key && (j < i || !runs[j].Plan.Held) {
			return true
		}
	}
	return false
}

// admitWaiting starts a run that waits, when it is the oldest one and its key has room.
// It returns when to look again otherwise.
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
		later := now.Add(admitSoon)
		return &later, nil
	}
	later := now.Add(admitSweep)
	var locked bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(`+keyLock+`)`, c.Key).Scan(&locked); err != nil {
		return nil, err
	}
	if !locked {
		later = now.Add(admitSoon)
		return &later, nil
	}
	if r.Plan.Held { // its time has come, as if it were new
		letGo(r, now)
		if err := admitNew(ctx, tx, r, nil); errors.Is(err, hodei.Rejected) {
			reason := hodei.ReasonRejected
			r.Plan.Stopping = &reason
		} else if err != nil {
			return nil, err
		}
		return &later, nil
	}
	running, before, err := countKey(ctx, tx, c.Key, r.ID)
	if err != nil || running >= max(c.Limit, 1) || before > 0 {
		return &later, err
	}
	r.Status, r.StartedAt = hodei.RunRunning, &now
	return nil, nil
}

// hold has a new run wait for the time before which it must not start.
func hold(r *hodei.Run) {
	r.Status, r.StartedAt, r.Plan.Held, r.Reason = hodei.RunPending, nil, true, reasonOf(hodei.ReasonNotBefore)
}

// letGo ends that.
func letGo(r *hodei.Run, now time.Time) {
	r.Status, r.StartedAt, r.Plan.Held, r.Reason = hodei.RunRunning, &now, false, nil
}

// countKey counts the runs with the key that run, and those that wait and are older than
// the given one.
func countKey(ctx context.Context, tx session, key string, id hodei.RunID) (running, before int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE status = 'RUNNING'), count(*) FILTER (WHERE status = 'PENDING' AND id < $2
				AND NOT plan ?| '{stopping,held}')
		FROM runs WHERE concurrency_key = $1 AND completed_at IS NULL`, key, id).Scan(&running, &before)
	if err != nil {
		return 0, 0, fmt.Errorf("count runs of a key: %w", err)
	}
	return running, before, nil
}

// wakeNext has the oldest run that waits for a key looked at, after a run with the key has
// started or ended. queueNext does that in the transaction of the end, but cannot see a run that
// is being created, nor mark one that is being looked at, at that moment: both have counted the
// ended run. They hold the lock of the key, for which only a transaction that has locked no run
// may wait. If wakeNext fails, the waiting run is looked at within admitSweep.
func (db *DB) wakeNext(ctx context.Context, all []Advanced) {
	for _, a := range all {
		c := a.Plan.Concurrency
		if c == nil || a.Status == a.Was || a.Was == "" {
			continue
		}
		_ = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+keyLock+`)`, c.Key); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE runs SET due_at = now() WHERE id = (SELECT id FROM runs
				WHERE concurrency_key = $1 AND completed_at IS NULL AND status = 'PENDING' AND NOT plan ?| '{stopping,held}' ORDER BY id LIMIT 1)
				AND completed_at IS NULL`, c.Key)
			return err
		})
	}
}

// queueNext has the oldest run that waits for the key looked at, because a run with the
// key has started or ended.
func queueNext(batch *pgx.Batch, w decided) {
	c := w.run.Plan.Concurrency
	if c == nil || w.run.Status == w.was {
		return
	}
	batch.Queue(`UPDATE runs SET due_at = now() WHERE id = (SELECT id FROM runs
		WHERE concurrency_key = $1 AND completed_at IS NULL AND status = 'PENDING' AND NOT plan ? 'held' AND id <> $2
		ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)`, c.Key, w.run.ID)
}
