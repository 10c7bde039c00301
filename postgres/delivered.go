package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// Starting makes the run of a delivery from Draft.
type Starting struct {
	Draft   hodei.Run
	Fill    Expansion
	Advance Advance
}

// Delivered is a recorded delivery, and its run if this call has created one.
type Delivered struct {
	hodei.Delivery
	Run *Advanced
}

// startsAtOnce is how many deliveries of a pipeline one transaction starts. The pipeline is
// locked meanwhile.
const startsAtOnce = 16

// Reaction fills in the status of a delivery as its hook is now, and returns the run to
// create, nil for none.
type Reaction func(h hodei.Hook, r *Received) (*Starting, error)

// NextDelivery returns the time until a delivery is to be started: 0 or the given time.
func (db *DB) NextDelivery(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next delivery", `EXISTS (SELECT FROM hook_deliveries WHERE status = 'PENDING')`, `SELECT NULL::timestamptz`, most)
}

// StartDeliveries creates the runs of the oldest PENDING deliveries of a pipeline that no
// other transaction has locked, in the order of their receipt. It returns NOT_FOUND if there
// are none. What cannot start is recorded as REFUSED, unless Postgres is the reason: then all
// of them stay PENDING.
func (db *DB) StartDeliveries(ctx context.Context, react Reaction) ([]Delivered, error) {
	var out []Delivered
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		of, err := one[struct{ ID hodei.PipelineID }](ctx, tx, "lock pipeline", "delivery", "", `SELECT own.id
			FROM hook_deliveries d JOIN hooks h ON h.id = d.hook_id JOIN pipelines own ON own.id = h.pipeline_id
			WHERE d.id = ANY(ARRAY(SELECT id FROM hook_deliveries WHERE status = 'PENDING' ORDER BY id LIMIT 100))
			ORDER BY d.id LIMIT 1 FOR NO KEY UPDATE OF own SKIP LOCKED`)
		if err != nil {
			return err
		}
		hooks, err := all[hodei.Hook](ctx, tx, "read hooks", `SELECT `+hookColumns+` FROM hooks h WHERE h.pipeline_id = $1`, of.ID)
		if err != nil {
			return err
		}
		ids, by := make([]hodei.HookID, len(hooks)), map[hodei.HookID]hodei.Hook{}
		for i, h := range hooks {
			ids[i], by[h.ID] = h.ID, h
		}
		pending, err := all[Received](ctx, tx, "take deliveries", `SELECT `+deliveryColumns+`, d.body, d.digest FROM hook_deliveries d
			WHERE d.status = 'PENDING' AND d.hook_id = ANY($1) ORDER BY d.id LIMIT $2 FOR NO KEY UPDATE`, ids, startsAtOnce)
		if err != nil {
			return err
		}
		out = make([]Delivered, len(pending))
		for i := range pending {
			if out[i], err = db.startPending(ctx, tx, by[pending[i].HookID], &pending[i], react); err != nil {
				return err
			}
		}
		return settleDeliveries(ctx, tx, out)
	})
	return out, failure("start deliveries", err)
}

func (db *DB) startPending(ctx context.Context, tx pgx.Tx, h hodei.Hook, r *Received, react Reaction) (Delivered, error) {
	start, err := react(h, r)
	out := Delivered{Delivery: r.Delivery}
	switch {
	case err != nil:
		refuse(&out.Delivery, err)
	case start != nil:
		out.Run, err = db.startDelivery(ctx, tx, &out.Delivery, *start)
		return out, err
	}
	return out, nil
}

// settleDeliveries records the new states of PENDING deliveries.
func settleDeliveries(ctx context.Context, tx pgx.Tx, all []Delivered) error {
	batch := &pgx.Batch{}
	for _, d := range all {
		batch.Queue(`UPDATE hook_deliveries SET status = $2, reason = $3, message = $4, run_id = $5, run_number = $6 WHERE id = $1 AND status = ANY($7)`,
			d.ID, d.Status, d.Reason, d.Message, d.RunID, d.RunNumber, hodei.DeliveryTransitions.From(d.Status))
	}
	return tx.SendBatch(ctx, batch).Close()
}

// refuse records why there is no run.
func refuse(d *hodei.Delivery, why error) {
	fire := cannotStart(failure("start", why))
	d.Status, d.Reason, d.Message = hodei.DeliveryRefused, fire.Reason, fire.Message
}

// Deliver records a delivery together with the run that it starts; start is nil for one
// that starts nothing. A delivery that was recorded before is returned as it is, and starts
// nothing. What cannot start is recorded as REFUSED, unless Postgres is the reason: then
// nothing is recorded.
func (db *DB) Deliver(ctx context.Context, r Received, start *Starting) (Delivered, error) {
	r.ID = newID[hodei.DeliveryID](ctx)
	var out Delivered
	err := db.transact(ctx, "hook", r.HookID.String(), func(tx pgx.Tx) (err error) {
		out = Delivered{Delivery: r.Delivery}
		if start == nil {
			return insertDelivery(ctx, tx, &out.Delivery, r)
		}
		if err := lockPipelineOf(ctx, tx, r.HookID); err != nil {
			return err
		}
		if known, err := sameDelivery(ctx, tx, r); !errors.Is(err, hodei.NotFound) {
			out.Delivery = known
			return err
		}
		if out.Run, err = db.startDelivery(ctx, tx, &out.Delivery, *start); err != nil {
			return err
		}
		return insertDelivery(ctx, tx, &out.Delivery, r)
	})
	if errors.Is(err, errRepeated) {
		out.Run = nil
		out.Delivery, err = sameDelivery(ctx, db.pool, r)
	}
	if err != nil {
		return Delivered{}, failure("record delivery", err)
	}
	_ = db.tidyDeliveries(ctx, out.Delivery) // a later delivery deletes what this one could not
	return out, nil
}

