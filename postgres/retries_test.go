package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// failing creates an execution with retries that has just ended with this
// status.
func failing(t *testing.T, db *postgres.DB, attempt int, r hodei.Retries, end hodei.ExecutionStatus) hodei.Execution {
	t.Helper()
	spec, worker := spec("false"), postgres.NewID[hodei.WorkerID]()
	spec.Retries = &r
	e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: spec, Attempt: attempt})
	require.NoError(t, err)
	_, err = db.AssignExecution(t.Context(), e.ID, worker, "shell", "first")
	require.NoError(t, err)
	e, whole, err := db.FinishExecution(t.Context(), e.ID, worker, hodei.Outcome{Status: end, CompletedAt: time.Now().UTC()})
	require.NoError(t, err)
	require.True(t, whole)
	return e
}

// TestRetryBackoff: the backoff doubles with each attempt up to the cap, with a
// jitter of a fifth, for FAILED and TIMED_OUT, while retries are left.
func TestRetryBackoff(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	for _, c := range []struct {
		attempt int
		retries hodei.Retries
		end     hodei.ExecutionStatus
		want    float64 // seconds; -1 for none
	}{
		{1, hodei.Retries{Max: 3, BackoffSeconds: 10}, hodei.Failed, 10},
		{2, hodei.Retries{Max: 3, BackoffSeconds: 10}, hodei.TimedOut, 20},
		{3, hodei.Retries{Max: 3, BackoffSeconds: 10}, hodei.Failed, 40},
		{4, hodei.Retries{Max: 3, BackoffSeconds: 10}, hodei.Failed, -1},
		{1, hodei.Retries{Max: 3, BackoffSeconds: 10}, hodei.Completed, -1},
		{1, hodei.Retries{Max: 3, BackoffSeconds: 10}, hodei.Cancelled, -1},
		{1, hodei.Retries{Max: 0, BackoffSeconds: 10}, hodei.Failed, -1},
		{1, hodei.Retries{Max: 1}, hodei.Failed, 0},
		{60, hodei.Retries{Max: 100, BackoffSeconds: 10}, hodei.Failed, hodei.RetryCap},
		{60, hodei.Retries{Max: 100, BackoffSeconds: 7200}, hodei.Failed, 7200},
	} {
		e := failing(t, db, c.attempt, c.retries, c.end)
		if c.want < 0 {
			require.Nil(t, e.RetryAt, "%+v", c)
			continue
		}
		require.NotNil(t, e.RetryAt, "%+v", c)
		pause := time.Until(*e.RetryAt).Seconds()
		require.InDelta(t, c.want, pause, c.want/5+5, "%+v", c)
	}
}

// TestRetriesOn: the policy selects ends by state, reason, exit code and
// signal.
func TestRetriesOn(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	lost, killed, exit, none := hodei.ReasonWorkerLost, hodei.ReasonSignal, hodei.ReasonExitCode, hodei.Reason("")
	for i, c := range []struct {
		on     []string
		end    hodei.ExecutionStatus
		reason hodei.Reason
		code   *int
		signal *string
		want   bool
	}{
		{nil, hodei.Failed, exit, new(1), nil, true},
		{nil, hodei.TimedOut, hodei.ReasonTimeout, nil, nil, true},
		{[]string{"TIMED_OUT"}, hodei.Failed, exit, new(1), nil, false},
		{[]string{"TIMED_OUT"}, hodei.TimedOut, hodei.ReasonTimeout, nil, nil, true},
		{[]string{"WORKER_LOST"}, hodei.Failed, exit, new(1), nil, false},
		{[]string{"WORKER_LOST"}, hodei.Failed, lost, nil, nil, true},
		{[]string{"exit:75"}, hodei.Failed, exit, new(75), nil, true},
		{[]string{"exit:75"}, hodei.Failed, exit, new(7), nil, false},
		{[]string{"signal:SIGKILL"}, hodei.Failed, killed, nil, new("SIGKILL"), true},
		{[]string{"COMPLETED", "CANCELLED"}, hodei.Completed, none, new(0), nil, false},
		{[]string{"CANCELLED"}, hodei.Cancelled, hodei.ReasonCancelled, nil, nil, false},
	} {
		s, worker := spec("false"), postgres.NewID[hodei.WorkerID]()
		s.Retries = &hodei.Retries{Max: 1, BackoffSeconds: 60, On: c.on}
		e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: s})
		require.NoError(t, err)
		_, err = db.AssignExecution(t.Context(), e.ID, worker, "shell", "first")
		require.NoError(t, err)
		e, _, err = db.FinishExecution(t.Context(), e.ID, worker, hodei.Outcome{
			Status: c.end, Reason: &c.reason, ExitCode: c.code, Signal: c.signal, CompletedAt: time.Now().UTC(),
		})
		require.NoError(t, err)
		require.Equal(t, c.want, e.RetryAt != nil, "case %d", i)
	}
}

