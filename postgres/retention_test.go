package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// past is a record with executions of any age.
type past struct {
	*postgres.DB
	t    *testing.T
	conn *pgx.Conn
}

func newPast(t *testing.T) *past {
	db, url := open(t)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return &past{db, t, conn}
}

func (h *past) exec(sql string, args ...any) {
	h.t.Helper()
	_, err := h.conn.Exec(h.t.Context(), sql, args...)
	require.NoError(h.t, err)
}

// add creates an execution that ended this long ago, with a log of three lines.
// With age 0 it has not ended.
func (h *past) add(job *hodei.Job, age time.Duration) hodei.ExecutionID {
	h.t.Helper()
	draft := hodei.Execution{Spec: spec("true")}
	if job != nil {
		draft.JobID, draft.PipelineID = &job.ID, &job.PipelineID
	}
	e, err := h.CreateExecution(h.t.Context(), draft)
	require.NoError(h.t, err)
	if age > 0 {
		lines := chunk(e.ID, 1, 3)
		h.exec(`UPDATE executions SET status = 'COMPLETED', completed_at = now() - $2::interval, log_count = 3 WHERE id = $1`, e.ID, age)
		h.exec(`INSERT INTO execution_logs (day, execution_id, first_sequence, last_sequence, digest, lines, size)
			VALUES ($1, $2, 1, 3, $3, $4, $5)`, e.ID.Day(), e.ID, lines.Digest, lines.Lines, lines.Size)
	}
	return e.ID
}

// left returns those of the executions that still exist.
func (h *past) left(ids []hodei.ExecutionID) (left []hodei.ExecutionID) {
	h.t.Helper()
	for _, id := range ids {
		var logs int
		require.NoError(h.t, h.conn.QueryRow(h.t.Context(), `SELECT count(*) FROM execution_logs WHERE execution_id = $1`, id).Scan(&logs))
		e, err := h.GetExecution(h.t.Context(), id)
		if err == nil {
			left = append(left, id)
			require.Equal(h.t, e.Status.Ended(), logs == 1)
			continue
		}
		require.ErrorIs(h.t, err, hodei.NotFound)
		require.Zero(h.t, logs, "the log goes with its execution")
	}
	return left
}

func (h *past) job() *hodei.Job {
	h.t.Helper()
	p, err := h.CreatePipeline(h.t.Context(), hodei.Pipeline{Name: "p"})
	require.NoError(h.t, err)
	j, err := h.CreateJob(h.t.Context(), hodei.Job{PipelineID: p.ID, Spec: spec("true")})
	require.NoError(h.t, err)
	return &j
}

func TestOldExecutionsAreDeleted(t *testing.T) {
	t.Parallel()
	h := newPast(t)
	require.NoError(t, h.CreateLogDay(t.Context(), time.Now()))
	const day = 24 * time.Hour
	many, once, live := h.job(), h.job(), h.job()
	var old, kept []hodei.ExecutionID
	for range 5 {
		old = append(old, h.add(nil, 91*day), h.add(many, 100*day))
	}
	retried := h.add(nil, 95*day)
	h.exec(`UPDATE executions SET status = 'FAILED', retry_at = now() WHERE id = $1`, retried)
	last := h.add(many, 92*day)
	old = append(old, h.add(live, 200*day))
	kept = append(kept, retried, last, h.add(once, 400*day), h.add(live, 0), h.add(nil, 89*day), h.add(nil, 0))

	total, batches := 0, 0
	for from := (postgres.AgedExecution{}); ; {
		deleted, next, err := h.DeleteOldExecutions(t.Context(), 90*day, from, 3)
		require.NoError(t, err)
		total, from = total+deleted, next
		if batches++; deleted < 3 {
			break
		}
	}
	require.Equal(t, len(old), total)
	require.Equal(t, 4, batches)
	require.Empty(t, h.left(old))
	require.Equal(t, kept, h.left(kept))
	job, err := h.GetJob(t.Context(), many.ID)
	require.NoError(t, err)
	require.Equal(t, last, job.Execution.ID)
	pipeline, err := h.GetPipeline(t.Context(), many.PipelineID)
	require.NoError(t, err)
	require.Equal(t, last, pipeline.LastExecution.ID)
}

