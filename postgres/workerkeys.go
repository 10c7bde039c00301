package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

const workerKeyColumns = `k.worker_id, k.public_key, k.name, k.address, k.token_id, k.joined_at, k.approved_at, k.approved_by, k.revoked_at`

// AddWorkerKey records the key of a new worker and one use of the token with this hash, in one
// transaction. It returns UNAUTHENTICATED if the token allows no further worker, CONFLICT if
// the id is that of another worker. A repeat with the same key and id changes nothing.
func (db *DB) AddWorkerKey(ctx context.Context, hash []byte, draft hodei.WorkerKey) (hodei.WorkerKey, error) {
	var k hodei.WorkerKey
	err := db.transact(ctx, "worker", draft.WorkerID.String(), func(tx pgx.Tx) error {
		t, err := one[hodei.Token](ctx, tx, "use token", "token", "",
			`UPDATE tokens t SET uses_left = uses_left - 1, last_used_at = now()
			WHERE hash = $1 AND role = 'worker' AND uses_left > 0 AND (expires_at IS NULL OR expires_at > now()) RETURNING `+tokenColumns, hash)
		if errors.Is(err, hodei.NotFound) {
			return hodei.Errorf(hodei.Unauthenticated, "The token lets no worker join: it is unknown, used or expired")
		}
		if err != nil {
			return err
		}
		k, err = one[hodei.WorkerKey](ctx, tx, "join worker", "worker", draft.WorkerID.String(),
			`INSERT INTO worker_keys AS k (worker_id, public_key, name, address, token_id, approved_at)
			SELECT $1, $2, $3, $4, $5, CASE WHEN $6 THEN NULL ELSE now() END WHERE NOT EXISTS (SELECT FROM workers WHERE id = $1)
			ON CONFLICT DO NOTHING RETURNING `+workerKeyColumns,
			draft.WorkerID, draft.PublicKey, draft.Name, draft.Address, t.ID, t.NeedsApproval)
		if errors.Is(err, hodei.NotFound) {
			return hodei.Errorf(hodei.Conflict, "The id is that of another worker: join with an empty state directory")
		}
		return err
	})
	if err == nil || !errors.Is(err, hodei.Conflict) && !errors.Is(err, hodei.Unauthenticated) {
		return k, failure("join worker", err)
	}
	if known, found := db.WorkerKey(ctx, draft.PublicKey); found == nil && known.WorkerID == draft.WorkerID {
		return known, nil
	}
	return k, err
}

// WorkerKey returns the worker with this key, or NOT_FOUND.
func (db *DB) WorkerKey(ctx context.Context, key string) (hodei.WorkerKey, error) {
	return one[hodei.WorkerKey](ctx, db.pool, "find worker key", "worker", "", `SELECT `+workerKeyColumns+` FROM worker_keys k WHERE public_key = $1`, key)
}

// ListWorkerKeys returns a page of the workers that have joined, newest first, and the cursor
// of the next page.
func (db *DB) ListWorkerKeys(ctx context.Context, p Page) ([]hodei.WorkerKey, *string, error) {
	return list(p, func(k hodei.WorkerKey) hodei.WorkerID { return k.WorkerID }, func(from *hodei.WorkerID, limit int) ([]hodei.WorkerKey, error) {
		return all[hodei.WorkerKey](ctx, db.pool, "list worker keys",
			`SELECT `+workerKeyColumns+` FROM worker_keys k WHERE ($1::uuid IS NULL OR worker_id < $1) ORDER BY worker_id DESC LIMIT $2`, from, limit)
	})
}

// ApproveWorker lets a worker that has joined connect, or returns NOT_FOUND. A repeat changes
// nothing.
func (db *DB) ApproveWorker(ctx context.Context, id hodei.WorkerID, by *string) (hodei.WorkerKey, error) {
	return changeOne[hodei.WorkerKey](ctx, db, "approve worker", "worker", id.String(),
		`UPDATE worker_keys k SET approved_by = CASE WHEN approved_at IS NULL THEN $2 ELSE approved_by END, approved_at = coalesce(approved_at, now())
		WHERE worker_id = $1 AND revoked_at IS NULL RETURNING `+workerKeyColumns, id, by)
}

// RevokeWorker shuts out a worker that has joined for ever, or returns NOT_FOUND. A repeat
// changes nothing.
func (db *DB) RevokeWorker(ctx context.Context, id hodei.WorkerID) (hodei.WorkerKey, error) {
	return changeOne[hodei.WorkerKey](ctx, db, "revoke worker", "worker", id.String(),
		`UPDATE worker_keys k SET revoked_at = coalesce(revoked_at, now()) WHERE worker_id = $1 RETURNING `+workerKeyColumns, id)
}

// RevokedWorkers returns those of the workers that are revoked.
func (db *DB) RevokedWorkers(ctx context.Context, ids []hodei.WorkerID) ([]hodei.WorkerID, error) {
	rows, err := all[hodei.WorkerKey](ctx, db.pool, "find revoked workers",
		`SELECT `+workerKeyColumns+` FROM worker_keys k WHERE worker_id = ANY($1) AND revoked_at IS NOT NULL`, ids)
	revoked := make([]hodei.WorkerID, 0, len(rows))
	for _, row := range rows {
		revoked = append(revoked, row.WorkerID)
	}
	return revoked, err
}
