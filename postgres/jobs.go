package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// jobs selects each job with its latest execution, whose state is the job's,
// and the column recent.
func jobs(recent string) string { return jobFields + recent + latestJoined }

// noRecent is the column recent without executions.
const noRecent = `NULL::jsonb AS recent`

const jobFields = `SELECT j.spec, ` + jobListed

// jobListed is jobFields without the specification. A list selects the
// specification without the environment.
const jobListed = `j.id, j.pipeline_id, j.name, j.description, j.type,
		coalesce(e.status, 'PENDING') AS status, j.created_at, j.updated_at,
		e.scheduled_at, e.started_at, e.completed_at,
		CASE WHEN e.id IS NOT NULL THEN ` + summary + ` END AS execution, `

const latestJoined = `
	FROM jobs j LEFT JOIN LATERAL (
		SELECT * FROM executions WHERE job_id = j.id ORDER BY id DESC LIMIT 1) e ON true `

// CreateJob inserts the job under a new id and makes its pipeline ACTIVE. It
// returns NOT_FOUND if the pipeline is missing.
func (db *DB) CreateJob(ctx context.Context, job hodei.Job) (hodei.Job, error) {
	job.ID = newID[hodei.JobID](ctx)
	err := db.transact(ctx, "job", job.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE pipelines SET status = $2, updated_at = now() WHERE id = $1 AND status = ANY($3)`,
			job.PipelineID, hodei.PipelineActive,
			append(hodei.PipelineTransitions.From(hodei.PipelineActive), hodei.PipelineActive))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return hodei.Missing("pipeline", job.PipelineID.String())
		}
		_, err = tx.Exec(ctx, `INSERT INTO jobs (id, pipeline_id, name, description, type, spec)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
			job.ID, job.PipelineID, job.Name, job.Description, job.Type, job.Spec)
		return err
	})
	if err != nil {
		return job, failure("create job", err)
	}
	return db.GetJob(ctx, job.ID)
}

// UpdateJob applies change to the stored job.
func (db *DB) UpdateJob(ctx context.Context, id hodei.JobID, change func(*hodei.Job) error) (hodei.Job, error) {
	err := db.transact(ctx, "job", id.String(), func(tx pgx.Tx) error {
		job, err := one[hodei.Job](ctx, tx, "update job", "job", id.String(), jobs(noRecent)+`WHERE j.id = $1 FOR UPDATE OF j`, id)
		if err != nil {
			return err
		}
		if err := change(&job); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE jobs SET name = $2, description = $3, type = $4, spec = $5, updated_at = now()
			WHERE id = $1`, id, job.Name, job.Description, job.Type, job.Spec)
		return err
	})
	if err != nil {
		return hodei.Job{}, failure("update job", err)
	}
	return db.GetJob(ctx, id)
}

// DeleteJob deletes a job with its executions. It returns CONFLICT if one of
// them is live.
func (db *DB) DeleteJob(ctx context.Context, id hodei.JobID) error {
	return db.remove(ctx, "job", id.String(), `DELETE FROM jobs WHERE id = $1`,
		`SELECT EXISTS (SELECT FROM executions WHERE job_id = $1
			AND (completed_at IS NULL OR run_due OR run_id IS NOT NULL AND retry_at IS NOT NULL))`, `SELECT FROM jobs WHERE id = $1 FOR UPDATE`, id)
}

// GetJob returns a job, or NOT_FOUND.
func (db *DB) GetJob(ctx context.Context, id hodei.JobID) (hodei.Job, error) {
	return db.GetJobWith(ctx, id, 0)
}

// GetJobWith returns a job with its last executions, at most last.
func (db *DB) GetJobWith(ctx context.Context, id hodei.JobID, last int) (hodei.Job, error) {
	if last == 0 { // on the path of a new execution, where latency counts
		return one[hodei.Job](ctx, db.pool, "get job", "job", id.String(), jobs(noRecent)+`WHERE j.id = $1`, id)
	}
	return one[hodei.Job](ctx, db.pool, "get job", "job", id.String(), jobs(recent("e.job_id = j.id", "$2"))+`WHERE j.id = $1`, id, last)
}

// JobFilter selects jobs. A nil field does not filter.
type JobFilter struct {
	PipelineIDs []hodei.PipelineID
	States      []hodei.ExecutionStatus
	Created     Between
	// Recent is how many of its last executions each job includes.
	Recent int
}

// ListJobs returns a page of jobs, newest first.
func (db *DB) ListJobs(ctx context.Context, f JobFilter, p Page) ([]hodei.Job, *string, error) {
	f.PipelineIDs = own(ctx, f.PipelineIDs)
	return list(p, func(j hodei.Job) hodei.JobID { return j.ID }, func(from *hodei.JobID, limit int) ([]hodei.Job, error) {
		return all[hodei.Job](ctx, db.pool, "list jobs",
			`SELECT j.spec - 'environment' AS spec, `+jobListed+recent("e.job_id = j.id", "$5")+latestJoined+`
			WHERE ($1::uuid IS NULL OR j.id < $1) AND ($2::uuid[] IS NULL OR j.pipeline_id = ANY($2))
				AND ($3::text[] IS NULL OR coalesce(e.status, 'PENDING') = ANY($3))
				AND ($6::timestamptz IS NULL OR j.created_at >= $6) AND ($7::timestamptz IS NULL OR j.created_at < $7)
			ORDER BY j.id DESC LIMIT $4`, from, f.PipelineIDs, f.States, limit, f.Recent, f.Created.From, f.Created.To)
	})
}

// TypicalDuration returns the median duration in seconds of the job's last
// completed executions (at most 20), nil if there is none.
func (db *DB) TypicalDuration(ctx context.Context, id hodei.JobID) (*float64, error) {
	var seconds *float64
	err := db.pool.QueryRow(ctx, `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
			SELECT extract(epoch FROM completed_at - started_at)::float8 AS seconds FROM executions
			WHERE job_id = $1 AND status = $2 ORDER BY id DESC LIMIT 20) past`, id, hodei.Completed).Scan(&seconds)
	return seconds, failure("estimate job", err)
}