func TestDeleteExecution(t *testing.T) {
	t.Parallel()
	h := newPast(t)
	require.NoError(t, h.CreateLogDay(t.Context(), time.Now()))
	waiting, ended, retried, other := h.add(nil, 0), h.add(nil, 1), h.add(nil, 1), h.add(nil, 1)
	h.exec(`UPDATE executions SET status = 'FAILED', retry_at = now() WHERE id = $1`, retried)
	require.NoError(t, h.DeleteExecution(t.Context(), ended))
	require.ErrorIs(t, h.DeleteExecution(t.Context(), ended), hodei.NotFound)
	require.ErrorIs(t, h.DeleteExecution(t.Context(), waiting), hodei.Conflict)
	err := h.DeleteExecution(t.Context(), retried)
	require.ErrorIs(t, err, hodei.Conflict)
	require.ErrorContains(t, err, "retry")
	require.Equal(t, []hodei.ExecutionID{waiting, retried, other}, h.left([]hodei.ExecutionID{waiting, ended, retried, other}))
}

func TestDeleteWorkers(t *testing.T) {
	t.Parallel()
	h := newPast(t)
	ctx := t.Context()
	worker := func(status hodei.WorkerStatus, days int) hodei.WorkerID {
		w, err := h.RegisterWorker(ctx, hodei.Worker{Type: "shell", Labels: map[string]string{}, TotalCapacity: 1}, "one")
		require.NoError(t, err)
		h.exec(`UPDATE workers SET status = $2, last_seen_at = now() - make_interval(days => $3) WHERE id = $1`, w.ID, status, days)
		return w.ID
	}
	var left []hodei.WorkerID
	for _, status := range hodei.WorkerTransitions.States() {
		id, recent := worker(status, 31), worker(status, 29)
		left = append(left, recent)
		if status != hodei.WorkerOffline && status != hodei.WorkerTerminated {
			left = append(left, id)
			require.ErrorIs(t, h.DeleteWorker(ctx, id), hodei.Conflict, status)
		}
	}
	busy := worker(hodei.WorkerAvailable, 31)
	e := running(t, h.DB, busy)
	h.exec(`UPDATE workers SET status = 'OFFLINE' WHERE id = $1`, busy)
	require.ErrorIs(t, h.DeleteWorker(ctx, busy), hodei.Conflict)
	deleted, err := h.DeleteOldWorkers(ctx, 30*24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, 2, deleted)
	items, _, err := h.ListWorkers(ctx, postgres.WorkerFilter{}, postgres.Page{Size: 100})
	require.NoError(t, err)
	require.Len(t, items, len(left)+1)

	_, err = h.LoseExecutions(ctx, busy, "first", always, nil)
	require.NoError(t, err)
	require.NoError(t, h.DeleteWorker(ctx, busy))
	require.ErrorIs(t, h.DeleteWorker(ctx, busy), hodei.NotFound)
	e, err = h.GetExecution(ctx, e.ID)
	require.NoError(t, err)
	require.Equal(t, busy, *e.WorkerID)
}

