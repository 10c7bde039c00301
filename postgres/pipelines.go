package postgres

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hodei-jobs/hodei"
)

// latestOf selects the summary of the latest execution that matches a
// condition.
const latestOf = `(SELECT ` + summary + ` FROM executions e WHERE `

// summary is row e as the JSON of a hodei.ExecutionSummary.
const summary = `jsonb_build_object('id', 'exec_' || e.id, 'status', e.status,
	'started_at', e.started_at, 'completed_at', e.completed_at)`

// recent is the column with the last executions that match a condition. The
// parameter is their number, null for none.
func recent(condition, parameter string) string {
	return `(SELECT jsonb_agg(` + summary + ` ORDER BY e.id DESC) FROM (
		SELECT * FROM executions e WHERE ` + condition + ` ORDER BY e.id DESC LIMIT ` + parameter + `) e) AS recent`
}

const pipelineFields = `p.id, p.slug, p.name, p.description, p.status, p.created_at, p.updated_at,
	(SELECT count(*) FROM jobs j WHERE j.pipeline_id = p.id) AS job_count,
	` + latestOf + `e.pipeline_id = p.id ORDER BY e.id DESC LIMIT 1) AS last_execution,
	(SELECT jsonb_build_object('id', 'run_' || r.id, 'number', r.number, 'status', r.status, 'started_at', r.started_at,
		'completed_at', r.completed_at) FROM runs r WHERE r.pipeline_id = p.id ORDER BY r.id DESC LIMIT 1) AS last_run, `

const pipelineColumns = pipelineFields + `NULL::jsonb AS recent`

// CreatePipeline inserts a pipeline with the name, description and slug of the
// draft. It returns CONFLICT if another pipeline has the slug.
func (db *DB) CreatePipeline(ctx context.Context, draft hodei.Pipeline) (hodei.Pipeline, error) {
	id := newID[hodei.PipelineID](ctx)
	p, err := changeOne[hodei.Pipeline](ctx, db, "create pipeline", "pipeline", id.String(),
		`WITH p AS (INSERT INTO pipelines (id, name, description, status, slug) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (id) DO NOTHING RETURNING *)
		SELECT `+pipelineColumns+` FROM p`,
		id, draft.Name, draft.Description, hodei.PipelineCreated, draft.Slug)
	if errors.Is(err, hodei.NotFound) { // created by an earlier attempt
		return db.GetPipeline(ctx, id)
	}
	return p, slugTaken(err, draft.Slug)
}

// slugTaken converts the error for a slug in use. It returns other errors
// unchanged.
func slugTaken(err error, slug *string) error {
	var pg *pgconn.PgError
	if slug == nil || !errors.As(err, &pg) || pg.ConstraintName != "pipelines_slug_unique" {
		return err
	}
	taken := hodei.Errorf(hodei.Conflict, "Another pipeline has the slug %q", *slug)
	taken.Resource, taken.ResourceID = "pipeline", *slug
	return taken
}

// UpdatePipeline applies change to the stored pipeline.
func (db *DB) UpdatePipeline(ctx context.Context, id hodei.PipelineID, change func(*hodei.Pipeline)) (hodei.Pipeline, error) {
	err := db.transact(ctx, "pipeline", id.String(), func(tx pgx.Tx) error {
		p, err := one[hodei.Pipeline](ctx, tx, "update pipeline", "pipeline", id.String(),
			`SELECT `+pipelineColumns+` FROM pipelines p WHERE p.id = $1 FOR UPDATE`, id)
		if err != nil {
			return err
		}
		change(&p)
		_, err = tx.Exec(ctx, `UPDATE pipelines SET name = $2, description = $3, slug = $4, updated_at = now() WHERE id = $1`,
			id, p.Name, p.Description, p.Slug)
		return slugTaken(err, p.Slug)
	})
	if err != nil {
		return hodei.Pipeline{}, failure("update pipeline", err)
	}
	return db.GetPipeline(ctx, id)
}

// DeletePipeline deletes a pipeline with its jobs and their executions. It
// returns CONFLICT if one of them is live.
func (db *DB) DeletePipeline(ctx context.Context, id hodei.PipelineID) error {
	return db.remove(ctx, "pipeline", id.String(), `DELETE FROM pipelines WHERE id = $1`,
		`SELECT EXISTS (SELECT FROM executions WHERE pipeline_id = $1 AND completed_at IS NULL)
			OR EXISTS (SELECT FROM runs WHERE pipeline_id = $1 AND (completed_at IS NULL OR parent_due AND parent_run_id IS NOT NULL))`, `SELECT FROM pipelines WHERE id = $1 FOR UPDATE`, id)
}

// remove deletes a row unless one of its executions is live. It first locks the
// row, so that no new execution can refer to it.
func (db *DB) remove(ctx context.Context, noun, id, remove, live, lock string, arg any) error {
	err := db.transact(ctx, noun, id, func(tx pgx.Tx) error {
		if tag, err := tx.Exec(ctx, lock, arg); err != nil || tag.RowsAffected() == 0 {
			return cmp.Or(err, error(hodei.Missing(noun, id)))
		}
		var busy bool
		if err := tx.QueryRow(ctx, live, arg).Scan(&busy); err != nil {
			return err
		}
		if busy {
			conflict := hodei.Errorf(hodei.Conflict, "%s%s has an execution that has not ended", strings.ToUpper(noun[:1]), noun[1:])
			conflict.Resource, conflict.ResourceID = noun, id
			return conflict
		}
		_, err := tx.Exec(ctx, remove, arg)
		return err
	})
	return failure("delete "+noun, err)
}

// GetPipeline returns a pipeline, or NOT_FOUND.
func (db *DB) GetPipeline(ctx context.Context, id hodei.PipelineID) (hodei.Pipeline, error) {
	return db.GetPipelineWith(ctx, id, 0)
}

// GetPipelineWith returns a pipeline with its last executions, at most last.
func (db *DB) GetPipelineWith(ctx context.Context, id hodei.PipelineID, last int) (hodei.Pipeline, error) {
	return one[hodei.Pipeline](ctx, db.pool, "get pipeline", "pipeline", id.String(),
		`SELECT `+pipelineFields+recent("e.pipeline_id = p.id", "$2")+` FROM pipelines p WHERE p.id = $1`, id, last)
}

// ListPipelines returns a page of pipelines, newest first, each with its last
// executions (at most last), and the cursor of the next page.
func (db *DB) ListPipelines(ctx context.Context, created Between, last int, p Page) ([]hodei.Pipeline, *string, error) {
	return list(p, func(p hodei.Pipeline) hodei.PipelineID { return p.ID }, func(from *hodei.PipelineID, limit int) ([]hodei.Pipeline, error) {
		return all[hodei.Pipeline](ctx, db.pool, "list pipelines",
			`SELECT `+pipelineFields+recent("e.pipeline_id = p.id", "$3")+`
			FROM pipelines p WHERE ($1::uuid IS NULL OR p.id < $1)
				AND ($4::timestamptz IS NULL OR p.created_at >= $4) AND ($5::timestamptz IS NULL OR p.created_at < $5)
				AND ($6::uuid[] IS NULL OR p.id = ANY($6))
			ORDER BY p.id DESC LIMIT $2`, from, limit, last, created.From, created.To, hodei.PipelinesOf(ctx))
	})
}
