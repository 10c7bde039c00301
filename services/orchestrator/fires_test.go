package orchestrator

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// record is a connection to the database of the bench, for what no program of Hodei does.
func (b *bench) record() *pgx.Conn {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TestOneKeyTriggersOnce: requests with one Idempotency-Key start one run, or one execution of a
// job, at the same time or after a crash that lost the reply.
func TestOneKeyTriggersOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	of := b.job(hodei.Spec{Command: shell, Retries: &hodei.Retries{Max: 1, BackoffSeconds: 3600}})
	job, err := rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{JobID: &of.ID, ScheduleSpec: every(time.Hour)})
	require.NoError(t, err)
	for _, s := range []hodei.Schedule{b.schedule(b.pipeline(needing("a")), every(time.Hour)), job} {
		ctx := rpc.WithIdempotencyKey(t.Context(), "k "+s.ID.String())
		trigger := func() hodei.Fire {
			fire, err := rpc.Call(ctx, b.nc, schemas.TriggerSchedule, schemas.TriggerScheduleRequest{ID: s.ID})
			assert.NoError(t, err)
			return fire
		}
		replies := make(chan hodei.Fire, 8)
		for range cap(replies) {
			go func() { replies <- trigger() }()
		}
		first := <-replies
		for range cap(replies) - 1 {
			require.Equal(t, first, <-replies)
		}
		if first.ExecutionID != nil { // the fire has the last attempt afterwards
			b.fail(*first.ExecutionID)
			again, err := rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(*first.ExecutionID)})
			require.NoError(t, err)
			b.fail(again.ID)
			first = b.waitFires(s.ID, "its outcome", func(f []hodei.Fire) bool { return f[0].Outcome != nil })[0]
		}
		_, err := b.record().Exec(t.Context(), `UPDATE idempotency_keys SET reply = NULL, status = NULL`)
		require.NoError(t, err)
		require.Equal(t, first, trigger())
		require.Len(t, b.fires(s.ID), 1)
	}
	runs, _, err := b.db.ListRuns(t.Context(), postgres.RunFilter{}, postgres.Page{Size: 10})
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Len(t, b.executions(), 3, "of the run, of the job, and its retry")
}

// TestARetryByHandBelongsToTheFire: its end is the outcome of the fire, and starts the one that
// waits for it.
func TestARetryByHandBelongsToTheFire(t *testing.T) {
	t.Parallel()
	b := start(t)
	job := b.job(hodei.Spec{Command: shell, Retries: &hodei.Retries{Max: 1, BackoffSeconds: 3600}})
	spec := every(time.Hour)
	spec.Overlap, spec.PauseAfterFailures = hodei.OverlapQueue, 9
	s, err := rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{JobID: &job.ID, ScheduleSpec: spec})
	require.NoError(t, err)
	b.back(s.ID, time.Hour)
	first := b.created().Execution
	b.fail(first.ID)
	b.back(s.ID, almost)
	b.waitFires(s.ID, "one waits for the retry", func(f []hodei.Fire) bool { return waiting(f) == 1 })
	again, err := rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(first.ID)})
	require.NoError(t, err)
	b.fail(again.ID)
	fires := b.waitFires(s.ID, "the one that waited is started", func(f []hodei.Fire) bool { return firedOf(f) == 2 })
	require.Equal(t, again.ID, *fires[0].ExecutionID)
	require.Equal(t, "FAILED", *fires[0].Outcome)
	require.Equal(t, 1, b.shownSchedule(s.ID).Failures)

	// The fire has its outcome, so another retry is none of the schedule's.
	last, err := rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(again.ID)})
	require.NoError(t, err)
	var of *hodei.ScheduleID
	require.NoError(t, b.record().QueryRow(t.Context(), `SELECT schedule_id FROM executions WHERE id = $1`, last.ID).Scan(&of))
	require.Nil(t, of)
}

// fail has the execution fail at a worker.
func (b *bench) fail(id hodei.ExecutionID) {
	b.t.Helper()
	worker := postgres.NewID[hodei.WorkerID]()
	_, err := b.db.AssignExecution(b.t.Context(), id, worker, "shell", "first")
	require.NoError(b.t, err)
	_, _, err = b.db.FinishExecution(b.t.Context(), id, worker, hodei.Outcome{Status: hodei.Failed, CompletedAt: time.Now().UTC()})
	require.NoError(b.t, err)
	require.NoError(b.t, b.nc.Publish(schemas.ScheduleSubject, nil))
}

// TestAScheduleCountsAnEndOnce although the run is looked at again after its end.
func TestAScheduleCountsAnEndOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	spec := every(time.Hour)
	spec.PauseAfterFailures = 2
	s := b.schedule(b.pipeline(needing("a")), spec)
	fire, err := rpc.Call(t.Context(), b.nc, schemas.TriggerSchedule, schemas.TriggerScheduleRequest{ID: s.ID})
	require.NoError(t, err)
	b.finish(*fire.RunID, "a", hodei.Outcome{Status: hodei.Failed})
	b.waitFires(s.ID, "it is counted", func(f []hodei.Fire) bool { return f[0].Outcome != nil })
	conn := b.record()
	_, err = conn.Exec(t.Context(), `UPDATE executions SET run_due = true WHERE run_id = $1`, fire.RunID)
	require.NoError(t, err)
	require.NoError(t, b.nc.Publish(schemas.RunSubject, nil))
	due := true
	require.Eventually(t, func() bool {
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) > 0 FROM executions WHERE run_due`).Scan(&due))
		return !due
	}, time.Minute, 5*time.Millisecond, "the run is looked at again")
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT fire_due FROM runs`).Scan(&due))
	require.False(t, due)
	require.Equal(t, 1, b.shownSchedule(s.ID).Failures)
}

// TestAScheduleStopsExecutionsAtOnce: the schedule's loop does not wait for one after the other.
func TestAScheduleStopsExecutionsAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	const live = 3
	var arrived atomic.Int32
	together := make(chan struct{})
	b.manager(&neighbours{stop: func(req schemas.StopExecutionRequest) (hodei.Execution, error) {
		if arrived.Add(1) == live {
			close(together)
		}
		select { // answer none before all have come
		case <-together:
		case <-t.Context().Done():
		}
		return b.db.GetExecution(context.Background(), req.ID)
	}})
	job := b.job(hodei.Spec{Command: shell})
	spec := every(time.Hour)
	spec.Overlap = hodei.OverlapAllow
	s, err := rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{JobID: &job.ID, ScheduleSpec: spec})
	require.NoError(t, err)
	by := time.Hour
	for fired := 1; fired <= live; fired++ {
		b.back(s.ID, by)
		b.waitFires(s.ID, "a fire", func(f []hodei.Fire) bool { return firedOf(f) == fired })
		by = almost
	}
	cancel := hodei.OverlapCancel
	_, err = rpc.Call(t.Context(), b.nc, schemas.UpdateSchedule, schemas.UpdateScheduleRequest{ID: s.ID, Overlap: schemas.Patch[string]{Set: true, Value: &cancel}})
	require.NoError(t, err)
	b.back(s.ID, almost)
	select {
	case <-together:
	case <-time.After(rpc.DefaultTimeout): // of the first request
		require.FailNow(t, "one request waits for the other")
	}
}
