package postgres

import (
	"context"

	"github.com/hodei-jobs/hodei"
)

// latestOf selects the latest execution that a condition holds for, as the
// JSON of a hodei.ExecutionSummary.
const latestOf = `(SELECT jsonb_build_object('id', 'exec_' || e.id, 'status', e.status,
	'started_at', e.started_at, 'completed_at', e.completed_at)
	FROM executions e WHERE `

const pipelineColumns = `p.id, p.name, p.description, p.status, p.created_at, p.updated_at,
	(SELECT count(*) FROM jobs j WHERE j.pipeline_id = p.id) AS job_count,
	` + latestOf + `e.pipeline_id = p.id ORDER BY e.id DESC LIMIT 1) AS last_execution`

// CreatePipeline records a new pipeline.
func (db *DB) CreatePipeline(ctx context.Context, name string, description *string) (hodei.Pipeline, error) {
	return one[hodei.Pipeline](ctx, db.pool, "create pipeline", "pipeline", "",
		`WITH p AS (INSERT INTO pipelines (id, name, description, status) VALUES ($1, $2, $3, $4) RETURNING *)
		SELECT `+pipelineColumns+` FROM p`,
		NewID[hodei.PipelineID](), name, description, hodei.PipelineCreated)
}

// GetPipeline returns a pipeline, or NOT_FOUND.
func (db *DB) GetPipeline(ctx context.Context, id hodei.PipelineID) (hodei.Pipeline, error) {
	return one[hodei.Pipeline](ctx, db.pool, "get pipeline", "pipeline", id.String(),
		`SELECT `+pipelineColumns+` FROM pipelines p WHERE p.id = $1`, id)
}

// ListPipelines returns a page of pipelines, newest first, and the cursor of
// the next page.
func (db *DB) ListPipelines(ctx context.Context, p Page) ([]hodei.Pipeline, *string, error) {
	from, err := after[hodei.PipelineID](p.Cursor)
	if err != nil {
		return nil, nil, err
	}
	items, err := all[hodei.Pipeline](ctx, db.pool, "list pipelines",
		`SELECT `+pipelineColumns+` FROM pipelines p WHERE ($1::uuid IS NULL OR p.id < $1) ORDER BY p.id DESC LIMIT $2`,
		from, p.Size+1)
	if err != nil {
		return nil, nil, err
	}
	items, next := page(items, p.Size, func(p hodei.Pipeline) string { return p.ID.String() })
	return items, next, nil
}
