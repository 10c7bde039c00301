package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
)

// parentJob is the job of a run that starts a run of another pipeline. A nil *parentJob, and
// the columns of the zero value, mean a run without a parent.
type parentJob struct {
	RunID   *hodei.RunID
	Key     *string
	Attempt *int
	// Waits is true if the job waits for the outcome.
	Waits bool
}

// errUnwanted is the end of a transaction that would create a run for a job that does not
// wait for it.
var errUnwanted = errors.New("the job does not wait for a run")

// CreateChild is CreateRun for an attempt of a job in the run draft.Parent. It returns false
// and changes nothing if the attempt has a run already, or was cancelled. The parent is due
// afterwards. If the concurrency key is taken by a run that waits for the new one, it returns
// REJECTED, because neither could continue.
func (db *DB) CreateChild(ctx context.Context, draft hodei.Run, call hodei.RunCall, fill Expansion, advance Advance, announce Announce) (Advanced, bool, error) {
	draft.ID = NewID[hodei.RunID]()
	parent := &parentJob{RunID: &draft.Parent.RunID, Key: &call.Key, Attempt: &call.Attempt, Waits: call.Waits()}
	out, err := db.createRun(ctx, draft, parent, fill, advance, announce)
	if errors.Is(err, errUnwanted) {
		return Advanced{}, false, nil
	}
	return out, err == nil, err
}

// claim locks the parent and marks it as due. It returns errUnwanted unless the job waits for
// the run of this attempt. Lock order: pipeline, concurrency key, run; a transaction that has
// locked a run waits for neither of the others.
func (p *parentJob) claim(ctx context.Context, tx session) error {
	if p == nil {
		return nil
	}
	tag, err := tx.Exec(ctx, `UPDATE runs SET due_at = now() WHERE id = $1 AND completed_at IS NULL`, p.RunID)
	if err != nil {
		return err
	}
	var waits bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM run_jobs WHERE run_id = $1 AND key = $2 AND attempt = $3
				AND status IN ('PENDING', 'RUNNING') AND NOT jsonb_exists_any(plan, '{stopping,retry_at,refused}'))
			AND NOT EXISTS (SELECT FROM runs WHERE parent_run_id = $1 AND parent_key = $2 AND parent_attempt = $3)`,
		p.RunID, p.Key, p.Attempt).Scan(&waits)
	if err == nil && (tag.RowsAffected() == 0 || !waits) {
		err = errUnwanted
	}
	return err
}

// waitsWithKey reports whether the run of the parent job, or one that waits for it, has the
// concurrency key of r, and is one of the same pipeline.
func (p *parentJob) waitsWithKey(ctx context.Context, tx session, r *hodei.Run) (waits bool, err error) {
	if p == nil || !p.Waits {
		return false, nil
	}
	err = tx.QueryRow(ctx, `WITH RECURSIVE up AS (SELECT r.* FROM runs r WHERE r.id = $1
			UNION ALL SELECT r.* FROM runs r JOIN up ON up.parent_waits AND r.id = up.parent_run_id)
		SELECT EXISTS (SELECT FROM up WHERE pipeline_id = $3 AND concurrency_key = $2)`,
		p.RunID, r.Plan.Concurrency.Key, r.PipelineID).Scan(&waits)
	return waits, err
}

// readChildren sets Child of the jobs of locked runs that wait for a child run, and clears
// parent_due of the child runs. A child run that another transaction has locked stays marked,
// so the parent is advanced again.
func readChildren(ctx context.Context, tx session, runs []hodei.Run) error {
	parents, ids, keys := map[hodei.RunID]*hodei.Run{}, []hodei.RunID{}, []string{}
	for i := range runs {
		for _, j := range runs[i].Jobs {
			if j.Spec.Pipeline == nil {
				continue
			}
			if parents[runs[i].ID] == nil {
				parents[runs[i].ID] = &runs[i]
				ids = append(ids, runs[i].ID)
			}
			if j.Status.Active() {
				keys = append(keys, j.Key)
			}
		}
	}
	if len(ids) == 0 { // as most often: no round trip
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE runs SET parent_due = false WHERE id = ANY(ARRAY(SELECT id FROM runs
		WHERE parent_due AND parent_run_id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED))`, ids); err != nil {
		return err
	}
	if len(keys) == 0 {
		return nil
	}
	children, err := all[child](ctx, tx, "read child runs", `SELECT c.id, p.slug, c.number, c.status, c.reason, c.warnings, c.started_at, c.completed_at,
			c.parent_run_id, c.parent_key, c.parent_attempt, c.status = 'RUNNING' AND NOT c.plan ? 'active_since' AS paused,
			c.cancel_requested_at IS NOT NULL AS cancelled
		FROM runs c JOIN pipelines p ON p.id = c.pipeline_id WHERE c.parent_run_id = ANY($1) AND c.parent_key = ANY($2)`, ids, keys)
	for _, c := range children {
		c.show(parents[c.ParentRunID])
	}
	return err
}

// child is the row of a run that a job of another run started.
type child struct {
	ID            hodei.RunID
	Slug          *string
	Number        int
	Status        hodei.RunStatus
	Reason        *hodei.Reason
	Warnings      int
	StartedAt     *time.Time
	CompletedAt   *time.Time
	ParentRunID   hodei.RunID
	ParentKey     string
	ParentAttempt int
	Paused        bool
	Cancelled     bool
}

// show sets the Child of its job, unless the job has begun another attempt.
func (c child) show(parent *hodei.Run) {
	for i := range parent.Jobs {
		if j := &parent.Jobs[i]; j.Key == c.ParentKey && j.Attempt == c.ParentAttempt {
			j.Child = &hodei.ChildRun{
				RunID: c.ID, Pipeline: c.Slug, Number: c.Number, Status: c.Status, Reason: c.Reason, Warnings: c.Warnings,
				Attempt: c.ParentAttempt, Paused: c.Paused, Cancelled: c.Cancelled, StartedAt: c.StartedAt, CompletedAt: c.CompletedAt,
			}
		}
	}
}

// Calls returns the pipelines that are reachable from the slugs: for each slug the slugs of
// the pipelines that its jobs start.
func (db *DB) Calls(ctx context.Context, slugs []string) (map[string][]string, error) {
	rows, err := all[struct {
		Slug  string
		Calls []string
	}](ctx, db.pool, "follow pipelines", `WITH RECURSIVE reached(slug) AS (SELECT unnest($1::text[])
			UNION SELECT j.spec->'pipeline'->>'slug' FROM reached JOIN pipelines p USING (slug) JOIN jobs j ON j.pipeline_id = p.id
				WHERE j.spec ? 'pipeline')
		SELECT p.slug, ARRAY(SELECT DISTINCT j.spec->'pipeline'->>'slug' FROM jobs j WHERE j.pipeline_id = p.id AND j.spec ? 'pipeline' ORDER BY 1) AS calls
		FROM reached JOIN pipelines p USING (slug)`, slugs)
	out := make(map[string][]string, len(rows))
	for _, row := range rows {
		out[row.Slug] = row.Calls
	}
	return out, err
}
