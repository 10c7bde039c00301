package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// PipelineID returns the id of a pipeline, or NOT_FOUND if no pipeline that the caller of
// ctx may use has the slug. It returns an id unchanged, without a query.
func (db *DB) PipelineID(ctx context.Context, ref hodei.PipelineRef) (hodei.PipelineID, error) {
	id, isID := ref.ID()
	if isID {
		return id, nil
	}
	err := db.pool.QueryRow(ctx, `SELECT id FROM pipelines WHERE slug = $1 AND ($2::uuid[] IS NULL OR id = ANY($2))`, string(ref), hodei.PipelinesOf(ctx)).Scan(&id)
	return id, found(err, "find pipeline", ref)
}

// RunID returns the id of a run, or NOT_FOUND if the pipeline has no run with the number.
// It returns an id unchanged, without a query.
func (db *DB) RunID(ctx context.Context, ref hodei.RunRef) (hodei.RunID, error) {
	id, isID := ref.ID()
	if isID {
		return id, nil
	}
	pipeline, number, ok := hodei.Numbered(ref)
	if !ok {
		return id, ref.Missing()
	}
	of, err := db.PipelineID(ctx, pipeline)
	if err == nil {
		err = db.pool.QueryRow(ctx, `SELECT id FROM runs WHERE pipeline_id = $1 AND number = $2`, of, number).Scan(&id)
	}
	if errors.Is(err, hodei.NotFound) {
		err = ref.Missing()
	}
	return id, found(err, "find run", ref)
}

// ExecutionID returns the id of an execution. A job in a run is its last execution, or the
// one of an earlier run whose result it took; NOT_FOUND if it has none. ExecutionID returns
// an id unchanged, without a query.
func (db *DB) ExecutionID(ctx context.Context, ref hodei.ExecutionRef) (hodei.ExecutionID, error) {
	id, isID := ref.ID()
	if isID {
		return id, nil
	}
	run, key, ok := hodei.JobInRun(ref)
	if !ok {
		return id, ref.Missing()
	}
	of, err := db.RunID(ctx, run)
	if err != nil {
		return id, err
	}
	var last *hodei.ExecutionID
	var status hodei.RunJobStatus
	var child *string
	err = db.pool.QueryRow(ctx, `SELECT coalesce((SELECT e.id FROM executions e
				WHERE e.run_id = j.run_id AND e.job_key = j.key ORDER BY e.attempt DESC LIMIT 1), j.execution_id, j.reused_execution_id), j.status,
				(SELECT coalesce(p.slug || '#' || c.number, 'run_' || c.id) FROM runs c JOIN pipelines p ON p.id = c.pipeline_id WHERE c.id = j.child_run_id)
			FROM run_jobs j WHERE j.run_id = $1 AND j.key = $2`, of, key).Scan(&last, &status, &child)
	missing := ref.Missing()
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		missing.Message = fmt.Sprintf("%s: the run has no job with that key", missing.Message)
		var leg string
		if db.pool.QueryRow(ctx, `SELECT key FROM run_jobs WHERE run_id = $1 AND job = $2 ORDER BY position LIMIT 1`, of, key).Scan(&leg) == nil {
			missing.Message += fmt.Sprintf("; the legs of its matrix have keys such as %s", leg)
		}
		return id, missing
	case err != nil:
		return id, failure("find execution", err)
	case last == nil && child != nil:
		missing.Message = fmt.Sprintf("%s: the job has started %s, whose jobs have the executions", missing.Message, *child)
		return id, missing
	case last == nil:
		missing.Message = fmt.Sprintf("%s: the job is %s and was never executed", missing.Message, status)
		return id, missing
	}
	return *last, nil
}

func found[K hodei.Kind](err error, act string, ref hodei.Ref[K]) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ref.Missing()
	}
	return failure(act, err)
}