// lockPipelineOf locks the pipeline of a hook before anything else is locked.
func lockPipelineOf(ctx context.Context, tx pgx.Tx, id hodei.HookID) error {
	_, err := one[struct{ ID hodei.PipelineID }](ctx, tx, "lock pipeline", "hook", id.String(),
		`SELECT id FROM pipelines WHERE id = (SELECT pipeline_id FROM hooks WHERE id = $1) FOR NO KEY UPDATE`, id)
	return err
}

// startDelivery creates the run of a delivery, or records why there is none.
func (db *DB) startDelivery(ctx context.Context, tx pgx.Tx, d *hodei.Delivery, start Starting) (*Advanced, error) {
	draft := start.Draft
	draft.ID, draft.Trigger.HookID, draft.Trigger.DeliveryID = NewID[hodei.RunID](), &d.HookID, &d.ID
	var run Advanced
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) { // a savepoint
		run, err = createRunIn(ctx, tx, within(tx), within(tx), draft, nil, start.Fill, start.Advance)
		return err
	})
	switch why := failure("start", err); {
	case err == nil:
		d.Status, d.Reason, d.Message, d.RunID, d.RunNumber = hodei.DeliveryStarted, nil, nil, &run.Run.ID, &run.Number
		return &run, nil
	case errors.Is(why, hodei.Unavailable), errors.Is(why, hodei.Timeout):
		return nil, err // and it is tried again
	default:
		refuse(d, why)
		return nil, nil
	}
}

// Approve creates the run of a BLOCKED delivery. starting receives the delivery as it was
// received. If the run cannot be created, Approve returns an error and the delivery stays BLOCKED.
func (db *DB) Approve(ctx context.Context, hook hodei.HookID, id hodei.DeliveryID, start func(Received) (Starting, error)) (Delivered, error) {
	var out Delivered
	err := db.answer(ctx, hook, id, hodei.DeliveryStarted, func(tx pgx.Tx, r Received) error {
		from, err := start(r)
		if err != nil {
			return err
		}
		out.Delivery = r.Delivery
		if out.Run, err = db.startDelivery(ctx, tx, &out.Delivery, from); err != nil {
			return err
		}
		if out.Run == nil {
			return notStarted(out.Delivery)
		}
		out.ApprovedBy = hodei.CallerName(ctx)
		_, err = tx.Exec(ctx, `UPDATE hook_deliveries SET status = $2, reason = NULL, message = NULL, run_id = $3, run_number = $4, approved_by = $5
			WHERE id = $1 AND status = ANY($6)`, id, out.Status, out.RunID, out.RunNumber, out.ApprovedBy, hodei.DeliveryTransitions.From(out.Status))
		return err
	})
	return out, failure("approve delivery", err)
}

// RejectDelivery rejects a BLOCKED delivery; it starts no run.
func (db *DB) RejectDelivery(ctx context.Context, hook hodei.HookID, id hodei.DeliveryID) (hodei.Delivery, error) {
	var out hodei.Delivery
	err := db.answer(ctx, hook, id, hodei.DeliveryRefused, func(tx pgx.Tx, r Received) error {
		message := "rejected"
		if by := hodei.CallerName(ctx); by != nil {
			message += " by " + *by
		}
		out = r.Delivery
		out.Status, out.Reason, out.Message = hodei.DeliveryRefused, new(hodei.ReasonRejected), &message
		return settleDeliveries(ctx, tx, []Delivered{{Delivery: out}})
	})
	return out, failure("reject delivery", err)
}

// answer locks a BLOCKED delivery, calls act and sets the state, or returns CONFLICT.
func (db *DB) answer(ctx context.Context, hook hodei.HookID, id hodei.DeliveryID, to hodei.DeliveryStatus, act func(pgx.Tx, Received) error) error {
	return db.transact(ctx, "delivery", id.String(), func(tx pgx.Tx) error {
		if err := lockPipelineOf(ctx, tx, hook); err != nil {
			return err
		}
		r, err := received(ctx, tx, hook, id, "FOR NO KEY UPDATE OF d")
		if err != nil {
			return err
		}
		if r.Status != hodei.DeliveryBlocked || !hodei.DeliveryTransitions.Allows(r.Status, to) {
			return &hodei.Error{
				Code: hodei.Conflict, Message: "Delivery is " + string(r.Status) + " and does not wait for an approval", Resource: "delivery", ResourceID: id.String(),
			}
		}
		return act(tx, r)
	})
}

// notStarted is the error of an approval that could not start the run.
func notStarted(d hodei.Delivery) error {
	text := "The run could not be created: " + string(*d.Reason)
	if d.Message != nil {
		text += ": " + *d.Message
	}
	return &hodei.Error{Code: hodei.Conflict, Message: text, Resource: "delivery", ResourceID: d.ID.String()}
}
