package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// artifactColumns are the columns of a hodei.Artifact in the tables of artifactTables.
const (
	artifactColumns = artifactParts + `, a.report`
	artifactParts   = `a.id, a.name, e.run_id, e.run_number, a.execution_id, e.job_key, j.leg, b.size, a.files, encode(b.sha256, 'hex') AS sha256, a.created_at, a.expires_at`
	artifactTables  = ` FROM artifacts a JOIN blobs b ON b.id = a.blob_id JOIN executions e ON e.id = a.execution_id
		LEFT JOIN run_jobs j ON j.run_id = e.run_id AND j.key = e.job_key `
)

// CheckHeld returns CONFLICT unless the execution runs on the worker.
func (db *DB) CheckHeld(ctx context.Context, w hodei.WorkerID, id hodei.ExecutionID) error {
	return checkHeld(ctx, db.pool.QueryRow(ctx, held, id, w))
}

// held selects an execution that runs on a worker.
const held = `SELECT true FROM executions e WHERE e.id = $1 AND e.worker_id = $2 AND e.status = 'RUNNING'`

var errNotHeld = hodei.Errorf(hodei.Conflict, "The execution does not run on this worker")

func checkHeld(_ context.Context, row pgx.Row) error {
	var runs bool
	err := row.Scan(&runs)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNotHeld
	}
	return failure("find execution of a worker", err)
}

// NewArtifact is an artifact to record.
type NewArtifact struct {
	Name   string
	Blob   hodei.Blob
	Files  int
	Keep   *time.Duration // as long as the run if nil
	Report *hodei.TestReport
}

// KeepArtifacts records the artifacts of an execution that runs on the worker: all, or none
// after an error. They replace those of earlier attempts, and those of the same names.
// Content that is not stored is NOT_FOUND.
func (db *DB) KeepArtifacts(ctx context.Context, w hodei.WorkerID, id hodei.ExecutionID, drafts []NewArtifact) (kept []hodei.Artifact, err error) {
	err = db.transact(ctx, "execution", id.String(), func(tx pgx.Tx) error {
		if err := checkHeld(ctx, tx.QueryRow(ctx, held+` FOR SHARE`, id, w)); err != nil { // it cannot end before the commit
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM artifacts a USING executions e, executions own
			WHERE own.id = $1 AND e.run_id = own.run_id AND e.job_key = own.job_key AND e.attempt < own.attempt AND a.execution_id = e.id`, id); err != nil {
			return err
		}
		for _, d := range drafts {
			blob, err := reference(ctx, tx, d.Blob)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO artifacts (id, execution_id, name, blob_id, files, expires_at, report) VALUES ($1, $2, $3, $4, $5, now() + $6::interval, $7)
				ON CONFLICT (execution_id, name) DO UPDATE SET blob_id = excluded.blob_id, files = excluded.files, expires_at = excluded.expires_at, report = excluded.report`,
				NewID[hodei.ArtifactID](), id, d.Name, blob, d.Files, d.Keep, d.Report); err != nil {
				return err
			}
		}
		kept, err = all[hodei.Artifact](ctx, tx, "keep artifacts", `SELECT `+artifactColumns+artifactTables+`WHERE a.execution_id = $1 ORDER BY a.id`, id)
		return err
	})
	return kept, failure("keep artifacts", err)
}

// InputsOf returns the artifacts that an execution which runs on the worker receives: those
// of the jobs that its specification names, without their reports.
func (db *DB) InputsOf(ctx context.Context, w hodei.WorkerID, id hodei.ExecutionID) ([]hodei.Artifact, error) {
	if err := db.CheckHeld(ctx, w, id); err != nil {
		return nil, err
	}
	return all[hodei.Artifact](ctx, db.pool, "find inputs", `SELECT `+artifactParts+`, NULL::jsonb AS report`+artifactTables+`
		WHERE a.execution_id IN (SELECT coalesce(n.execution_id, n.reused_execution_id) FROM executions own JOIN run_jobs n ON n.run_id = own.run_id
			WHERE own.id = $1 AND own.spec->'artifacts_of' ? n.job)
		ORDER BY j.position, a.name`, id)
}

// ListArtifacts returns a page of the artifacts of a run, newest first.
func (db *DB) ListArtifacts(ctx context.Context, run hodei.RunID, p Page) ([]hodei.Artifact, *string, error) {
	return list(p, func(a hodei.Artifact) hodei.ArtifactID { return a.ID }, func(from *hodei.ArtifactID, limit int) ([]hodei.Artifact, error) {
		return all[hodei.Artifact](ctx, db.pool, "list artifacts", `SELECT `+artifactColumns+artifactTables+`
			WHERE a.execution_id IN (SELECT coalesce(n.execution_id, n.reused_execution_id) FROM run_jobs n WHERE n.run_id = $1)
				AND ($2::uuid IS NULL OR a.id < $2) ORDER BY a.id DESC LIMIT $3`, run, from, limit)
	})
}

// reportedRuns is of how many runs of a pipeline ListReports lists reports.
const reportedRuns = 100

// ListReports returns a page of the artifacts with a report of the last runs of a pipeline,
// newest first.
func (db *DB) ListReports(ctx context.Context, of hodei.PipelineID, p Page) ([]hodei.Artifact, *string, error) {
	return list(p, func(a hodei.Artifact) hodei.ArtifactID { return a.ID }, func(from *hodei.ArtifactID, limit int) ([]hodei.Artifact, error) {
		return all[hodei.Artifact](ctx, db.pool, "list reports", `SELECT `+artifactColumns+artifactTables+`
			WHERE e.run_id = ANY(ARRAY(SELECT id FROM runs WHERE pipeline_id = $1 ORDER BY id DESC LIMIT $4))
				AND a.report IS NOT NULL AND ($2::uuid IS NULL OR a.id < $2) ORDER BY a.id DESC LIMIT $3`, of, from, limit, reportedRuns)
	})
}

// GetArtifact returns an artifact, or NOT_FOUND.
func (db *DB) GetArtifact(ctx context.Context, id hodei.ArtifactID) (hodei.Artifact, error) {
	return one[hodei.Artifact](ctx, db.pool, "get artifact", "artifact", id.String(), `SELECT `+artifactColumns+artifactTables+`WHERE a.id = $1`, id)
}

// DeleteArtifact deletes an artifact, or returns NOT_FOUND. Its content goes once nothing
// refers to it.
func (db *DB) DeleteArtifact(ctx context.Context, id hodei.ArtifactID) error {
	_, err := changeOne[struct{ ID hodei.ArtifactID }](ctx, db, "delete artifact", "artifact", id.String(), `DELETE FROM artifacts WHERE id = $1 RETURNING id`, id)
	return err
}

// NextArtifact returns the time until an artifact expires or condemned content is to be
// deleted, at most the given time.
func (db *DB) NextArtifact(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next artifact", `EXISTS (SELECT FROM blobs WHERE state = 'CONDEMNED')`, `SELECT min(expires_at) FROM artifacts`, most)
}

// ExpireArtifacts deletes at most limit artifacts whose time is over, and returns how many.
func (db *DB) ExpireArtifacts(ctx context.Context, limit int) (int, error) {
	tag, err := db.pool.Exec(ctx, `DELETE FROM artifacts WHERE id IN (SELECT id FROM artifacts WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`, limit)
	return int(tag.RowsAffected()), failure("expire artifacts", err)
}
