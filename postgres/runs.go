package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// runColumns are the columns of a hodei.Run of the row r.
const runColumns = `r.id, r.pipeline_id, (SELECT p.slug FROM pipelines p WHERE p.id = r.pipeline_id) AS pipeline, r.number, r.status, r.reason, r.trigger, r.params, r.ref,
	r.commit, r.definition, ` + parentRun + ` AS parent, r.rerun_of, r.warnings, r.cancel_requested_at, r.cancelled_by, r.created_at, r.not_before, r.started_at, r.completed_at,
	extract(epoch FROM r.completed_at - r.started_at)::float8 AS duration_seconds, r.plan, r.revision`

// parentRun is the JSON of the hodei.ParentRun of the row r.
const parentRun = `(SELECT jsonb_build_object('run_id', 'run_' || o.id, 'pipeline', p.slug, 'number', o.number, 'job_key', r.parent_key)
	FROM runs o JOIN pipelines p ON p.id = o.pipeline_id WHERE o.id = r.parent_run_id)`

// childRun is the JSON of the hodei.ChildRun of the row j.
const childRun = `(SELECT jsonb_build_object('run_id', 'run_' || c.id, 'pipeline', p.slug, 'number', c.number, 'status', c.status, 'reason', c.reason, 'warnings', c.warnings)
	FROM runs c JOIN pipelines p ON p.id = c.pipeline_id WHERE c.id = j.child_run_id)`

// runJobColumns are the columns of a hodei.RunJob of the row j.
const runJobColumns = `j.run_id, j.key, j.job, j.position, j.name, j.leg, j.needs, j.finally, j.status, j.reason, j.job_id,
	j.execution_id, j.attempt, j.reused_execution_id, j.outputs, j.approval, j.warning, j.started_at, j.completed_at, j.plan, j.spec,
	j.message, ` + childRun + ` AS child`

// shownJobColumns are for readers: a job whose execution runs, or was repeated, shows
// that execution, of which its row takes notice at the end.
const shownJobColumns = `j.run_id, j.key, j.job, j.position, j.name, j.leg, j.needs, j.finally,
	CASE WHEN e.status = 'RUNNING' OR e.run_due THEN 'RUNNING' ELSE j.status END AS status, j.reason, j.job_id,
	coalesce(e.id, j.execution_id) AS execution_id, coalesce(e.attempt, j.attempt) AS attempt, j.reused_execution_id,
	j.outputs, j.approval, j.warning, coalesce(e.started_at, j.started_at) AS started_at, j.completed_at, j.plan, '{}'::jsonb AS spec,
	j.message, ` + childRun + ` AS child
	FROM run_jobs j LEFT JOIN LATERAL (
		SELECT * FROM executions WHERE run_id = j.run_id AND job_key = j.key ORDER BY attempt DESC LIMIT 1) e ON j.status = 'PENDING'`

// jobOfRun is a row of run_jobs.
type jobOfRun struct {
	RunID hodei.RunID
	hodei.RunJob
	Place    int           `db:"position"`
	Progress hodei.JobPlan `db:"plan"`
	Recorded hodei.Spec    `db:"spec"`
}

func (row jobOfRun) job() hodei.RunJob {
	j := row.RunJob
	j.Position, j.Plan, j.Spec = row.Place, row.Progress, row.Recorded
	return j
}

// GetRun returns a run with its jobs as they are shown, or NOT_FOUND.
func (db *DB) GetRun(ctx context.Context, id hodei.RunID) (hodei.Run, error) {
	return db.getRun(ctx, id, `SELECT `+shownJobColumns)
}

// GetWholeRun returns a run with the definitions of its jobs, or NOT_FOUND.
func (db *DB) GetWholeRun(ctx context.Context, id hodei.RunID) (hodei.Run, error) {
	return db.getRun(ctx, id, `SELECT `+runJobColumns+` FROM run_jobs j`)
}

