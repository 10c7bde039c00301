package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// selectWorker selects hodei.Workers from rows w. The running executions and
// free slots are counted in the same snapshot as the status. So a reply from
// any instance is consistent with every end and assignment that a caller has
// seen.
const selectWorker = `SELECT w.id, w.name, w.type, w.labels, ` + workerStatus + ` AS status,
	CASE WHEN w.status IN ('OFFLINE', 'TERMINATED') THEN 0 ELSE greatest(0, w.total_capacity - held.slots) END AS capacity,
	w.total_capacity, held.running, w.registered_at, w.last_seen_at, NULL::float8 AS ack_latency_seconds, NULL::text AS blocked,
	(SELECT avg(CASE WHEN reason IN ('WORKER_LOST', 'START_FAILED') THEN 0.0 ELSE 1.0 END)::float8 FROM (
		SELECT reason FROM executions e WHERE e.worker_id = w.id AND e.completed_at IS NOT NULL
		ORDER BY e.id DESC LIMIT 50) past) AS success_rate,
	w.version, w.cordoned, w.dedicated`

// fromWorkers is the FROM clause of selectWorker for a table or query w.
const fromWorkers = ` w CROSS JOIN LATERAL (
	SELECT count(*) AS running, coalesce(sum(e.slots), 0) AS slots
	FROM executions e WHERE e.worker_id = w.id AND e.status = 'RUNNING') held`

// workerStatus distinguishes BUSY from AVAILABLE, which are one state in the
// table.
const workerStatus = `CASE WHEN w.status = 'AVAILABLE' AND held.running > 0 THEN 'BUSY' ELSE w.status END`

// Registered is a worker with its previous incarnation, "" for a new worker.
type Registered struct {
	hodei.Worker
	Before string
}

// RegisterWorker stores a worker as AVAILABLE: its name, type, labels, total
// capacity, version and whether it is dedicated; a cordon stays. With a zero id
// it creates a worker. Otherwise it stores a new incarnation of the worker with
// that id, or returns NOT_FOUND.
func (db *DB) RegisterWorker(ctx context.Context, w hodei.Worker, incarnation string) (Registered, error) {
	if w.ID.IsZero() {
		w.ID = newID[hodei.WorkerID](ctx)
		return db.createWorker(ctx, w, incarnation)
	}
	return db.changeWorker(ctx, w, incarnation)
}

// JoinWorker is RegisterWorker of a worker that chose its id itself, as a new worker
// when the id is not recorded.
func (db *DB) JoinWorker(ctx context.Context, w hodei.Worker, incarnation string) (Registered, error) {
	made, err := db.changeWorker(ctx, w, incarnation)
	if errors.Is(err, hodei.NotFound) {
		return db.createWorker(ctx, w, incarnation)
	}
	return made, err
}

func workerArgs(w hodei.Worker, incarnation string) []any {
	return []any{w.Name, w.Type, w.Labels, hodei.WorkerAvailable, w.TotalCapacity, incarnation, w.Version, w.ID, w.Dedicated}
}

func (db *DB) createWorker(ctx context.Context, w hodei.Worker, incarnation string) (Registered, error) {
	return changeOne[Registered](ctx, db, "register worker", "worker", w.ID.String(),
		`WITH w AS (INSERT INTO workers (id, name, type, labels, status, total_capacity, incarnation, version, dedicated, last_seen_at)
			VALUES ($8, $1, $2, $3, $4, $5, $6, $7, $9, now()) RETURNING *)
		`+selectWorker+`, '' AS before FROM w`+fromWorkers, workerArgs(w, incarnation)...)
}

func (db *DB) changeWorker(ctx context.Context, w hodei.Worker, incarnation string) (Registered, error) {
	return changeOne[Registered](ctx, db, "register worker", "worker", w.ID.String(),
		`WITH old AS (SELECT incarnation FROM workers WHERE id = $8 FOR UPDATE),
		w AS (UPDATE workers SET name = $1, type = $2, labels = $3, status = $4, total_capacity = $5,
				incarnation = $6, version = $7, dedicated = $9, revision = 0, registered_at = now(), last_seen_at = now()
			FROM old WHERE id = $8 RETURNING workers.*, old.incarnation AS before)
		`+selectWorker+`, coalesce(w.before, '') AS before FROM w`+fromWorkers, workerArgs(w, incarnation)...)
}

