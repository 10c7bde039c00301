package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
)

// The three changes that every execution goes through are made for many
// executions at a time, see group.

// CreateExecution records a PENDING execution under a new id. Only the spec,
// the job, the pipeline, the attempt and what it retries are taken from draft;
// what it retries will not be retried by its policy as well.
func (db *DB) CreateExecution(ctx context.Context, draft hodei.Execution) (hodei.Execution, error) {
	draft.ID, draft.Attempt = newID[hodei.ExecutionID](ctx), max(draft.Attempt, 1)
	e, err := db.creates.do(ctx, draft)
	if errors.Is(err, hodei.NotFound) { // an earlier try got this far
		return db.GetExecution(ctx, draft.ID)
	}
	return e, failure("create execution", err)
}

func (db *DB) createExecutions(ctx context.Context, drafts []hodei.Execution) ([]answer[hodei.Execution], error) {
	n := len(drafts)
	ids, jobs, pipelines := make([]hodei.ExecutionID, n), make([]*hodei.JobID, n), make([]*hodei.PipelineID, n)
	spec, attempts, past, days := make([]hodei.Spec, n), make([]int, n), make([]*hodei.ExecutionID, n), make([]time.Time, n)
	for i, d := range drafts {
		ids[i], jobs[i], pipelines[i], spec[i] = d.ID, d.JobID, d.PipelineID, d.Spec
		attempts[i], past[i], days[i] = d.Attempt, d.RetryOf, d.ID.Day()
	}
	// The specs go as one document: Postgres reads it faster than seven arrays.
	made, err := db.changeAll(ctx, "create executions",
		`WITH d AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::uuid[], $6::date[]) WITH ORDINALITY
				AS d(id, job_id, pipeline_id, attempt, retry_of, log_day, n)),
		s AS (SELECT * FROM jsonb_array_elements($7::jsonb) WITH ORDINALITY AS s(spec, n)),
		past AS (UPDATE executions SET retry_at = NULL WHERE id = ANY($5) AND retry_at IS NOT NULL),
		e AS (INSERT INTO executions (id, job_id, pipeline_id, status, command, environment, priority,
				requirements, timeout_seconds, retries, working_dir, attempt, retry_of, log_day)
			SELECT id, job_id, pipeline_id, $8, spec->'command', spec->'environment', (spec->>'priority')::smallint,
				spec->'requirements', (spec->>'timeout_seconds')::float8, nullif(spec->'retries', 'null'), spec->>'working_dir',
				attempt, retry_of, log_day FROM d JOIN s USING (n) ON CONFLICT (id) DO NOTHING RETURNING *)
		SELECT `+changedColumns+` FROM e`, ids, jobs, pipelines, attempts, past, days, spec, hodei.Pending)
	return answers(drafts, made, func(d hodei.Execution) hodei.ExecutionID { return d.ID }), err
}

// changeAll makes one statement for many executions and returns those that it
// changed.
func (db *DB) changeAll(ctx context.Context, act, sql string, args ...any) (map[hodei.ExecutionID]hodei.Execution, error) {
	rows, err := all[hodei.Execution](ctx, db.pool, act, sql, args...)
	changed := make(map[hodei.ExecutionID]hodei.Execution, len(rows))
	for _, e := range rows {
		changed[e.ID] = e
	}
	return changed, err
}

// answers are what each was asked for: the row that was changed for it, or
// NOT_FOUND. Of several that ask for the same execution the first counts.
func answers[A any](all []A, changed map[hodei.ExecutionID]hodei.Execution, id func(A) hodei.ExecutionID) []answer[hodei.Execution] {
	out := make([]answer[hodei.Execution], len(all))
	for i, a := range all {
		e, ok := changed[id(a)]
		if !ok {
			out[i].err = hodei.Missing("execution", id(a).String())
			continue
		}
		out[i].value = e
		delete(changed, id(a))
	}
	return out
}

// assignment is what AssignExecution is asked for.
type assignment struct {
	id                      hodei.ExecutionID
	worker                  hodei.WorkerID
	workerType, incarnation string
}

// AssignExecution makes a pending execution RUNNING on one incarnation of a
// worker. Of two callers one wins, the other gets CONFLICT.
func (db *DB) AssignExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, workerType, incarnation string) (hodei.Execution, error) {
	e, err := db.assigns.do(ctx, assignment{id, worker, workerType, incarnation})
	return e, db.whyNot(ctx, id, string(hodei.Running), failure("assign execution", err))
}

