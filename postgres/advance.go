package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// RunsAtOnce is how many runs one transaction advances.
const RunsAtOnce = 32

// Steps are the decisions about a run: see services/orchestrator/run.
type Steps struct {
	Changed  []*hodei.RunJob
	Added    map[string]bool
	Removed  []string
	Adopted  bool
	Start    []hodei.Execution
	Stop     []string
	Calls    []hodei.RunCall
	StopRuns []hodei.RunID
	Wake     *time.Time
}

// Advanced is a run that was advanced.
type Advanced struct {
	hodei.Run
	// Was is the state before; "" for a new run.
	Was hodei.RunStatus
	// Changed are the jobs that differ from before.
	Changed []hodei.RunJob
	// Created are its new executions, Stop those that are to be cancelled.
	Created []hodei.Execution
	Stop    []hodei.ExecutionID
	// Calls are runs of other pipelines to be created, StopRuns those to be cancelled.
	Calls    []hodei.RunCall
	StopRuns []hodei.RunID
	// Notifies is true if notifications were recorded.
	Notifies bool
}

// NextRun is how long it is until a run is due, at most the given time.
func (db *DB) NextRun(ctx context.Context, most time.Duration) (time.Duration, error) {
	return db.nextDue(ctx, "find next run",
		`EXISTS (SELECT FROM executions e WHERE e.run_due AND (SELECT `+notPutOff+` FROM runs r WHERE r.id = e.run_id))
			OR EXISTS (SELECT FROM runs c WHERE c.parent_due AND (SELECT `+notPutOff+` FROM runs r WHERE r.id = c.parent_run_id))`,
		`SELECT min(r.due_at) FROM runs r WHERE r.due_at IS NOT NULL AND `+notPutOff, most)
}

// Advance makes the decisions about a run, given its ended executions, and changes the run in
// place.
type Advance func(r *hodei.Run, ends []hodei.Execution, now time.Time) Steps

// Announce receives executions after their commit and before its flush; see commitThenFlush.
type Announce func(context.Context, []hodei.Execution)

// AdvanceRuns locks runs that are due and that no other instance has locked, has
// advance decide about each, and commits that: all in one transaction, or each in its own if that
// fails. It puts off those that cannot advance and returns them. It is NOT_FOUND when there is
// none.
func (db *DB) AdvanceRuns(ctx context.Context, advance Advance, announce Announce) ([]Advanced, []Stuck, error) {
	out, err := db.advanceTogether(ctx, advance, announce)
	if ofOneRun(err) {
		return db.advanceEach(ctx, advance, announce)
	}
	return out, nil, err
}

func (db *DB) advanceTogether(ctx context.Context, advance Advance, announce Announce) ([]Advanced, error) {
	out, err := db.commitThenFlush(ctx, db.known, announce, func(s *lazyTx) ([]Advanced, error) {
		var runs []hodei.Run
		b := &pgx.Batch{}
		b.Queue(`SELECT `+runColumns+dueRuns+` FOR UPDATE OF r SKIP LOCKED`, RunsAtOnce).Query(collect(&runs))
		if err := s.begin(ctx, b); err != nil {
			return nil, err
		}
		if len(runs) == 0 {
			return nil, hodei.NotFound
		}
		return db.advanceLocked(ctx, s, runs, advance, s.commit)
	})
	if err == nil {
		db.keep(out)
		db.wakeNext(ctx, out)
	}
	return out, failure("advance runs", err)
}

