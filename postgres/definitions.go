package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hodei-jobs/hodei"
)

// Recorded is a pipeline with all that defines it.
type Recorded struct {
	hodei.Pipeline
	Settings hodei.Settings
	// Jobs are in the order of the settings, then by age.
	Jobs []hodei.Job
	// Schedules are those of the definition, in its order.
	Schedules []hodei.Schedule
	// Hooks are those of the definition, in its order.
	Hooks []hodei.Hook
}

// Recorded returns a pipeline with its settings and jobs as they are at one moment, or
// NOT_FOUND.
func (db *DB) Recorded(ctx context.Context, id hodei.PipelineID) (Recorded, error) {
	var r Recorded
	err := pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		if r, err = recorded(ctx, tx, id, ""); err != nil {
			return err
		}
		if r.Schedules, err = definedSchedules(ctx, tx, id, ""); err != nil {
			return err
		}
		r.Hooks, err = definedHooks(ctx, tx, id, "")
		return err
	})
	return r, failure("read definition", err)
}

func recorded(ctx context.Context, tx session, id hodei.PipelineID, lock string) (r Recorded, err error) {
	b := &pgx.Batch{}
	queueRecorded(b, id, lock, &r)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return r, err
	}
	if r.Pipeline.ID.IsZero() {
		return r, hodei.Missing("pipeline", id.String())
	}
	r.sort()
	return r, nil
}

// queueRecorded reads a pipeline into r, or nothing if there is none. Its jobs are not sorted.
func queueRecorded(b *pgx.Batch, id hodei.PipelineID, lock string, r *Recorded) {
	b.Queue(`SELECT `+pipelineColumns+` FROM pipelines p WHERE p.id = $1 `+lock, id).Query(each(func(p hodei.Pipeline) { r.Pipeline = p }))
	b.Queue(`SELECT settings FROM pipelines WHERE id = $1`, id).Query(func(rows pgx.Rows) error {
		settings, err := pgx.CollectRows(rows, pgx.RowTo[hodei.Settings])
		for _, s := range settings {
			r.Settings = s
		}
		return err
	})
	if lock != "" {
		b.Queue(`SELECT FROM jobs WHERE pipeline_id = $1 ORDER BY id FOR NO KEY UPDATE`, id)
	}
	b.Queue(jobs(noRecent)+`WHERE j.pipeline_id = $1 ORDER BY j.id`, id).Query(collect(&r.Jobs))
}

// sort gives the jobs the order of the definition.
func (r *Recorded) sort() {
	order := map[string]int{}
	for i, key := range r.Settings.Order {
		order[key] = i + 1
	}
	place := func(j hodei.Job) int { return cmp.Or(order[j.Key], len(order)+1) }
	slices.SortStableFunc(r.Jobs, func(a, b hodei.Job) int { return cmp.Compare(place(a), place(b)) })
}

// definedSchedules are the schedules of the definition of a pipeline, in its order.
func definedSchedules(ctx context.Context, tx pgx.Tx, id hodei.PipelineID, lock string) ([]hodei.Schedule, error) {
	return all[hodei.Schedule](ctx, tx, "read definition", `SELECT `+scheduleColumns+` FROM schedules s
		WHERE s.pipeline_id = $1 AND s.position IS NOT NULL ORDER BY s.position, s.id `+lock, id)
}

// Revised is the new state of a pipeline.
type Revised struct {
	Name        string
	Description *string
	Settings    hodei.Settings
	// Jobs without an id are new, the others are changed; a job that is not among them
	// stays as it is.
	Jobs []hodei.Job
	// Gone are the jobs to delete.
	Gone []hodei.JobID
	// Schedules are all of the definition, in its order; those with an id are changed.
	Schedules []hodei.Schedule
	// Hooks are all of the definition, in its order; those with an id are changed.
	Hooks []hodei.Hook
}

