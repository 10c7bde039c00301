package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

const notificationColumns = `n.id, n.pipeline_id, n.run_id, n.event, n.kind, n.target, n.status, n.attempts, n.error, n.created_at, n.attempted_at,
	n.due_at AS next_at, n.completed_at`

// heads selects the oldest open notification of each target. It costs two index lookups for
// each target, however many notifications wait.
const heads = `WITH RECURSIVE queues AS (
		(SELECT queue FROM notifications WHERE status = 'PENDING' ORDER BY queue LIMIT 1)
		UNION ALL SELECT (SELECT o.queue FROM notifications o WHERE o.status = 'PENDING' AND o.queue > q.queue ORDER BY o.queue LIMIT 1)
			FROM queues q WHERE q.queue IS NOT NULL),
	heads AS (SELECT h.* FROM queues q CROSS JOIN LATERAL (
		SELECT id, due_at, attempts FROM notifications o WHERE o.status = 'PENDING' AND o.queue = q.queue ORDER BY o.seq LIMIT 1) h) `

// NextNotification returns the time until a notification is due, at most the given time.
func (db *DB) NextNotification(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next notification", `false`, heads+`SELECT min(due_at) FROM heads`, most)
}

// Sending is a notification that this instance is to send.
type Sending struct {
	hodei.Notification
	Address   string
	Secret    string
	Notice    hodei.Notice
	ExpiresAt time.Time
	// Now is the time of Postgres.
	Now time.Time
}

// TakeNotifications takes notifications that are due, at most limit: of each target the
// oldest, new ones, or with again those that have failed before. If they are not settled
// within the given time, they are due again.
func (db *DB) TakeNotifications(ctx context.Context, limit int, again bool, within time.Duration) ([]Sending, error) {
	return all[Sending](ctx, db.pool, "take notifications", heads+`,
		due AS (SELECT n.id FROM notifications n WHERE n.id IN (SELECT id FROM heads WHERE due_at <= now() AND (attempts > 0) = $2)
			AND n.status = 'PENDING' AND n.due_at <= now() AND (n.attempts > 0) = $2 ORDER BY n.due_at LIMIT $1 FOR UPDATE SKIP LOCKED),
		n AS (UPDATE notifications n SET attempts = n.attempts + 1, attempted_at = now(), due_at = now() + $3::interval FROM due WHERE n.id = due.id RETURNING n.*)
		SELECT `+notificationColumns+`, n.address, n.secret, n.notice, n.expires_at, now() AS now FROM n`, limit, again, within)
}

// SettleNotification records the outcome of an attempt: delivered, or the failure and the
// time of the next attempt, nil for none. An attempt that took too long changes nothing if
// another one was made since.
func (db *DB) SettleNotification(ctx context.Context, s Sending, failed *string, again *time.Time) error {
	status := hodei.NotificationDelivered
	switch {
	case again != nil:
		status = hodei.NotificationPending
	case failed != nil:
		status = hodei.NotificationFailed
	}
	_, err := db.pool.Exec(ctx, `UPDATE notifications SET status = $3, error = $4, due_at = $5, completed_at = CASE WHEN $3 <> 'PENDING' THEN now() END
		WHERE id = $1 AND attempts = $2 AND status = 'PENDING'`, s.ID, s.Attempts, status, failed, again)
	return failure("settle notification", err)
}

// NotificationFilter selects notifications; nil selects all.
type NotificationFilter struct {
	PipelineIDs []hodei.PipelineID
	RunIDs      []hodei.RunID
	States      []hodei.NotificationStatus
	Created     Between
}

// ListNotifications returns a page of notifications, newest first.
func (db *DB) ListNotifications(ctx context.Context, f NotificationFilter, p Page) ([]hodei.Notification, *string, error) {
	f.PipelineIDs = own(ctx, f.PipelineIDs)
	return list(p, func(n hodei.Notification) hodei.NotificationID { return n.ID }, func(from *hodei.NotificationID, limit int) ([]hodei.Notification, error) {
		return all[hodei.Notification](ctx, db.pool, "list notifications", `SELECT `+notificationColumns+` FROM notifications n
			WHERE ($1::uuid IS NULL OR n.id < $1) AND ($2::uuid[] IS NULL OR n.pipeline_id = ANY($2)) AND ($3::uuid[] IS NULL OR n.run_id = ANY($3))
				AND ($4::text[] IS NULL OR n.status = ANY($4))
				AND ($5::timestamptz IS NULL OR n.created_at >= $5) AND ($6::timestamptz IS NULL OR n.created_at < $6)
			ORDER BY n.id DESC LIMIT $7`, from, f.PipelineIDs, f.RunIDs, f.States, f.Created.From, f.Created.To, limit)
	})
}

// GetNotification returns a notification, or NOT_FOUND.
func (db *DB) GetNotification(ctx context.Context, id hodei.NotificationID) (hodei.Notification, error) {
	return one[hodei.Notification](ctx, db.pool, "get notification", "notification", id.String(),
		`SELECT `+notificationColumns+` FROM notifications n WHERE n.id = $1`, id)
}

// Redeliver makes a notification due now. It is repeated for another day.
func (db *DB) Redeliver(ctx context.Context, id hodei.NotificationID) (n hodei.Notification, err error) {
	err = db.transact(ctx, "notification", id.String(), func(tx pgx.Tx) error {
		n, err = one[hodei.Notification](ctx, tx, "redeliver notification", "notification", id.String(),
			`WITH n AS (UPDATE notifications SET attempts = CASE WHEN status = 'PENDING' THEN attempts ELSE 0 END,
				status = 'PENDING', due_at = now(), expires_at = now() + interval '1 day', completed_at = NULL WHERE id = $1 RETURNING *)
			SELECT `+notificationColumns+` FROM n`, id)
		return err
	})
	return n, err
}

// TestNotifications records a notification for each target. It waits for no other one, and
// one attempt is made.
func (db *DB) TestNotifications(ctx context.Context, p hodei.PipelineID, notice hodei.Notice, targets []hodei.NotifyTarget) (out []hodei.Notification, err error) {
	out = []hodei.Notification{}
	err = db.transact(ctx, "pipeline", p.String(), func(tx pgx.Tx) error {
		for _, t := range targets {
			id := NewID[hodei.NotificationID]()
			n, err := one[hodei.Notification](ctx, tx, "test notification", "notification", id.String(),
				`WITH n AS (INSERT INTO notifications (id, pipeline_id, event, kind, address, target, secret, queue, notice, expires_at)
					VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now()) RETURNING *) SELECT `+notificationColumns+` FROM n`,
				id, p, hodei.NotifyTest, t.Kind, t.Address, t.Shown(), t.Secret, id.String(), notice)
			if err != nil {
				return err
			}
			out = append(out, n)
		}
		return nil
	})
	return out, err
}

// DeleteOldNotifications deletes at most limit notifications that ended more than age ago,
// and returns how many.
func (db *DB) DeleteOldNotifications(ctx context.Context, age time.Duration, limit int) (int, error) {
	var deleted int
	err := db.pool.QueryRow(ctx, `WITH old AS (SELECT id FROM notifications WHERE status <> 'PENDING' AND completed_at < now() - $1::interval
			ORDER BY completed_at LIMIT $2 FOR UPDATE SKIP LOCKED),
		gone AS (DELETE FROM notifications n USING old WHERE n.id = old.id RETURNING n.id) SELECT count(*) FROM gone`, age, limit).Scan(&deleted)
	return deleted, failure("delete old notifications", err)
}