// run records a run of the pipeline with one job and its execution, which ended this long ago.
// With age 0 it has not ended.
func (h *past) run(pipeline hodei.PipelineID, number int, age time.Duration) (hodei.RunID, hodei.ExecutionID) {
	h.t.Helper()
	id, e := postgres.NewID[hodei.RunID](), h.add(nil, max(age, time.Second))
	h.exec(`INSERT INTO runs (id, pipeline_id, number, status, trigger, params, plan) VALUES ($1, $2, $3, 'RUNNING', '{}', '{}', '{}')`, id, pipeline, number)
	h.exec(`INSERT INTO run_jobs (run_id, key, job, position, needs, finally, status, attempt, warning, plan, spec, execution_id)
		VALUES ($1, 'build', 'build', 0, '{}', false, 'COMPLETED', 1, false, '{}', '{}', $2)`, id, e)
	h.exec(`UPDATE executions SET run_id = $2, run_number = $3, job_key = 'build' WHERE id = $1`, e, id, number)
	if age > 0 {
		h.exec(`UPDATE runs SET status = 'COMPLETED', completed_at = now() - $2::interval WHERE id = $1`, id, age)
	}
	return id, e
}

// TestDeleteOldRuns: runs age, oldest first and in batches, but for the last one of each pipeline
// and what a parent has yet to take notice of. The executions of a run stay as long as it does.
func TestDeleteOldRuns(t *testing.T) {
	t.Parallel()
	h := newPast(t)
	const day = 24 * time.Hour
	require.NoError(t, h.CreateLogDay(t.Context(), time.Now()))
	busy, idle := h.job().PipelineID, h.job().PipelineID
	var old, kept []hodei.RunID
	var oldRan, keptRan []hodei.ExecutionID
	add := func(keep bool, pipeline hodei.PipelineID, number int, age time.Duration) hodei.RunID {
		id, e := h.run(pipeline, number, age)
		if keep {
			kept, keptRan = append(kept, id), append(keptRan, e)
		} else {
			old, oldRan = append(old, id), append(oldRan, e)
		}
		return id
	}
	for number := range 5 {
		add(false, busy, number+1, 95*day)
	}
	add(true, busy, 6, 0) // since 100 days, and its execution has ended
	h.exec(`UPDATE executions SET completed_at = now() - interval '100 days' WHERE id = $1`, keptRan[0])
	rerun := add(true, busy, 9, 80*day)
	reused := oldRan[0]
	h.exec(`UPDATE run_jobs SET reused_execution_id = $2 WHERE run_id = $1`, rerun, reused)
	waited := add(true, busy, 7, 95*day)
	h.exec(`UPDATE runs SET parent_due = true WHERE id = $1`, waited)
	add(true, busy, 8, 80*day)
	add(false, idle, 1, 400*day)
	add(true, idle, 2, 300*day)

	total, batches := 0, 0
	for from := (postgres.AgedRun{}); ; {
		deleted, next, err := h.DeleteOldRuns(t.Context(), 90*day, from, 4)
		require.NoError(t, err)
		total, from = total+deleted, next
		if batches++; deleted < 4 {
			break
		}
	}
	require.Equal(t, len(old), total)
	require.Equal(t, 2, batches)
	for _, id := range old {
		_, err := h.GetRun(t.Context(), id)
		require.ErrorIs(t, err, hodei.NotFound)
	}
	_, _, err := h.DeleteOldExecutions(t.Context(), 90*day, postgres.AgedExecution{}, 100)
	require.NoError(t, err)
	require.Equal(t, []hodei.ExecutionID{reused}, h.left(oldRan), "its results are those of a job of the rerun")
	h.exec(`UPDATE run_jobs SET reused_execution_id = NULL WHERE run_id = $1`, rerun)
	_, _, err = h.DeleteOldExecutions(t.Context(), 90*day, postgres.AgedExecution{}, 100)
	require.NoError(t, err)
	require.Empty(t, h.left(oldRan))
	require.Equal(t, keptRan, h.left(keptRan))
	for _, id := range kept {
		r, err := h.GetRun(t.Context(), id)
		require.NoError(t, err)
		require.Len(t, r.Jobs, 1)
	}
	var jobs int
	require.NoError(t, h.conn.QueryRow(t.Context(), `SELECT count(*) FROM run_jobs`).Scan(&jobs))
	require.Equal(t, len(kept), jobs)
}
