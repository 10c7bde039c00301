package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
)

// The three changes that every execution goes through are made for many
// executions at a time, see package batch.

// CreateExecution inserts a PENDING execution. It uses only the id, spec, job, pipeline,
// run, attempt, retry_of and not_before of draft, and chooses an id if there is none. The
// policy of the retried execution then causes no further retry. If it still owed one, the
// execution takes its place in the fire of the schedule. No worker gets the execution
// before its not_before. If the execution exists, it is returned unchanged.
func (db *DB) CreateExecution(ctx context.Context, draft hodei.Execution) (hodei.Execution, error) {
	if draft.ID.IsZero() {
		draft.ID = NewExecutionID(ctx)
	}
	draft.Attempt, draft.StartedBy = max(draft.Attempt, 1), hodei.CallerName(ctx)
	made, err := db.creates.Do(ctx, creation{draft: &draft, cause: cause(ctx, "execution", draft.ID.String())})
	switch {
	case errors.Is(err, hodei.NotFound): // created by an earlier attempt
		return db.GetExecution(ctx, draft.ID)
	case err != nil:
		return hodei.Execution{}, failure("create execution", err)
	}
	hodei.MarkRecorded(ctx)
	return *made, nil
}

// NewExecutionID returns the id of an execution to create. Within Once it is
// the id chosen by the first attempt.
func NewExecutionID(ctx context.Context) hodei.ExecutionID { return newID[hodei.ExecutionID](ctx) }

// StartExecution is CreateExecution and AssignExecution in one commit. It
// returns CONFLICT if the draft's id exists.
func (db *DB) StartExecution(ctx context.Context, draft hodei.Execution, worker hodei.WorkerID, workerType, incarnation string) (hodei.Execution, error) {
	draft.Attempt, draft.StartedBy = max(draft.Attempt, 1), hodei.CallerName(ctx)
	made, err := db.creates.Do(ctx, creation{&draft, &assignment{draft.ID, worker, workerType, incarnation}, cause(ctx, "execution", draft.ID.String())})
	switch {
	case errors.Is(err, hodei.NotFound):
		return hodei.Execution{}, &hodei.Error{Code: hodei.Conflict, Message: "Execution exists", Resource: "execution", ResourceID: draft.ID.String()}
	case err != nil:
		return hodei.Execution{}, failure("start execution", err)
	}
	hodei.MarkRecorded(ctx)
	return *made, nil
}

// creation is the argument of CreateExecution and, with an assignment, of
// StartExecution.
type creation struct {
	draft *hodei.Execution
	to    *assignment
	cause *hodei.AuditRecord // nil for none
}

// auditOfExecutions inserts the records of those executions of a batch that have one and were
// created. Its parameters are arrays, see columnsOf, which Postgres takes apart at less cost
// than JSON.
const auditOfExecutions = `, audited AS (` + insertAudit + `
	SELECT a.id, a.kind, a.token_id, a.name, a.role, a.address, a.operation, a.resource, a.resource_id, a.outcome, a.request_id
	FROM unnest($1::uuid[], $19::uuid[], $20::text[], $21::uuid[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[])
		AS a(execution_id, id, kind, token_id, name, role, address, operation, resource, resource_id, outcome, request_id)
	JOIN e ON e.id = a.execution_id WHERE a.kind <> '')`