// Apply changes the pipeline with the slug, or creates it, in one transaction. decide receives
// the recorded pipeline, nil if there is none, and returns the changes, nil for none. Apply
// reports whether the pipeline is new. Executions of deleted jobs stay, without a job_id.
func (db *DB) Apply(ctx context.Context, slug string, decide func(*Recorded) (*Revised, error)) (p hodei.Pipeline, created bool, err error) {
	for range 3 { // another request may create it at the same time
		var id hodei.PipelineID
		err = db.transact(ctx, "pipeline", slug, func(tx pgx.Tx) (err error) {
			id, created, err = apply(ctx, tx, slug, decide)
			return err
		})
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.ConstraintName == "pipelines_slug_unique" {
			continue
		}
		if err != nil || id.IsZero() {
			return p, false, failure("apply definition", err)
		}
		p, err = db.GetPipeline(ctx, id)
		return p, created, err
	}
	return p, false, failure("apply definition", err)
}

func apply(ctx context.Context, tx pgx.Tx, slug string, decide func(*Recorded) (*Revised, error)) (id hodei.PipelineID, created bool, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM pipelines WHERE slug = $1 FOR NO KEY UPDATE`, slug).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		next, err := decide(nil)
		if err != nil || next == nil {
			return id, false, err
		}
		id = NewID[hodei.PipelineID]()
		if _, err := tx.Exec(ctx, `INSERT INTO pipelines (id, name, description, status, slug, settings) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, next.Name, next.Description, hodei.PipelineActive, slug, next.Settings); err != nil {
			return id, false, err
		}
		if err := writeJobs(ctx, tx, id, next); err != nil {
			return id, false, err
		}
		if err := writeHooks(ctx, tx, id, nil, next.Hooks); err != nil {
			return id, false, err
		}
		return id, true, writeSchedules(ctx, tx, id, nil, next.Schedules)
	}
	if err != nil {
		return id, false, err
	}
	now, err := recorded(ctx, tx, id, "FOR NO KEY UPDATE OF p")
	if err != nil {
		return id, false, err
	}
	if now.Schedules, err = definedSchedules(ctx, tx, id, "FOR NO KEY UPDATE OF s"); err != nil {
		return id, false, err
	}
	if now.Hooks, err = definedHooks(ctx, tx, id, "FOR NO KEY UPDATE OF h"); err != nil {
		return id, false, err
	}
	next, err := decide(&now)
	if err != nil || next == nil {
		return id, false, err
	}
	if _, err := tx.Exec(ctx, `UPDATE pipelines SET name = $2, description = $3, settings = $4, status = $5, updated_at = now() WHERE id = $1`,
		id, next.Name, next.Description, next.Settings, hodei.PipelineActive); err != nil {
		return id, false, err
	}
	if err := writeJobs(ctx, tx, id, next); err != nil {
		return id, false, err
	}
	if err := writeHooks(ctx, tx, id, now.Hooks, next.Hooks); err != nil {
		return id, false, err
	}
	return id, false, writeSchedules(ctx, tx, id, now.Schedules, next.Schedules)
}

func writeJobs(ctx context.Context, tx pgx.Tx, pipeline hodei.PipelineID, next *Revised) error {
	var batch pgx.Batch
	// Executions outlive their job: the log of an old run can still be read. The lock keeps
	// new ones away until the job is deleted, which would delete them too.
	batch.Queue(`SELECT FROM jobs WHERE id = ANY($1) ORDER BY id FOR UPDATE`, next.Gone)
	batch.Queue(`UPDATE executions SET job_id = NULL WHERE job_id = ANY($1)`, next.Gone)
	batch.Queue(`DELETE FROM jobs WHERE id = ANY($1) AND pipeline_id = $2`, next.Gone, pipeline)
	for _, j := range next.Jobs {
		if j.ID.IsZero() {
			batch.Queue(`INSERT INTO jobs (id, pipeline_id, name, description, type, spec) VALUES ($1, $2, $3, $4, $5, $6)`,
				NewID[hodei.JobID](), pipeline, j.Name, j.Description, j.Type, j.Spec)
			continue
		}
		batch.Queue(`UPDATE jobs SET name = $2, description = $3, type = $4, spec = $5, updated_at = now() WHERE id = $1`,
			j.ID, j.Name, j.Description, j.Type, j.Spec)
	}
	return tx.SendBatch(ctx, &batch).Close()
}