// TestRetryIsCreatedOnce: concurrent calls create one retry, with the
// specification of the execution before it.
func TestRetryIsCreatedOnce(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	first := failing(t, db, 1, hodei.Retries{Max: 2}, hodei.Failed)
	next, err := db.NextRetry(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Zero(t, next)
	var mu sync.Mutex
	var made []hodei.Execution
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			e, err := db.CreateRetry(t.Context())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made = append(made, e)
			} else {
				require.ErrorIs(t, err, hodei.NotFound)
			}
		})
	}
	all.Wait()
	require.Len(t, made, 1)
	require.Equal(t, hodei.Pending, made[0].Status)
	require.Equal(t, 2, made[0].Attempt)
	require.Equal(t, first.ID, *made[0].RetryOf)
	require.Equal(t, first.Spec, made[0].Spec)
	first, err = db.GetExecution(t.Context(), first.ID)
	require.NoError(t, err)
	require.Nil(t, first.RetryAt)
	next, err = db.NextRetry(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, time.Minute, next, "none is left")
}

// TestRetryIsWithdrawn: cancelling a failed execution or retrying it by hand
// removes the due retry. An execution with a cancel request gets no retry.
func TestRetryIsWithdrawn(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	e := failing(t, db, 1, hodei.Retries{Max: 2, BackoffSeconds: 60}, hodei.Failed)
	e, err := db.RequestCancel(t.Context(), e.ID)
	require.NoError(t, err)
	require.Nil(t, e.RetryAt)
	require.Equal(t, hodei.Failed, e.Status)
	_, err = db.RequestCancel(t.Context(), e.ID)
	require.ErrorIs(t, err, hodei.Conflict)

	e = failing(t, db, 1, hodei.Retries{Max: 2, BackoffSeconds: 60}, hodei.Failed)
	_, err = db.CreateExecution(t.Context(), hodei.Execution{Spec: e.Spec, Attempt: 2, RetryOf: &e.ID})
	require.NoError(t, err)
	e, err = db.GetExecution(t.Context(), e.ID)
	require.NoError(t, err)
	require.Nil(t, e.RetryAt)

	worker := postgres.NewID[hodei.WorkerID]()
	s := spec("false")
	s.Retries = &hodei.Retries{Max: 2}
	for _, cancelled := range []bool{false, true} {
		e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: s})
		require.NoError(t, err)
		_, err = db.AssignExecution(t.Context(), e.ID, worker, "shell", "first")
		require.NoError(t, err)
		if cancelled {
			_, err = db.RequestCancel(t.Context(), e.ID)
			require.NoError(t, err)
		}
		lost, err := db.LoseExecutions(t.Context(), worker, "first", always, nil)
		require.NoError(t, err)
		require.Len(t, lost, 1)
		require.Equal(t, cancelled, lost[0].RetryAt == nil, "a lost one is retried, unless it was to end")
	}
}

// TestDueRetriesAreFoundByIndex: due retries are found without scanning other
// executions.
func TestDueRetriesAreFoundByIndex(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	_ = db
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `SET enable_seqscan = off`)
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), `EXPLAIN SELECT id FROM executions WHERE retry_at <= now() ORDER BY retry_at LIMIT 1`)
	require.NoError(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, plan[1], "executions_retry")
}
