package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// workerColumns are a hodei.Worker of the row w as far as the record knows it;
// free slots, load and whether it is busy are the worker's own word.
const workerColumns = `w.id, w.name, w.type, w.labels, w.status, w.total_capacity AS capacity, w.total_capacity,
	0 AS running, w.registered_at, w.last_seen_at, NULL::float8 AS ack_latency_seconds,
	(SELECT avg(CASE WHEN status = 'COMPLETED' THEN 1.0 ELSE 0.0 END)::float8 FROM (
		SELECT status FROM executions e WHERE e.worker_id = w.id AND e.completed_at IS NOT NULL
		ORDER BY e.id DESC LIMIT 50) past) AS success_rate,
	w.version`

// Registered is a worker with the incarnation that it had before, "" for none.
type Registered struct {
	hodei.Worker
	Before string
}

// RegisterWorker records a worker as AVAILABLE: its name, type, labels, total
// capacity and version. With a zero id it is a new one; else it is a new
// incarnation of the worker of that id, which is NOT_FOUND when not there.
func (db *DB) RegisterWorker(ctx context.Context, w hodei.Worker, incarnation string) (Registered, error) {
	args := []any{w.Name, w.Type, w.Labels, hodei.WorkerAvailable, w.TotalCapacity, incarnation, w.Version}
	if w.ID.IsZero() {
		return one[Registered](ctx, db.pool, "register worker", "worker", "",
			`WITH w AS (INSERT INTO workers (id, name, type, labels, status, total_capacity, incarnation, version, last_seen_at)
				VALUES ($8, $1, $2, $3, $4, $5, $6, $7, now()) RETURNING *)
			SELECT `+workerColumns+`, '' AS before FROM w`, append(args, newID[hodei.WorkerID](ctx))...)
	}
	return one[Registered](ctx, db.pool, "register worker", "worker", w.ID.String(),
		`WITH old AS (SELECT incarnation FROM workers WHERE id = $8 FOR UPDATE),
		w AS (UPDATE workers SET name = $1, type = $2, labels = $3, status = $4, total_capacity = $5,
				incarnation = $6, version = $7, registered_at = now(), last_seen_at = now()
			FROM old WHERE id = $8 RETURNING workers.*, old.incarnation AS before)
		SELECT `+workerColumns+`, coalesce(w.before, '') AS before FROM w`, append(args, w.ID)...)
}

// GetWorker returns a worker, or NOT_FOUND.
func (db *DB) GetWorker(ctx context.Context, id hodei.WorkerID) (hodei.Worker, error) {
	return one[hodei.Worker](ctx, db.pool, "get worker", "worker", id.String(),
		`SELECT `+workerColumns+` FROM workers w WHERE w.id = $1`, id)
}

// WorkerFilter selects workers; nil selects all.
type WorkerFilter struct {
	Type   *string
	Status *hodei.WorkerStatus
}

// ListWorkers returns a page of workers, newest first. BUSY and AVAILABLE are
// one to the record, so a filter on either must be refined by the caller.
func (db *DB) ListWorkers(ctx context.Context, f WorkerFilter, p Page) ([]hodei.Worker, *string, error) {
	return list(p, func(w hodei.Worker) hodei.WorkerID { return w.ID }, func(from *hodei.WorkerID, limit int) ([]hodei.Worker, error) {
		return all[hodei.Worker](ctx, db.pool, "list workers",
			`SELECT `+workerColumns+` FROM workers w
			WHERE ($1::uuid IS NULL OR w.id < $1) AND ($2::text IS NULL OR w.type = $2)
				AND ($3::text IS NULL OR w.status = $3)
			ORDER BY w.id DESC LIMIT $4`, from, f.Type, f.Status, limit)
	})
}

// ChangeWorker moves a worker to another state; one that is already there is
// left as it is. It returns CONFLICT when the table does not allow it.
func (db *DB) ChangeWorker(ctx context.Context, id hodei.WorkerID, to hodei.WorkerStatus) (hodei.Worker, error) {
	w, err := one[hodei.Worker](ctx, db.pool, "change worker", "worker", id.String(),
		`WITH w AS (UPDATE workers SET status = $2 WHERE id = $1 AND (status = ANY($3) OR status = $2) RETURNING *)
		SELECT `+workerColumns+` FROM w`, id, to, hodei.WorkerTransitions.From(to))
	if !errors.Is(err, hodei.NotFound) {
		return w, err
	}
	now, err := db.GetWorker(ctx, id)
	if err != nil {
		return now, err
	}
	return now, hodei.Errorf(hodei.Conflict, "Worker is %s and cannot become %s", now.Status, to)
}

// FollowWorker records the state of one incarnation of a worker by its own
// word, or by its silence (OFFLINE), and when it was last heard; nil leaves
// that as it is. Only with back does it change one that is OFFLINE. It returns
// the state before, or "" when nothing changed: the worker is in that state
// already, has left, is another incarnation by now, or the table does not
// allow it.
func (db *DB) FollowWorker(ctx context.Context, id hodei.WorkerID, incarnation string, to hodei.WorkerStatus, heard *time.Time, back bool) (hodei.WorkerStatus, error) {
	var before hodei.WorkerStatus
	err := db.pool.QueryRow(ctx, `UPDATE workers w SET status = $3, last_seen_at = coalesce($5, w.last_seen_at)
		FROM (SELECT status FROM workers WHERE id = $1 FOR UPDATE) old
		WHERE w.id = $1 AND w.incarnation = $2 AND old.status = ANY($4)
			AND old.status <> $6 AND ($7 OR old.status <> $8) RETURNING old.status`,
		id, incarnation, to, hodei.WorkerTransitions.From(to), heard, hodei.WorkerTerminated, back, hodei.WorkerOffline).Scan(&before)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return before, failure("follow worker", err)
}

// LeaveWorker records that one incarnation of a worker is gone. It returns
// false when another incarnation has taken its place.
func (db *DB) LeaveWorker(ctx context.Context, id hodei.WorkerID, incarnation string, to hodei.WorkerStatus) (bool, error) {
	tag, err := db.pool.Exec(ctx, `UPDATE workers SET status = $3, last_seen_at = now() WHERE id = $1 AND incarnation = $2 AND (status = ANY($4) OR status = $3)`,
		id, incarnation, to, hodei.WorkerTransitions.From(to))
	return tag.RowsAffected() > 0, failure("leave worker", err)
}

// Member is a worker that the record thinks is there.
type Member struct {
	ID          hodei.WorkerID
	Status      hodei.WorkerStatus
	Incarnation string
}

// ListMembers returns every worker that has neither left nor been lost.
func (db *DB) ListMembers(ctx context.Context) ([]Member, error) {
	return all[Member](ctx, db.pool, "list members",
		`SELECT id, status, incarnation FROM workers WHERE status NOT IN ('OFFLINE', 'TERMINATED')`)
}