func (db *DB) assignExecutions(ctx context.Context, wanted []assignment) ([]answer[hodei.Execution], error) {
	n := len(wanted)
	ids, workers := make([]hodei.ExecutionID, n), make([]hodei.WorkerID, n)
	types, incarnations := make([]string, n), make([]string, n)
	for i, a := range wanted {
		// A second one for the same execution asks for none, and loses.
		if !slices.Contains(ids[:i], a.id) {
			ids[i] = a.id
		}
		workers[i], types[i], incarnations[i] = a.worker, a.workerType, a.incarnation
	}
	changed, err := db.changeAll(ctx, "assign executions",
		`WITH a AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS a(id, worker_id, worker_type, incarnation)),
		e AS (UPDATE executions e SET status = $5, worker_id = a.worker_id, worker_type = a.worker_type,
				worker_incarnation = a.incarnation, scheduled_at = now(), started_at = now()
			FROM a WHERE e.id = a.id AND e.status = ANY($6) RETURNING e.*)
		SELECT `+changedColumns+` FROM e`,
		ids, workers, types, incarnations, hodei.Running, hodei.ExecutionTransitions.From(hodei.Running))
	return answers(wanted, changed, func(a assignment) hodei.ExecutionID { return a.id }), err
}

// recordedLog is the number of lines that the record has of the log of the row
// e, and their digest.
const recordedLog = `(SELECT coalesce(sum(l.last_sequence - l.first_sequence + 1), 0)::bigint AS count,
	mod(coalesce(sum(l.digest), 0), 9223372036854775808)::bigint AS digest
	FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id)`

// report is what FinishExecution is asked for.
type report struct {
	id      hodei.ExecutionID
	worker  hodei.WorkerID
	outcome hodei.Outcome
}

// FinishExecution records the end of a run as its worker reports it, if the
// record has the whole log. Repeating it with the same outcome changes
// nothing. It returns false, and changes nothing, while lines are missing, and
// CONFLICT when the execution has ended otherwise or is another worker's.
func (db *DB) FinishExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, o hodei.Outcome) (hodei.Execution, bool, error) {
	if !hodei.ExecutionTransitions.Allows(hodei.Running, o.Status) || !o.Status.Ended() {
		return hodei.Execution{}, false, hodei.InvalidField("outcome.status", "not the end of a run")
	}
	e, err := db.finishes.do(ctx, report{id, worker, o})
	if !errors.Is(err, hodei.NotFound) {
		return e, err == nil, failure("finish execution", err)
	}
	now, err := db.GetExecution(ctx, id)
	switch {
	case err != nil:
		return now, false, err
	case now.WorkerID == nil || *now.WorkerID != worker:
	case now.Status == hodei.Running:
		return now, false, nil
	case now.Status == o.Status && now.LogCount == o.LogCount:
		return now, true, nil // told before
	}
	return now, false, cannotBecome(now, string(o.Status))
}

func (db *DB) finishExecutions(ctx context.Context, reports []report) ([]answer[hodei.Execution], error) {
	n := len(reports)
	ids, workers, outcomes := make([]hodei.ExecutionID, n), make([]hodei.WorkerID, n), make([]hodei.Outcome, n)
	started, completed := make([]*time.Time, n), make([]time.Time, n)
	for i, r := range reports {
		ids[i], workers[i], outcomes[i] = r.id, r.worker, r.outcome
		started[i], completed[i] = r.outcome.StartedAt, r.outcome.CompletedAt
	}
	// The guard of every end is the same: what a worker ends is RUNNING.
	changed, err := db.changeAll(ctx, "finish executions",
		`WITH o AS (SELECT u.*, d.outcome, d.outcome->>'status' AS status,
				(d.outcome->>'log_count')::bigint AS log_count, (d.outcome->>'log_digest')::bigint AS log_digest
			FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY
				AS u(id, worker_id, started_at, completed_at, n)
			JOIN jsonb_array_elements($5::jsonb) WITH ORDINALITY AS d(outcome, n) USING (n)),
		e AS (UPDATE executions e SET status = o.status, reason = o.outcome->>'reason', exit_code = (o.outcome->>'exit_code')::int,
				signal = o.outcome->>'signal', started_at = coalesce(o.started_at, e.started_at),
				completed_at = greatest(o.completed_at, o.started_at), log_count = o.log_count, log_digest = o.log_digest,
				resources = nullif(o.outcome->'resources', 'null'), retry_at = `+retryAt("o.status")+`
			FROM o WHERE e.id = o.id AND e.status = ANY($6) AND e.worker_id = o.worker_id
				AND (o.log_count = 0 OR EXISTS (SELECT FROM `+recordedLog+` log WHERE log.count = o.log_count AND log.digest = o.log_digest))
			RETURNING e.*)
		SELECT `+changedColumns+` FROM e`,
		ids, workers, started, completed, outcomes, hodei.ExecutionTransitions.From(hodei.Completed))
	return answers(reports, changed, func(r report) hodei.ExecutionID { return r.id }), err
}