// AdvanceRun waits for the lock of one run, calls advance, and commits the decisions. After an
// error of advance nothing is committed.
func (db *DB) AdvanceRun(ctx context.Context, id hodei.RunID, advance func(r *hodei.Run, ends []hodei.Execution, now time.Time) (Steps, error), announce Announce) (Advanced, error) {
	out, err := db.commitThenFlush(ctx, db.pool, announce, func(s *lazyTx) ([]Advanced, error) {
		var runs []hodei.Run
		b := &pgx.Batch{}
		b.Queue(`SELECT `+runColumns+` FROM runs r WHERE r.id = $1 FOR UPDATE OF r`, id).Query(collect(&runs))
		if err := s.begin(ctx, b); err != nil {
			return nil, err
		}
		if len(runs) == 0 {
			return nil, hodei.Missing("run", id.String())
		}
		var refused error
		return db.advanceLocked(ctx, s, runs, func(r *hodei.Run, ends []hodei.Execution, now time.Time) (steps Steps) {
			steps, refused = advance(r, ends, now)
			return steps
		}, func(ctx context.Context, b *pgx.Batch) error {
			if refused != nil {
				return refused // and nothing is committed
			}
			queueRecord(ctx, b, "run", id.String())
			return s.commit(ctx, b)
		})
	})
	if err != nil {
		return Advanced{}, failure("advance run", err)
	}
	db.keep(out)
	db.wakeNext(ctx, out)
	return out[0], nil
}

// keep caches the jobs of committed runs that have not ended.
func (db *DB) keep(all []Advanced) {
	for _, a := range all {
		if !a.Status.Ended() {
			db.runs.put(a.Run.ID, a.Revision+1, a.Jobs)
		}
	}
}

// decided is a run with the decisions about it.
type decided struct {
	run   *hodei.Run
	was   hodei.RunStatus
	steps Steps
}