func (db *DB) createExecutions(ctx context.Context, wanted []creation) ([]batch.Answer[*hodei.Execution], error) {
	n := len(wanted)
	ids, jobs, pipelines := make([]hodei.ExecutionID, n), make([]*hodei.JobID, n), make([]*hodei.PipelineID, n)
	spec, attempts, past, days := make([]hodei.Spec, n), make([]int, n), make([]*hodei.ExecutionID, n), make([]time.Time, n)
	runs, numbers, keys := make([]*hodei.RunID, n), make([]*int, n), make([]*string, n)
	workers, types, incarnations := make([]*hodei.WorkerID, n), make([]*string, n), make([]*string, n)
	after := make([]*time.Time, n)
	by, records, audit := make([]*string, n), make([]hodei.AuditRecord, n), ""
	for i, c := range wanted {
		d := c.draft
		if c.cause != nil {
			records[i], audit = *c.cause, auditOfExecutions
		}
		by[i] = d.StartedBy
		ids[i], jobs[i], pipelines[i], spec[i] = d.ID, d.JobID, d.PipelineID, d.Spec
		attempts[i], past[i], days[i] = d.Attempt, d.RetryOf, d.ID.Day()
		runs[i], numbers[i], keys[i], after[i] = d.RunID, d.RunNumber, d.JobKey, d.NotBefore
		if c.to != nil {
			workers[i], types[i], incarnations[i] = &c.to.worker, &c.to.workerType, &c.to.incarnation
		}
	}
	args := []any{ids, jobs, pipelines, attempts, past, days, workers, types, incarnations, spec, hodei.Pending, hodei.Running, runs, numbers, keys, by, after, hodei.ReasonNotBefore}
	if audit != "" {
		args = append(args, columnsOf(records)...)
	}
	// The specs are one document, because an array of them would be quoted
	// twice.
	made, err := changeAll(ctx, db.known, "create executions",
		`WITH d AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::uuid[], $6::date[],
				$7::uuid[], $8::text[], $9::text[], $13::uuid[], $14::int[], $15::text[], $16::text[], $17::timestamptz[]) WITH ORDINALITY
				AS d(id, job_id, pipeline_id, attempt, retry_of, log_day, worker_id, worker_type, worker_incarnation,
					run_id, run_number, job_key, started_by, not_before, n)),
		s AS (SELECT * FROM jsonb_array_elements($10::jsonb) WITH ORDINALITY AS s(spec, n)),
		past AS (UPDATE executions SET retry_at = NULL WHERE id = ANY($5) AND retry_at IS NOT NULL RETURNING id AS retry_of, schedule_id, planned_at),
		e AS (INSERT INTO executions (id, job_id, pipeline_id, run_id, run_number, job_key, schedule_id, planned_at, status, spec, attempt, retry_of, log_day,
				worker_id, worker_type, worker_incarnation, started_by, scheduled_at, started_at, not_before, held, reason)
			SELECT id, job_id, pipeline_id, run_id, run_number, job_key, schedule_id, planned_at, CASE WHEN worker_id IS NULL THEN $11 ELSE $12 END, spec, attempt, retry_of, log_day,
				worker_id, worker_type, worker_incarnation, started_by,
				CASE WHEN worker_id IS NOT NULL THEN now() END, CASE WHEN worker_id IS NOT NULL THEN now() END,
				not_before, coalesce(not_before > now(), false), CASE WHEN not_before > now() THEN $18 END
			FROM d JOIN s USING (n) LEFT JOIN past USING (retry_of) ON CONFLICT (id) DO NOTHING RETURNING *)`+audit+`
		SELECT `+changedColumns+` FROM e`, args...)
	return answers(wanted, made, func(c creation) hodei.ExecutionID { return c.draft.ID }), err
}

// changeAll executes one statement for many executions and returns the changed
// rows.
func changeAll(ctx context.Context, pool querier, act, sql string, args ...any) (map[hodei.ExecutionID]*hodei.Execution, error) {
	rows, err := all[hodei.Execution](ctx, pool, act, sql, args...)
	changed := make(map[hodei.ExecutionID]*hodei.Execution, len(rows))
	for i := range rows {
		changed[rows[i].ID] = &rows[i]
	}
	return changed, err
}

// answers returns the changed row for each call, or NOT_FOUND. If several calls
// name the same execution, the first one gets the row.
func answers[A any](all []A, changed map[hodei.ExecutionID]*hodei.Execution, id func(A) hodei.ExecutionID) []batch.Answer[*hodei.Execution] {
	out := make([]batch.Answer[*hodei.Execution], len(all))
	for i, a := range all {
		e, ok := changed[id(a)]
		if !ok {
			out[i].Err = hodei.Missing("execution", id(a).String())
			continue
		}
		out[i].Value = e
		delete(changed, id(a))
	}
	return out
}

