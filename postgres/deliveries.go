package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
)

const (
	// deliveriesKept and deliveryAge bound the deliveries of a hook that are kept.
	deliveriesKept = 1000
	deliveryAge    = 30 * 24 * time.Hour
	// maxPending bounds the deliveries whose runs are not created yet, of all hooks together.
	// Runs are created slower than events are accepted: some hundred a second.
	maxPending = 20_000
)

const deliveryColumns = `d.id, d.hook_id, d.sender_id, d.event, d.sender, d.status, d.reason, d.message, d.ref, d.commit, d.run_id, d.run_number,
	d.redelivery_of, d.approved_by, d.received_at`

// Received is what a hook received.
type Received struct {
	hodei.Delivery
	Body []byte
	// Digest identifies the event where its sender signs no id; nil otherwise.
	Digest []byte
}

// maxReceived bounds the bodies that one statement records.
const maxReceived = 4 << 20

// ReceiveDelivery records a delivery, which starts nothing yet. A delivery that was recorded
// before is returned as it is. One to be started is UNAVAILABLE while too many wait. Many are
// recorded by one commit.
func (db *DB) ReceiveDelivery(ctx context.Context, r Received) (hodei.Delivery, error) {
	r.ID = newID[hodei.DeliveryID](ctx)
	made, err := db.receives.Do(ctx, r)
	if full := errors.Is(err, errPending); full || errors.Is(err, errRepeated) {
		if made, err = sameDelivery(ctx, db.pool, r); full && errors.Is(err, hodei.NotFound) {
			err = errPending
		}
	}
	if err != nil {
		return hodei.Delivery{}, failure("record delivery", err)
	}
	_ = db.tidyDeliveries(ctx, made) // a later delivery deletes what this one could not
	return made, nil
}