// advanceLocked calls advance for locked runs. commit sends the last statements.
func (db *DB) advanceLocked(ctx context.Context, tx session, runs []hodei.Run, advance Advance, commit send) ([]Advanced, error) {
	ids := make([]hodei.RunID, len(runs))
	for i := range runs {
		ids[i] = runs[i].ID
	}
	if err := db.readJobs(ctx, tx, runs); err != nil {
		return nil, err
	}
	ends, now, err := takeEnds(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	if err := readChildren(ctx, tx, runs); err != nil {
		return nil, err
	}
	work := make([]decided, len(runs))
	for i := range runs {
		work[i] = decided{run: &runs[i], was: runs[i].Status}
		again, err := admitWaiting(ctx, tx, &runs[i], crowded(runs, i), now)
		if err != nil {
			return nil, err
		}
		work[i].steps = advance(&runs[i], ends[runs[i].ID], now)
		if runs[i].Status == hodei.RunPending {
			work[i].steps.Wake = again
		}
	}
	return writeSteps(ctx, &pgx.Batch{}, work, commit)
}

// endOfRun is an execution of a run that has ended.
type endOfRun struct {
	hodei.Execution
	Recorded hodei.Spec `db:"spec"`
	Kept     bool       `db:"has_artifacts"`
}

// takeEnds marks the new ends of executions of locked runs as processed and returns them with
// the time of the transaction, in one round trip.
func takeEnds(ctx context.Context, tx session, ids []hodei.RunID) (ends map[hodei.RunID][]hodei.Execution, now time.Time, err error) {
	ends = map[hodei.RunID][]hodei.Execution{}
	batch := &pgx.Batch{}
	batch.Queue(`WITH e AS (UPDATE executions SET run_due = false
		WHERE run_due AND run_id = ANY($1) RETURNING *)
		SELECT `+changedColumns+`, EXISTS (SELECT FROM artifacts a WHERE a.execution_id = e.id) AS has_artifacts FROM e`, ids).Query(each(func(row endOfRun) {
		e := row.Execution
		e.Spec, e.HasArtifacts = row.Recorded, row.Kept
		ends[*e.RunID] = append(ends[*e.RunID], e)
	}))
	batch.Queue(`SELECT now()`).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	return ends, now, tx.SendBatch(ctx, batch).Close()
}

// readJobs fills in the jobs of locked runs, from the cache where it has them.
func (db *DB) readJobs(ctx context.Context, tx session, runs []hodei.Run) error {
	unknown := map[hodei.RunID]*hodei.Run{}
	var ids []hodei.RunID
	for i := range runs {
		r, ok := &runs[i], false
		if r.Jobs, ok = db.runs.take(r.ID, r.Revision); !ok {
			r.Jobs, unknown[r.ID] = nil, r
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := all[jobOfRun](ctx, tx, "read jobs of runs", `SELECT `+runJobColumns+` FROM run_jobs j WHERE j.run_id = ANY($1) ORDER BY j.run_id, j.position`, ids)
	for _, row := range rows {
		r := unknown[row.RunID]
		r.Jobs = append(r.Jobs, row.job())
	}
	return err
}

// writeSteps appends the statements that record the decisions to a batch, and sends it.
func writeSteps(ctx context.Context, batch *pgx.Batch, work []decided, send send) ([]Advanced, error) {
	out := make([]Advanced, len(work))
	var starts []hodei.Execution
	for i, w := range work {
		out[i].Run, out[i].Was = *w.run, w.was
		starts = append(starts, identified(w)...)
	}
	queueRuns(batch, work)
	for _, w := range work {
		if w.steps.Adopted {
			batch.Queue(`UPDATE runs SET params = $2 WHERE id = $1`, w.run.ID, w.run.Params)
		}
	}
	queueJobs(batch, work)
	for _, w := range work {
		queueNext(batch, w)
	}
	queueNotifications(batch, work, out)
	created, stop := map[hodei.RunID][]hodei.Execution{}, map[hodei.RunID][]hodei.ExecutionID{}
	if len(starts) > 0 {
		queueStarts(batch, starts, created)
	}
	queueLive(batch, work, stop)
	if err := send(ctx, batch); err != nil {
		return nil, err
	}
	for i, w := range work {
		for _, j := range w.steps.Changed {
			one := *j
			if j.Approval != nil { // the next step may change it
				one.Approval = new(*j.Approval)
			}
			out[i].Changed = append(out[i].Changed, one)
		}
		out[i].Created, out[i].Stop = created[w.run.ID], stop[w.run.ID]
		out[i].Calls, out[i].StopRuns = w.steps.Calls, w.steps.StopRuns
	}
	return out, nil
}

// identified assigns ids to the executions to start, and records them in their jobs.
func identified(w decided) []hodei.Execution {
	starts := slices.Clone(w.steps.Start)
	for i := range starts {
		starts[i].ID = NewID[hodei.ExecutionID]()
		id := starts[i].ID
		for _, j := range w.steps.Changed {
			if j.Key == *starts[i].JobKey {
				j.ExecutionID = &id
			}
		}
	}
	return starts
}

func queueRuns(batch *pgx.Batch, work []decided) {
	n := len(work)
	ids, status, reasons, plans := make([]hodei.RunID, n), make([]hodei.RunStatus, n), make([]*hodei.Reason, n), make([]hodei.RunPlan, n)
	warnings, cancelled, started, completed := make([]int, n), make([]*time.Time, n), make([]*time.Time, n), make([]*time.Time, n)
	due, by, refs, commits := make([]*time.Time, n), make([]*string, n), make([]*string, n), make([]*string, n)
	for i, w := range work {
		r := w.run
		ids[i], status[i], reasons[i], plans[i], warnings[i] = r.ID, r.Status, r.Reason, r.Plan, r.Warnings
		cancelled[i], started[i], completed[i], due[i], by[i] = r.CancelRequestedAt, r.StartedAt, r.CompletedAt, w.steps.Wake, r.CancelledBy
		refs[i], commits[i] = r.Ref, r.Commit
	}
	batch.Queue(`UPDATE runs r SET status = d.status, reason = d.reason, plan = d.plan, warnings = d.warnings,
			cancel_requested_at = d.cancelled, cancelled_by = d.by, started_at = d.started, completed_at = d.completed, due_at = d.due, put_off_until = NULL, revision = r.revision + 1, ref = d.ref, commit = coalesce(r.commit, d.commit),
			parent_due = r.parent_due OR r.parent_waits AND (d.status <> r.status OR (d.plan ? 'active_since') <> (r.plan ? 'active_since')),
			fire_due = r.fire_due OR r.schedule_id IS NOT NULL AND r.completed_at IS NULL AND d.completed IS NOT NULL
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::int[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[])
			AS d(id, status, reason, plan, warnings, cancelled, started, completed, due, by, commit, ref) WHERE r.id = d.id`,
		ids, status, reasons, plans, warnings, cancelled, started, completed, due, by, commits, refs)
}

// queueJobs writes the jobs that changed; the definition of a job never does.
func queueJobs(batch *pgx.Batch, work []decided) {
	var added, changed []jobOfRun
	for _, w := range work {
		if len(w.steps.Removed) > 0 {
			batch.Queue(`DELETE FROM run_jobs WHERE run_id = $1 AND key = ANY($2)`, w.run.ID, w.steps.Removed)
		}
		for _, j := range w.steps.Changed {
			row := jobOfRun{RunID: w.run.ID, RunJob: *j}
			if w.steps.Added[j.Key] {
				added = append(added, row)
			} else {
				changed = append(changed, row)
			}
		}
	}
	if len(added) > 0 {
		queueAdded(batch, added)
	}
	if len(changed) > 0 {
		queueChanged(batch, changed)
	}
}

func queueAdded(batch *pgx.Batch, jobs []jobOfRun) {
	n := len(jobs)
	runs, keys, of, positions := make([]hodei.RunID, n), make([]string, n), make([]string, n), make([]int, n)
	names, legs, needs, finally := make([]*string, n), make([]hodei.Leg, n), make([][]string, n), make([]bool, n)
	ids, reused, approvals, specs := make([]*hodei.JobID, n), make([]*hodei.ExecutionID, n), make([]*hodei.Approval, n), make([]hodei.Spec, n)
	for i, j := range jobs {
		runs[i], keys[i], of[i], positions[i], names[i] = j.RunID, j.Key, j.Job, j.RunJob.Position, j.Name
		legs[i], needs[i], finally[i] = j.Leg, j.Needs, j.Finally
		ids[i], reused[i], approvals[i], specs[i] = j.JobID, j.ReusedExecutionID, j.Approval, j.Spec
	}
	batch.Queue(`INSERT INTO run_jobs (run_id, key, job, position, name, leg, needs, finally, job_id, reused_execution_id, spec,
			status, attempt, warning, plan)
		SELECT run_id, key, job, position, name, leg, ARRAY(SELECT jsonb_array_elements_text(needs)), finally, job_id, reused, spec,
			'WAITING', 0, false, '{}'
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::jsonb[], $7::bool[], $8::uuid[], $9::uuid[])
				WITH ORDINALITY AS d(run_id, key, job, position, name, leg, finally, job_id, reused, n)
			JOIN jsonb_array_elements($10::jsonb) WITH ORDINALITY AS x(needs, n) USING (n)
			JOIN jsonb_array_elements($11::jsonb) WITH ORDINALITY AS s(spec, n) USING (n)`,
		runs, keys, of, positions, names, legs, finally, ids, reused, needs, specs)
	queueChanged(batch, jobs)
}

func queueChanged(batch *pgx.Batch, jobs []jobOfRun) {
	n := len(jobs)
	runs, keys, status, reasons := make([]hodei.RunID, n), make([]string, n), make([]hodei.RunJobStatus, n), make([]*hodei.Reason, n)
	executions, attempts, outputs := make([]*hodei.ExecutionID, n), make([]int, n), make([]map[string]string, n)
	approvals, warnings, started := make([]*hodei.Approval, n), make([]bool, n), make([]*time.Time, n)
	completed, plans := make([]*time.Time, n), make([]hodei.JobPlan, n)
	children, messages := make([]*hodei.RunID, n), make([]*string, n)
	for i, j := range jobs {
		runs[i], keys[i], status[i], reasons[i] = j.RunID, j.Key, j.Status, j.Reason
		executions[i], attempts[i], outputs[i] = j.ExecutionID, j.Attempt, j.Outputs
		approvals[i], warnings[i], started[i], completed[i], plans[i] = j.Approval, j.Warning, j.StartedAt, j.CompletedAt, j.Plan
		if messages[i] = j.Message; j.Child != nil {
			children[i] = &j.Child.RunID
		}
	}
	batch.Queue(`UPDATE run_jobs j SET status = d.status, reason = d.reason, execution_id = d.execution_id, attempt = d.attempt,
			outputs = d.outputs, approval = d.approval, warning = d.warning, started_at = d.started_at, completed_at = d.completed_at, plan = d.plan,
			child_run_id = d.child_run_id, message = d.message
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::jsonb[], $8::jsonb[], $9::bool[],
				$10::timestamptz[], $11::timestamptz[], $12::jsonb[], $13::uuid[], $14::text[])
			AS d(run_id, key, status, reason, execution_id, attempt, outputs, approval, warning, started_at, completed_at, plan, child_run_id, message)
		WHERE j.run_id = d.run_id AND j.key = d.key`,
		runs, keys, status, reasons, executions, attempts, outputs, approvals, warnings, started, completed, plans, children, messages)
}

// queueStarts inserts executions of runs and adds them to created. The executions of a job
// that was deleted have no job_id.
func queueStarts(batch *pgx.Batch, starts []hodei.Execution, created map[hodei.RunID][]hodei.Execution) {
	n := len(starts)
	ids, jobs, pipelines, runs := make([]hodei.ExecutionID, n), make([]*hodei.JobID, n), make([]*hodei.PipelineID, n), make([]*hodei.RunID, n)
	numbers, keys, specs, days := make([]*int, n), make([]*string, n), make([]hodei.Spec, n), make([]time.Time, n)
	for i, e := range starts {
		ids[i], jobs[i], pipelines[i], runs[i] = e.ID, e.JobID, e.PipelineID, e.RunID
		numbers[i], keys[i], specs[i], days[i] = e.RunNumber, e.JobKey, e.Spec, e.ID.Day()
	}
	batch.Queue(`WITH d AS (SELECT * FROM ROWS FROM (unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::date[]),
				jsonb_array_elements($8::jsonb)) AS d(id, job_id, pipeline_id, run_id, run_number, job_key, log_day, spec)),
		e AS (INSERT INTO executions (id, job_id, pipeline_id, run_id, run_number, job_key, status, spec, attempt, log_day)
			SELECT d.id, (SELECT j.id FROM jobs j WHERE j.id = d.job_id), d.pipeline_id, d.run_id, d.run_number, d.job_key, $9, d.spec, 1, d.log_day
			FROM d RETURNING *)
		SELECT `+changedColumns+` FROM e ORDER BY e.id`, ids, jobs, pipelines, runs, numbers, keys, days, specs, hodei.Pending).
		Query(each(func(e hodei.Execution) { created[*e.RunID] = append(created[*e.RunID], e) }))
}

// queueLive reads into stop the executions of the jobs to stop that have not ended or have a
// retry due.
func queueLive(batch *pgx.Batch, work []decided, stop map[hodei.RunID][]hodei.ExecutionID) {
	for _, w := range work {
		if len(w.steps.Stop) == 0 {
			continue
		}
		batch.Queue(`SELECT id FROM executions WHERE run_id = $1 AND job_key = ANY($2)
			AND (completed_at IS NULL OR retry_at IS NOT NULL)`, w.run.ID, w.steps.Stop).Query(func(rows pgx.Rows) (err error) {
			stop[w.run.ID], err = pgx.CollectRows(rows, pgx.RowTo[hodei.ExecutionID])
			return err
		})
	}
}