// assignment is the argument of AssignExecution.
type assignment struct {
	id                      hodei.ExecutionID
	worker                  hodei.WorkerID
	workerType, incarnation string
}

// AssignExecution makes a pending execution RUNNING on one incarnation of a
// worker. Of two callers one succeeds, the other gets CONFLICT. The log is of
// the day of the assignment, because the execution may have waited for longer
// than logs are kept.
func (db *DB) AssignExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, workerType, incarnation string) (hodei.Execution, error) {
	a := db.AssignExecutions(ctx, []hodei.ExecutionID{id}, worker, workerType, incarnation)[0]
	if a.Err != nil {
		return hodei.Execution{}, a.Err
	}
	return *a.Value, nil
}

// AssignExecutions is AssignExecution for several executions, in one statement. The
// answers are in the order of the ids.
func (db *DB) AssignExecutions(ctx context.Context, ids []hodei.ExecutionID, worker hodei.WorkerID, workerType, incarnation string) []batch.Answer[*hodei.Execution] {
	wanted := make([]assignment, len(ids))
	for i, id := range ids {
		wanted[i] = assignment{id, worker, workerType, incarnation}
	}
	answers := db.assigns.DoAll(ctx, wanted)
	for i, a := range answers {
		answers[i].Err = db.whyNot(ctx, ids[i], string(hodei.Running), failure("assign execution", a.Err))
	}
	return answers
}

func (db *DB) assignExecutions(ctx context.Context, wanted []assignment) ([]batch.Answer[*hodei.Execution], error) {
	n := len(wanted)
	ids, workers := make([]hodei.ExecutionID, n), make([]hodei.WorkerID, n)
	types, incarnations := make([]string, n), make([]string, n)
	for i, a := range wanted {
		// A second assignment of the same execution in the batch fails.
		if !slices.Contains(ids[:i], a.id) {
			ids[i] = a.id
		}
		workers[i], types[i], incarnations[i] = a.worker, a.workerType, a.incarnation
	}
	changed, err := changeAll(ctx, db.known, "assign executions",
		`WITH a AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS a(id, worker_id, worker_type, incarnation)),
		e AS (UPDATE executions e SET status = $5, worker_id = a.worker_id, worker_type = a.worker_type,
				worker_incarnation = a.incarnation, scheduled_at = now(), started_at = now(), log_day = (now() AT TIME ZONE 'utc')::date
			FROM a WHERE e.id = a.id AND e.status = ANY($6) AND NOT e.held RETURNING e.*)
		SELECT `+changedColumns+` FROM e`,
		ids, workers, types, incarnations, hodei.Running, hodei.ExecutionTransitions.From(hodei.Running))
	db.flushed.broadcast()
	return answers(wanted, changed, func(a assignment) hodei.ExecutionID { return a.id }), err
}

// recordedLog selects the number of lines in the record of row e's log, and
// their digest.
const recordedLog = `(SELECT coalesce(sum(l.last_sequence - l.first_sequence + 1), 0)::bigint AS count,
	mod(coalesce(sum(l.digest), 0), 9223372036854775808)::bigint AS digest
	FROM execution_logs l WHERE l.day = e.log_day AND l.execution_id = e.id)`

// Report is the end of an execution, as its worker reports it.
type Report struct {
	ID      hodei.ExecutionID
	Outcome hodei.Outcome
}

// report is a Report in a batch.
type report struct {
	Report
	worker hodei.WorkerID
	runDue func()
}

// Ended is the answer to a report.
type Ended struct {
	Execution hodei.Execution
	// Whole reports whether the end is recorded: the record has the whole log.
	Whole bool
	Err   error
}