func (db *DB) receiveDeliveries(ctx context.Context, wanted []Received) ([]batch.Answer[hodei.Delivery], error) {
	n := len(wanted)
	ids, hooks, senders, digests, bodies := make([]hodei.DeliveryID, n), make([]hodei.HookID, n), make([]*string, n), make([][]byte, n), make([][]byte, n)
	events, by, refs, commits := make([]string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	status, reasons, messages := make([]hodei.DeliveryStatus, n), make([]*hodei.Reason, n), make([]*string, n)
	for i, r := range wanted {
		ids[i], hooks[i], senders[i], digests[i], bodies[i] = r.ID, r.HookID, r.SenderID, r.Digest, r.Body
		events[i], by[i], refs[i], commits[i] = r.Event, r.Sender, r.Ref, r.Commit
		status[i], reasons[i], messages[i] = r.Status, r.Reason, r.Message
	}
	made, err := all[struct {
		ID         *hodei.DeliveryID // null in a row that is there while too many wait
		ReceivedAt time.Time
	}](ctx, db.pool, "record deliveries", `WITH too_many AS MATERIALIZED (
			SELECT FROM hook_deliveries WHERE status = 'PENDING' ORDER BY id OFFSET $13 LIMIT 1),
		made AS (INSERT INTO hook_deliveries (id, hook_id, sender_id, digest, event, sender, status, reason, message, ref, commit, body)
			SELECT d.id, h.id, d.sender_id, d.digest, d.event, d.sender, d.status, d.reason, d.message, d.ref, d.commit, d.body
			FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[])
				AS d(id, hook_id, sender_id, digest, event, sender, status, reason, message, ref, commit, body) JOIN hooks h ON h.id = d.hook_id
			WHERE d.status <> 'PENDING' OR NOT EXISTS (SELECT FROM too_many)
			ON CONFLICT DO NOTHING RETURNING id, received_at)
		SELECT id, received_at FROM made UNION ALL SELECT NULL, now() FROM too_many`,
		ids, hooks, senders, digests, events, by, status, reasons, messages, refs, commits, bodies, maxPending-1)
	at, full := map[hodei.DeliveryID]time.Time{}, false
	for _, d := range made {
		if d.ID == nil {
			full = true
		} else {
			at[*d.ID] = d.ReceivedAt
		}
	}
	return batch.Answers(n, func(i int) (hodei.Delivery, error) {
		d, ok := wanted[i].Delivery, false
		if d.ReceivedAt, ok = at[d.ID]; ok {
			return d, nil
		}
		if full && d.Status == hodei.DeliveryPending {
			return d, errPending
		}
		return d, errRepeated
	}), err
}

// errPending refuses a delivery, which its sender may send again.
var errPending = hodei.Errorf(hodei.Unavailable, "%d events wait for their runs; send this one again later", maxPending)

// errRepeated rolls back a delivery that another request has recorded meanwhile.
var errRepeated = errors.New("the delivery is recorded")

func insertDelivery(ctx context.Context, tx pgx.Tx, d *hodei.Delivery, r Received) error {
	err := tx.QueryRow(ctx, `INSERT INTO hook_deliveries (id, hook_id, sender_id, digest, event, sender, status, reason, message, ref, commit, run_id, run_number,
			redelivery_of, body)
		SELECT $1, h.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 FROM hooks h WHERE h.id = $2
		ON CONFLICT DO NOTHING RETURNING received_at`,
		d.ID, d.HookID, d.SenderID, r.Digest, d.Event, d.Sender, d.Status, d.Reason, d.Message, d.Ref, d.Commit, d.RunID, d.RunNumber,
		d.RedeliveryOf, r.Body).Scan(&d.ReceivedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return errRepeated
	}
	return err
}

// sameDelivery returns the delivery that was recorded for the same event, or by an earlier
// try of this redelivery.
func sameDelivery(ctx context.Context, q querier, r Received) (hodei.Delivery, error) {
	if r.RedeliveryOf != nil {
		r.SenderID, r.Digest = nil, nil
	}
	return one[hodei.Delivery](ctx, q, "find delivery", "hook", r.HookID.String(), `SELECT `+deliveryColumns+` FROM hook_deliveries d
		WHERE d.hook_id = $1 AND (d.id = $4 OR d.redelivery_of IS NULL AND (d.sender_id = $2 OR d.digest = $3)) ORDER BY d.id LIMIT 1`,
		r.HookID, r.SenderID, r.Digest, r.ID)
}

// GetReceived returns a delivery of a hook as it was received, or NOT_FOUND.
func (db *DB) GetReceived(ctx context.Context, hook hodei.HookID, id hodei.DeliveryID) (Received, error) {
	return received(ctx, db.pool, hook, id, "")
}

func received(ctx context.Context, q querier, hook hodei.HookID, id hodei.DeliveryID, lock string) (Received, error) {
	return one[Received](ctx, q, "get delivery", "delivery", id.String(),
		`SELECT `+deliveryColumns+`, d.body, d.digest FROM hook_deliveries d WHERE d.hook_id = $1 AND d.id = $2 `+lock, hook, id)
}

// ListDeliveries returns a page of the deliveries of a hook, the latest first. No states
// select all.
func (db *DB) ListDeliveries(ctx context.Context, id hodei.HookID, states []hodei.DeliveryStatus, p Page) ([]hodei.Delivery, *string, error) {
	if _, err := db.GetHook(ctx, id); err != nil {
		return nil, nil, err
	}
	return list(p, func(d hodei.Delivery) hodei.DeliveryID { return d.ID }, func(from *hodei.DeliveryID, limit int) ([]hodei.Delivery, error) {
		return all[hodei.Delivery](ctx, db.pool, "list deliveries", `SELECT `+deliveryColumns+` FROM hook_deliveries d
			WHERE d.hook_id = $1 AND ($2::uuid IS NULL OR d.id < $2) AND ($3::text[] IS NULL OR d.status = ANY($3))
			ORDER BY d.id DESC LIMIT $4`, id, from, states, limit)
	})
}

// tidyDeliveries deletes old deliveries of the hook, after about every 128th.
func (db *DB) tidyDeliveries(ctx context.Context, d hodei.Delivery) error {
	if d.ID[15]&0x7f != 0 {
		return nil
	}
	_, err := db.lazy.Exec(ctx, `DELETE FROM hook_deliveries WHERE hook_id = $1 AND status <> 'PENDING' AND (received_at < now() - $2::interval
		OR id < (SELECT id FROM hook_deliveries WHERE hook_id = $1 ORDER BY id DESC OFFSET $3 LIMIT 1))`, d.HookID, deliveryAge, deliveriesKept-1)
	return failure("delete old deliveries", err)
}