// GetWorker returns a worker, or NOT_FOUND.
func (db *DB) GetWorker(ctx context.Context, id hodei.WorkerID) (hodei.Worker, error) {
	return one[hodei.Worker](ctx, db.pool, "get worker", "worker", id.String(),
		selectWorker+` FROM workers`+fromWorkers+` WHERE w.id = $1`, id)
}

// WorkerFilter selects workers by types, states and the time of their registration. A nil
// field does not filter.
type WorkerFilter struct {
	Types      []string
	States     []hodei.WorkerStatus
	Registered Between
}

// ListWorkers returns a page of workers, newest first.
func (db *DB) ListWorkers(ctx context.Context, f WorkerFilter, p Page) ([]hodei.Worker, *string, error) {
	return list(p, func(w hodei.Worker) hodei.WorkerID { return w.ID }, func(from *hodei.WorkerID, limit int) ([]hodei.Worker, error) {
		return all[hodei.Worker](ctx, db.pool, "list workers",
			selectWorker+` FROM workers`+fromWorkers+`
			WHERE ($1::uuid IS NULL OR w.id < $1) AND ($2::text[] IS NULL OR w.type = ANY($2))
				AND ($3::text[] IS NULL OR w.status = ANY(array_replace($3, 'BUSY', 'AVAILABLE')))
				AND ($3::text[] IS NULL OR `+workerStatus+` = ANY($3))
				AND ($4::timestamptz IS NULL OR w.registered_at >= $4) AND ($5::timestamptz IS NULL OR w.registered_at < $5)
			ORDER BY w.id DESC LIMIT $6`, from, f.Types, f.States, f.Registered.From, f.Registered.To, limit)
	})
}

// ChangeWorker changes the state of a worker. A worker in that state stays
// unchanged. It returns CONFLICT if the transition is not allowed.
func (db *DB) ChangeWorker(ctx context.Context, id hodei.WorkerID, to hodei.WorkerStatus) (hodei.Worker, error) {
	w, err := changeOne[hodei.Worker](ctx, db, "change worker", "worker", id.String(),
		`WITH w AS (UPDATE workers SET status = $2 WHERE id = $1 AND (status = ANY($3) OR status = $2) RETURNING *)
		`+selectWorker+` FROM w`+fromWorkers, id, to, hodei.WorkerTransitions.From(to))
	if !errors.Is(err, hodei.NotFound) {
		return w, err
	}
	now, err := db.GetWorker(ctx, id)
	if err != nil {
		return now, err
	}
	return now, hodei.Errorf(hodei.Conflict, "Worker is %s and cannot become %s", now.Status, to)
}

// CordonWorker records whether a worker is cordoned. It returns CONFLICT for one
// that has left.
func (db *DB) CordonWorker(ctx context.Context, id hodei.WorkerID, cordoned bool) (hodei.Worker, error) {
	w, err := changeOne[hodei.Worker](ctx, db, "cordon worker", "worker", id.String(),
		`WITH w AS (UPDATE workers SET cordoned = $2 WHERE id = $1 AND status <> $3 RETURNING *)
		`+selectWorker+` FROM w`+fromWorkers, id, cordoned, hodei.WorkerTerminated)
	if !errors.Is(err, hodei.NotFound) {
		return w, err
	}
	now, err := db.GetWorker(ctx, id)
	if err != nil {
		return now, err
	}
	return now, hodei.Errorf(hodei.Conflict, "Worker has left: it can be cordoned once it is registered again")
}