// FinishExecution records the end of an execution as its worker reports it, if
// the record has the whole log. Repeating it with the same outcome changes
// nothing. While lines are missing it returns false and changes nothing. It
// returns CONFLICT if the execution has another end or another worker.
func (db *DB) FinishExecution(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, o hodei.Outcome) (hodei.Execution, bool, error) {
	got := db.FinishExecutions(ctx, worker, []Report{{id, o}}, func() {})[0]
	return got.Execution, got.Whole, got.Err
}

// FinishExecutions is FinishExecution for several reports of one worker, in one statement
// for those without a log and one for the others. The answers are in their order. Where a
// run can go on it calls runDue once the end is committed, before the disk has the
// commit: the run goes on by commits that follow it, see commitThenFlush.
func (db *DB) FinishExecutions(ctx context.Context, worker hodei.WorkerID, reports []Report, runDue func()) []Ended {
	all := make([]report, len(reports))
	for i, r := range reports {
		all[i] = report{r, worker, runDue}
	}
	out := make([]Ended, len(all))
	for i, a := range db.finishes.DoAll(ctx, all) {
		out[i] = db.finished(ctx, all[i], a)
	}
	return out
}

// finished makes the answer to a report from that of the batch.
func (db *DB) finished(ctx context.Context, r report, a batch.Answer[recordedEnd]) Ended {
	switch {
	case !isEnd(r.Outcome.Status):
		return Ended{Err: hodei.InvalidField("outcome.status", "not a final state of an execution")}
	case a.Err == nil:
		if err := a.Value.wait(ctx); err != nil { // a repeat waits for the disk, see durableExecution
			return Ended{Err: failure("finish execution", err)}
		}
		return Ended{*a.Value.Execution, true, nil}
	case !errors.Is(a.Err, hodei.NotFound):
		return Ended{Err: failure("finish execution", a.Err)}
	}
	now, err := db.durableExecution(ctx, r.ID)
	switch {
	case err != nil:
		return Ended{now, false, err}
	case now.WorkerID == nil || *now.WorkerID != r.worker:
	case now.Status == hodei.Running:
		return Ended{now, false, nil}
	case now.Status == r.Outcome.Status && (now.LogCount == r.Outcome.LogCount || now.LogDamaged):
		return Ended{now, true, nil} // reported before
	}
	return Ended{now, false, cannotBecome(now, string(r.Outcome.Status))}
}

// FinishDamaged records the end of an execution whose log cannot be completed
// and, in the same transaction, the lines that replace the missing ones, if the
// day of the log is kept. Chunks
// after the last line that the worker counted are deleted. A gap may be the
// line after that; then the record counts it too. It returns CONFLICT or
// NOT_FOUND like FinishExecution, and the unchanged execution if the end was
// recorded before.
func (db *DB) FinishDamaged(ctx context.Context, id hodei.ExecutionID, worker hodei.WorkerID, o hodei.Outcome, gaps []Chunk, kept Days) (hodei.Execution, error) {
	day, err := db.logDay(ctx, id)
	if err != nil {
		return hodei.Execution{}, err
	}
	if !inDays(day, kept) {
		gaps = nil
	}
	if len(gaps) > 0 {
		if err := db.CreateLogDay(ctx, day); err != nil {
			return hodei.Execution{}, err
		}
	}
	var e hodei.Execution
	ended := false
	err = pgx.BeginFunc(ctx, db.known, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM execution_logs WHERE day = $1 AND execution_id = $2 AND first_sequence > $3`,
			day, id, o.LogCount); err != nil {
			return err
		}
		for _, gap := range gaps {
			o.LogCount = max(o.LogCount, gap.Last)
		}
		changed, err := db.finishThose(ctx, tx, []report{{Report{id, o}, worker, nil}}, `true`, true)
		if err != nil {
			return err
		}
		row, found := changed[id]
		if ended = found; !ended {
			return errNotFinished
		}
		e = *row
		for _, gap := range gaps {
			if _, err := tx.Exec(ctx, `INSERT INTO execution_logs (day, execution_id, first_sequence, last_sequence, digest, lines, size)
				VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
				day, id, gap.First, gap.Last, gap.Digest, gap.Lines, gap.Size); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNotFinished) {
		e, ended, err = db.FinishExecution(ctx, id, worker, o)
		if err == nil && !ended { // RUNNING again on this worker: the caller repeats the report
			err = hodei.Errorf(hodei.Unavailable, "The execution changed meanwhile")
		}
		return e, err
	}
	return e, failure("finish execution", err)
}

