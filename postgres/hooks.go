package postgres

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// HookPath is the path of a hook without its id.
const HookPath = "/api/v1/hooks/"

// hookColumns are the columns of a hodei.Hook in row h.
const hookColumns = `h.id, h.pipeline_id, (SELECT p.slug FROM pipelines p WHERE p.id = h.pipeline_id) AS pipeline, h.spec,
	h.position IS NOT NULL AS defined, h.refused_at, h.refusal, h.created_at, h.updated_at`

// GetHook returns a hook, or NOT_FOUND.
func (db *DB) GetHook(ctx context.Context, id hodei.HookID) (hodei.Hook, error) {
	return one[hodei.Hook](ctx, db.pool, "get hook", "hook", id.String(), `SELECT `+hookColumns+` FROM hooks h WHERE h.id = $1`, id)
}

// HookFilter selects hooks; nil selects all.
type HookFilter struct {
	PipelineIDs []hodei.PipelineID
	Created     Between
}

// ListHooks returns a page of hooks, newest first.
func (db *DB) ListHooks(ctx context.Context, f HookFilter, p Page) ([]hodei.Hook, *string, error) {
	f.PipelineIDs = own(ctx, f.PipelineIDs)
	return list(p, func(h hodei.Hook) hodei.HookID { return h.ID }, func(from *hodei.HookID, limit int) ([]hodei.Hook, error) {
		return all[hodei.Hook](ctx, db.pool, "list hooks", `SELECT `+hookColumns+` FROM hooks h
			WHERE ($1::uuid IS NULL OR h.id < $1) AND ($2::uuid[] IS NULL OR h.pipeline_id = ANY($2))
				AND ($3::timestamptz IS NULL OR h.created_at >= $3) AND ($4::timestamptz IS NULL OR h.created_at < $4)
			ORDER BY h.id DESC LIMIT $5`, from, f.PipelineIDs, f.Created.From, f.Created.To, limit)
	})
}

// CreateHook records a hook of the pipeline of the draft, or returns NOT_FOUND.
func (db *DB) CreateHook(ctx context.Context, draft hodei.Hook) (hodei.Hook, error) {
	draft.ID = newID[hodei.HookID](ctx)
	err := db.transact(ctx, "hook", draft.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `SELECT FROM pipelines WHERE id = $1 FOR KEY SHARE`, draft.PipelineID)
		if err != nil || tag.RowsAffected() == 0 {
			return cmp.Or(err, error(hodei.Missing("pipeline", draft.PipelineID.String())))
		}
		return insertHook(ctx, tx, draft, nil)
	})
	if err != nil {
		return draft, failure("create hook", err)
	}
	return db.GetHook(ctx, draft.ID)
}

func insertHook(ctx context.Context, tx pgx.Tx, h hodei.Hook, position *int) error {
	_, err := tx.Exec(ctx, `INSERT INTO hooks (id, pipeline_id, spec, position) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`,
		h.ID, h.PipelineID, h.HookSpec, position)
	return err
}

// DeleteHook deletes a hook with its deliveries, or returns NOT_FOUND. What it started goes
// on.
func (db *DB) DeleteHook(ctx context.Context, id hodei.HookID) error {
	_, err := changeOne[struct{ ID hodei.HookID }](ctx, db, "delete hook", "hook", id.String(), `DELETE FROM hooks WHERE id = $1 RETURNING id`, id)
	return err
}

// RefuseDelivery notes that a delivery had no valid signature, at most once a second,
// because anybody can send one.
func (db *DB) RefuseDelivery(ctx context.Context, id hodei.HookID, why string) error {
	_, err := db.lazy.Exec(ctx, `UPDATE hooks SET refused_at = now(), refusal = $2
		WHERE id = $1 AND (refused_at IS NULL OR refused_at < now() - interval '1 second')`, id, why)
	return failure("note a refused delivery", err)
}

// definedHooks are the hooks of the definition of a pipeline, in its order.
func definedHooks(ctx context.Context, tx pgx.Tx, id hodei.PipelineID, lock string) ([]hodei.Hook, error) {
	return all[hodei.Hook](ctx, tx, "read definition", `SELECT `+hookColumns+` FROM hooks h
		WHERE h.pipeline_id = $1 AND h.position IS NOT NULL ORDER BY h.position, h.id `+lock, id)
}

// writeHooks records the hooks of a definition, whose pipeline is locked, as writeSchedules
// does.
func writeHooks(ctx context.Context, tx pgx.Tx, pipeline hodei.PipelineID, now, next []hodei.Hook) error {
	gone := map[hodei.HookID]bool{}
	for _, h := range now {
		gone[h.ID] = true
	}
	for i, h := range next {
		if !gone[h.ID] {
			h.ID, h.PipelineID = NewID[hodei.HookID](), pipeline
			if err := insertHook(ctx, tx, h, &i); err != nil {
				return err
			}
			continue
		}
		delete(gone, h.ID)
		if _, err := tx.Exec(ctx, `UPDATE hooks SET spec = $2, position = $3,
			updated_at = CASE WHEN spec = $2 THEN updated_at ELSE now() END WHERE id = $1`, h.ID, h.HookSpec, i); err != nil {
			return err
		}
	}
	for id := range gone {
		if _, err := tx.Exec(ctx, `DELETE FROM hooks WHERE id = $1`, id); err != nil {
			return err
		}
	}
	return nil
}