func (db *DB) getRun(ctx context.Context, id hodei.RunID, jobs string) (hodei.Run, error) {
	r, err := one[hodei.Run](ctx, db.pool, "get run", "run", id.String(), `SELECT `+runColumns+` FROM runs r WHERE r.id = $1`, id)
	if err != nil {
		return r, err
	}
	rows, err := all[jobOfRun](ctx, db.pool, "get jobs of run", jobs+` WHERE j.run_id = $1 ORDER BY j.position`, id)
	r.Jobs = make([]hodei.RunJob, len(rows))
	for i, row := range rows {
		r.Jobs[i] = row.job()
	}
	return r, err
}

// RunFilter selects runs; nil selects all.
type RunFilter struct {
	PipelineIDs []hodei.PipelineID
	States      []hodei.RunStatus
	Triggers    []hodei.TriggerKind
	Number      int // 0 for all
	Created     Between
}

// from is the runs r that the filter selects, as in ExecutionFilter.
func (f RunFilter) from() string {
	const selected = `runs r
		WHERE ($1::uuid IS NULL OR r.id < $1) AND ($2::uuid[] IS NULL OR r.pipeline_id = ANY($2))
			AND ($3::text[] IS NULL OR r.status = ANY($3)) AND ($4::text[] IS NULL OR r.trigger->>'kind' = ANY($4))
			AND ($5::timestamptz IS NULL OR r.created_at >= $5) AND ($6::timestamptz IS NULL OR r.created_at < $6)
			AND ($8 = 0 OR r.number = $8)`
	if len(f.PipelineIDs) == 0 {
		return selected
	}
	return `(SELECT DISTINCT unnest($2::uuid[]) AS id) one CROSS JOIN LATERAL (
		SELECT * FROM ` + selected + ` AND r.pipeline_id = one.id ORDER BY r.id DESC LIMIT $7) r`
}

// ListRuns returns a page of runs without their jobs, newest first.
func (db *DB) ListRuns(ctx context.Context, f RunFilter, p Page) ([]hodei.Run, *string, error) {
	f.PipelineIDs = own(ctx, f.PipelineIDs)
	return list(p, func(r hodei.Run) hodei.RunID { return r.ID }, func(from *hodei.RunID, limit int) ([]hodei.Run, error) {
		return all[hodei.Run](ctx, db.pool, "list runs",
			`SELECT `+runColumns+` FROM `+f.from()+` ORDER BY r.id DESC LIMIT $7`, from, f.PipelineIDs, f.States, f.Triggers, f.Created.From, f.Created.To, limit, f.Number)
	})
}

// CreateRun numbers a run of the pipeline and records it with its jobs and its first
// executions. Fill is given the draft, which has its identity, and the pipeline's
// settings and jobs, and fills in the rest. A run whose concurrency key is taken waits,
// or is REJECTED. A run that an earlier try recorded is returned without changes.
func (db *DB) CreateRun(ctx context.Context, draft hodei.Run, fill Expansion, advance Advance, announce Announce) (Advanced, error) {
	draft.ID = newID[hodei.RunID](ctx)
	return db.createRun(ctx, draft, nil, fill, advance, announce)
}