// errNotFinished rolls back a transaction that ended no execution.
var errNotFinished = errors.New("no execution ended")

// isEnd reports whether an execution can end in the state.
func isEnd(s hodei.ExecutionStatus) bool {
	return s.Ended() && hodei.ExecutionTransitions.Allows(hodei.Running, s)
}

// durableExecution is GetExecution after a flush: an earlier attempt may have committed the
// end and stopped before its flush.
func (db *DB) durableExecution(ctx context.Context, id hodei.ExecutionID) (e hodei.Execution, err error) {
	err = db.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		e, err = one[hodei.Execution](ctx, conn, "get execution", "execution", id.String(), `SELECT `+executionColumns+` FROM executions e WHERE e.id = $1`, id)
		if err == nil && e.RunID != nil {
			err = db.flush(ctx, conn)
		}
		return err
	})
	return e, failure("get execution", err)
}

// finishExecutions ends executions that workers have reported, and makes the ends durable.
func (db *DB) finishExecutions(ctx context.Context, reports []report) ([]batch.Answer[recordedEnd], error) {
	conn, err := db.known.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	var durable <-chan error
	defer func() {
		if durable == nil { // otherwise awaitEnd releases it
			conn.Release()
		}
	}()
	changed, err := db.finishBoth(ctx, conn, reports)
	if err != nil {
		return nil, err
	}
	if durable, err = db.flushEnds(ctx, conn, reports, changed); err != nil {
		return nil, err
	}
	made := answers(reports, changed, func(r report) hodei.ExecutionID { return r.ID })
	return batch.Answers(len(made), func(i int) (recordedEnd, error) { return recordedEnd{made[i].Value, durable}, made[i].Err }), nil
}

// finishBoth ends executions without a log and executions with one. It reads the recorded logs
// only of the latter, which halves the work for a flood of small commands.
func (db *DB) finishBoth(ctx context.Context, q querier, reports []report) (map[hodei.ExecutionID]*hodei.Execution, error) {
	var silent, logged []report
	for _, r := range reports {
		switch {
		case !isEnd(r.Outcome.Status):
		case r.Outcome.LogCount == 0:
			silent = append(silent, r)
		default:
			logged = append(logged, r)
		}
	}
	changed := make(map[hodei.ExecutionID]*hodei.Execution, len(reports))
	for _, ends := range []struct {
		reports []report
		cond    string
	}{
		{silent, `true`},
		{logged, `EXISTS (SELECT FROM ` + recordedLog + ` log WHERE log.count = o.log_count AND log.digest = o.log_digest)`},
	} {
		if len(ends.reports) == 0 {
			continue
		}
		ended, err := db.finishThose(ctx, q, ends.reports, ends.cond, false)
		if err != nil {
			return nil, err // a repeat returns the result of the other statement
		}
		maps.Copy(changed, ended)
	}
	return changed, nil
}

// flushEnds makes the ends durable that let a run go on, because their commit did not wait for
// the disk. The flush of a single end may come with the next commits of its run: flushEnds then
// does not wait, so that other ends need not either. durable receives the result, and the
// connection is released with it.
func (db *DB) flushEnds(ctx context.Context, conn *pgxpool.Conn, reports []report, changed map[hodei.ExecutionID]*hodei.Execution) (durable <-chan error, err error) {
	i := slices.IndexFunc(reports, func(r report) bool {
		e, ok := changed[r.ID]
		return ok && e.RunID != nil && e.RetryAt == nil
	})
	if i < 0 {
		return nil, nil
	}
	flushed := db.flushed.next()
	reports[i].runDue()
	if len(reports) > 1 || !db.awaiting.CompareAndSwap(false, true) {
		return nil, db.flush(ctx, conn) // one flush is enough for all
	}
	result := make(chan error, 1)
	go func() { result <- db.awaitEnd(context.WithoutCancel(ctx), conn, flushed) }()
	return result, nil
}