// Following is a status that one incarnation of a worker reports.
type Following struct {
	ID          hodei.WorkerID
	Incarnation string
	Status      hodei.WorkerStatus
	Revision    uint64     // of the report
	ReceivedAt  *time.Time // when the report was received; nil keeps last_seen_at
	Back        bool       // also changes a worker that is OFFLINE
	Anew        bool       // also changes a status from a later report
}

// FollowWorker stores a status that a worker reports. It returns the previous
// status, or "" if nothing changed: the worker has that status, has left, has a
// newer incarnation, has sent a later report, or the transition is not allowed.
func (db *DB) FollowWorker(ctx context.Context, f Following) (hodei.WorkerStatus, error) {
	var before hodei.WorkerStatus
	err := db.pool.QueryRow(ctx, `UPDATE workers w SET status = $3, revision = $4, last_seen_at = coalesce($5, w.last_seen_at)
		FROM (SELECT status, revision FROM workers WHERE id = $1 FOR UPDATE) old
		WHERE w.id = $1 AND w.incarnation = $2 AND old.status = ANY($6) AND old.status <> $7
			AND ($8 OR old.status <> $9) AND ($10 OR old.revision <= $4) RETURNING old.status`,
		f.ID, f.Incarnation, f.Status, int64(min(f.Revision, math.MaxInt64)), f.ReceivedAt, hodei.WorkerTransitions.From(f.Status),
		hodei.WorkerTerminated, f.Back, hodei.WorkerOffline, f.Anew).Scan(&before)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return before, failure("follow worker", err)
}

// MissWorker stores one incarnation of a worker as OFFLINE, and when its last
// report was received; nil keeps last_seen_at. It returns false if nothing
// changed: the worker has left, is OFFLINE, or has a newer incarnation.
func (db *DB) MissWorker(ctx context.Context, id hodei.WorkerID, incarnation string, receivedAt *time.Time) (bool, error) {
	tag, err := db.pool.Exec(ctx, `UPDATE workers SET status = $3, last_seen_at = coalesce($4, last_seen_at)
		WHERE id = $1 AND incarnation = $2 AND status = ANY($5)`,
		id, incarnation, hodei.WorkerOffline, receivedAt, hodei.WorkerTransitions.From(hodei.WorkerOffline))
	return tag.RowsAffected() > 0, failure("miss worker", err)
}

// RestoreWorker creates a missing worker from its own report.
func (db *DB) RestoreWorker(ctx context.Context, a hodei.Availability, status hodei.WorkerStatus) error {
	labels := a.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	_, err := db.pool.Exec(ctx, `INSERT INTO workers (id, type, labels, status, total_capacity, incarnation, version, revision, cordoned, dedicated, last_seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, $9, $10, now()) ON CONFLICT (id) DO NOTHING`,
		a.WorkerID, a.Type, labels, status, a.Slots, a.Incarnation, a.Version, int64(min(a.Revision, math.MaxInt64)),
		a.Cordoned, a.Dedicated)
	return failure("restore worker", err)
}

// LeaveWorker records that one incarnation of a worker has left. It returns
// false if a newer incarnation exists.
func (db *DB) LeaveWorker(ctx context.Context, id hodei.WorkerID, incarnation string, to hodei.WorkerStatus) (bool, error) {
	tag, err := db.pool.Exec(ctx, `UPDATE workers SET status = $3, last_seen_at = now() WHERE id = $1 AND incarnation = $2 AND (status = ANY($4) OR status = $3)`,
		id, incarnation, to, hodei.WorkerTransitions.From(to))
	return tag.RowsAffected() > 0, failure("leave worker", err)
}

// Member is a worker that is neither lost nor has left.
type Member struct {
	ID          hodei.WorkerID
	Status      hodei.WorkerStatus
	Incarnation string
	Revision    int64 // of the report with the status
	Cordoned    bool
}

// ListMembers returns every worker that has neither left nor been lost.
func (db *DB) ListMembers(ctx context.Context) ([]Member, error) {
	return all[Member](ctx, db.pool, "list members",
		`SELECT id, status, incarnation, revision, cordoned FROM workers WHERE status NOT IN ('OFFLINE', 'TERMINATED')`)
}