// Expansion fills in a new run, which has its identity, with the settings and the jobs of
// its pipeline.
type Expansion func(r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error

// createRun creates a run, for a job of another run if parent is not nil.
func (db *DB) createRun(ctx context.Context, draft hodei.Run, parent *parentJob, fill Expansion, advance Advance, announce Announce) (Advanced, error) {
	out, err := db.commitThenFlush(ctx, db.pool, announce, func(s *lazyTx) ([]Advanced, error) {
		a, err := createRunIn(ctx, s, s.begin, func(ctx context.Context, b *pgx.Batch) error {
			queueRecord(ctx, b, "run", draft.ID.String())
			return s.commit(ctx, b)
		}, draft, parent, fill, advance)
		return []Advanced{a}, err
	})
	if errors.Is(err, hodei.NotFound) { // an earlier try got this far, or the pipeline is not there
		if r, found := db.GetRun(ctx, draft.ID); found == nil {
			return Advanced{Run: r}, nil
		}
	}
	if err != nil {
		return Advanced{}, failure("create run", err)
	}
	db.keep(out)
	return out[0], nil
}

// createRunIn is createRun within a transaction. Begin sends its first statements and commit
// the last ones.
func createRunIn(ctx context.Context, tx session, begin, commit send, draft hodei.Run, parent *parentJob, fill Expansion, advance Advance) (Advanced, error) {
	type number struct {
		Number int
		Now    time.Time
	}
	var numbers []number
	var of Recorded
	b := &pgx.Batch{}
	// Lock first: the UPDATE then sees a run that another try of the same request has committed
	// while this one waited, and so does everything after it.
	b.Queue(`SELECT FROM pipelines WHERE id = $1 FOR NO KEY UPDATE`, draft.PipelineID)
	b.Queue(`UPDATE pipelines SET last_run_number = last_run_number + 1
		WHERE id = $1 AND NOT EXISTS (SELECT FROM runs WHERE id = $2) RETURNING last_run_number AS number, now() AS now`, draft.PipelineID, draft.ID).
		Query(collect(&numbers))
	queueRecorded(b, draft.PipelineID, "", &of)
	if err := begin(ctx, b); err != nil {
		return Advanced{}, err
	}
	if len(numbers) == 0 {
		return Advanced{}, hodei.Missing("pipeline", draft.PipelineID.String())
	}
	p := numbers[0]
	of.sort()
	draft.Number, draft.Pipeline, draft.Status = p.Number, of.Slug, hodei.RunRunning
	draft.CreatedAt, draft.StartedAt = p.Now, &p.Now
	if err := fill(&draft, of.Settings, of.Jobs); err != nil {
		return Advanced{}, err
	}
	if draft.NotBefore != nil && draft.NotBefore.After(draft.CreatedAt) {
		hold(&draft)
	} else if err := admitNew(ctx, tx, &draft, parent); err != nil {
		return Advanced{}, err
	}
	if err := parent.claim(ctx, tx); err != nil {
		return Advanced{}, err
	}
	if err := recordUpload(ctx, tx, &draft); err != nil {
		return Advanced{}, err
	}
	steps := advance(&draft, nil, draft.CreatedAt)
	if draft.Status == hodei.RunPending {
		steps.Wake = new(draft.CreatedAt.Add(admitSweep))
		if draft.Plan.Held {
			steps.Wake = draft.NotBefore
		}
	}
	return insertRun(ctx, commit, &draft, parent, steps)
}

func insertRun(ctx context.Context, commit send, r *hodei.Run, parent *parentJob, steps Steps) (Advanced, error) {
	if parent == nil {
		parent = &parentJob{} // all its columns are null
	}
	// Its state and the time of its end follow with the first steps.
	b := &pgx.Batch{}
	b.Queue(`INSERT INTO runs (id, pipeline_id, number, status, trigger, params, ref, commit, rerun_of, plan, started_at, concurrency_key,
			parent_run_id, parent_key, parent_attempt, parent_waits, not_before, definition)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		r.ID, r.PipelineID, r.Number, hodei.RunRunning, r.Trigger, r.Params, r.Ref, r.Commit, r.RerunOf, r.Plan, r.StartedAt, concurrencyKey(*r),
		parent.RunID, parent.Key, parent.Attempt, parent.Waits, r.NotBefore, r.Definition)
	steps.Added = map[string]bool{}
	steps.Changed = nil
	for i := range r.Jobs {
		steps.Changed, steps.Added[r.Jobs[i].Key] = append(steps.Changed, &r.Jobs[i]), true
	}
	out, err := writeSteps(ctx, b, []decided{{run: r, steps: steps}}, commit)
	if err != nil {
		return Advanced{}, err
	}
	return out[0], nil
}

// concurrencyKey is the key that the run shares with others of its pipeline, nil without one.
func concurrencyKey(r hodei.Run) *string {
	if r.Plan.Concurrency == nil {
		return nil
	}
	return &r.Plan.Concurrency.Key
}