// recordedEnd is an execution whose end is committed. durable receives the result of the
// flush; it is nil if the end is flushed already.
type recordedEnd struct {
	*hodei.Execution
	durable <-chan error
}

func (e recordedEnd) wait(ctx context.Context) error {
	if e.durable == nil {
		return nil
	}
	select {
	case err := <-e.durable:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitEnd waits until an end that the connection has committed is durable, and releases the
// connection.
func (db *DB) awaitEnd(ctx context.Context, conn *pgxpool.Conn, flushed <-chan struct{}) error {
	defer conn.Release()
	defer db.awaiting.Store(false)
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	var at string
	if err := conn.QueryRow(ctx, `SELECT pg_current_wal_insert_lsn()::text`).Scan(&at); err != nil {
		return err
	}
	return db.awaitFlush(ctx, conn, flushed, at)
}

func (db *DB) finishThose(ctx context.Context, q querier, reports []report, cond string, damaged bool) (map[hodei.ExecutionID]*hodei.Execution, error) {
	n := len(reports)
	ids, workers, status := make([]hodei.ExecutionID, n), make([]hodei.WorkerID, n), make([]hodei.ExecutionStatus, n)
	reasons, codes, signals := make([]*hodei.Reason, n), make([]*int, n), make([]*string, n)
	started, completed := make([]*time.Time, n), make([]time.Time, n)
	counts, digests, resources := make([]int64, n), make([]int64, n), make([]*hodei.Resources, n)
	outputs := make([]map[string]string, n)
	for i, r := range reports {
		o := r.Outcome
		ids[i], workers[i], status[i], reasons[i], codes[i], signals[i] = r.ID, r.worker, o.Status, o.Reason, o.ExitCode, o.Signal
		started[i], completed[i], counts[i], digests[i], resources[i] = o.StartedAt, o.CompletedAt, o.LogCount, o.LogDigest, o.Resources
		outputs[i] = o.Outputs
	}
	// Every end has the same guard: a worker ends only a RUNNING execution. The worker is not
	// compared with =, by which Postgres might read all entries of executions_of_worker. An end
	// that lets a run go on does not wait for the disk, see FinishExecutions.
	return changeAll(ctx, q, "finish executions",
		`WITH o AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::text[], $7::timestamptz[],
				$8::timestamptz[], $9::bigint[], $10::bigint[], $11::jsonb[], $14::jsonb[]) AS o(id, worker_id, status, reason, exit_code, signal,
				started_at, completed_at, log_count, log_digest, resources, outputs)),
		e AS (UPDATE executions e SET status = o.status, reason = o.reason, exit_code = o.exit_code, signal = o.signal,
				started_at = coalesce(o.started_at, e.started_at), completed_at = greatest(o.completed_at, o.started_at),
				log_count = o.log_count, log_digest = o.log_digest, log_damaged = $13, resources = o.resources,
				outputs = nullif(o.outputs, 'null'), `+ended("o.status", "o.reason", "o.exit_code", "o.signal")+`
			FROM o WHERE e.id = o.id AND e.status = ANY($12) AND e.worker_id IS NOT DISTINCT FROM o.worker_id AND `+cond+` RETURNING e.*)
		SELECT `+changedColumns+` FROM e WHERE $13 OR NOT e.run_due OR set_config('synchronous_commit', 'off', true) = 'off'`,
		ids, workers, status, reasons, codes, signals, started, completed, counts, digests, resources,
		hodei.ExecutionTransitions.From(hodei.Completed), damaged, outputs)
}
