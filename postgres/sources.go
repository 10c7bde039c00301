package postgres

import (
	"context"
	"errors"

	"github.com/hodei-jobs/hodei"
)

// recordUpload records the uploaded source of a new run, if it has one, as the artifact of an
// execution that has completed.
func recordUpload(ctx context.Context, tx session, r *hodei.Run) error {
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if j.Plan.Uploaded == nil || j.ReusedExecutionID != nil {
			continue
		}
		blob, err := reference(ctx, tx, j.Plan.Uploaded.Blob)
		if errors.Is(err, hodei.NotFound) {
			return hodei.InvalidField("source", "content with this digest is not stored; upload it first")
		}
		if err != nil {
			return err
		}
		id := NewID[hodei.ExecutionID]()
		j.ExecutionID = &id
		if _, err := tx.Exec(ctx, `INSERT INTO executions (id, pipeline_id, run_id, run_number, job_key, status, spec, attempt, log_day, started_at, completed_at, exit_code, started_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, now(), now(), 0, $9)`,
			id, r.PipelineID, r.ID, r.Number, j.Key, hodei.Completed, j.Spec, id.Day(), r.Trigger.By); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO artifacts (id, execution_id, name, blob_id, files) VALUES ($1, $2, $3, $4, $5)`,
			NewID[hodei.ArtifactID](), id, hodei.SourceKey, blob, j.Plan.Uploaded.Files); err != nil {
			return err
		}
	}
	return nil
}
