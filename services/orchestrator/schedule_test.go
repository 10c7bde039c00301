package orchestrator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestAWaitOutlastsAHandover: the wait that one scheduler ends goes on at the next, for the
// rest of its time.
func TestAWaitOutlastsAHandover(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := &neighbours{}
	var asked []schemas.ScheduleRequest
	n.schedule = func(req schemas.ScheduleRequest) (schemas.Decision, error) {
		if asked = append(asked, req); len(asked) == 1 {
			return schemas.Decision{}, hodei.Errorf(hodei.Unavailable, "The scheduler is starting again")
		}
		id, _ := req.ExecutionID.ID()
		return schemas.Decision{ExecutionID: &id, Status: hodei.Running}, nil
	}
	b.scheduler(n)
	job, wait := b.job(hodei.Spec{Command: shell}), 60.0
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID, Waiting: schemas.Waiting{WaitSeconds: &wait}})
	require.NoError(t, err)
	require.Equal(t, hodei.Running, got.Status)
	require.Len(t, asked, 2)
	require.Equal(t, 60.0, *asked[0].WaitSeconds)
	require.Less(t, *asked[1].WaitSeconds, 60.0)
	require.Equal(t, asked[0].ExecutionID, asked[1].ExecutionID)
}

// TestAHandoverMayStartItFirst: the next scheduler has taken the execution from the record
// when it is asked again, and the answer is what the record shows.
func TestAHandoverMayStartItFirst(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := &neighbours{}
	n.schedule = func(schemas.ScheduleRequest) (schemas.Decision, error) {
		return schemas.Decision{}, hodei.Errorf(hodei.Conflict, "Execution is RUNNING and cannot become RUNNING")
	}
	b.scheduler(n)
	job, wait := b.job(hodei.Spec{Command: shell}), 60.0
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID, Waiting: schemas.Waiting{WaitSeconds: &wait}})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, got.Status)
}

// TestWithoutASchedulerAnExecutionStaysPending: it is recorded, and a
// scheduler that starts later adopts it.
func TestWithoutASchedulerAnExecutionStaysPending(t *testing.T) {
	t.Parallel()
	b := start(t)
	job := b.job(hodei.Spec{Command: shell})
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, got.Status)
	require.Equal(t, "no scheduler answers", *got.Reason)
	require.Nil(t, got.QueuePosition)
	e, err := b.db.GetExecution(t.Context(), got.ExecutionID)
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, e.Status)
	require.Equal(t, e.ID, b.created().Execution.ID)
}

// TestWithoutASchedulerIfNoWorkerRejectEndsIt: what was not to wait must not
// be left waiting.
func TestWithoutASchedulerIfNoWorkerRejectEndsIt(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.manager(&neighbours{stop: func(req schemas.StopExecutionRequest) (hodei.Execution, error) {
		return b.db.EndPending(t.Context(), req.ID, hodei.Cancelled, req.Reason)
	}})
	_, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{
		ID: b.job(hodei.Spec{Command: shell}).ID, Waiting: schemas.Waiting{IfNoWorker: schemas.Reject},
	})
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Len(t, n.stopped, 1)
	require.Equal(t, hodei.ReasonRejected, n.stopped[0].Reason)
	all := b.executions()
	require.Len(t, all, 1)
	require.Equal(t, hodei.Cancelled, all[0].Status)
	require.Equal(t, hodei.ReasonRejected, *all[0].Reason)
}

// TestTheSchedulersRefusalIsReturned as it is, with if_no_worker passed on.
func TestTheSchedulersRefusalIsReturned(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{schedule: func(schemas.ScheduleRequest) (schemas.Decision, error) {
		return schemas.Decision{}, hodei.Errorf(hodei.Rejected, "No worker is free: 2 busy")
	}})
	_, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{
		ID: b.job(hodei.Spec{Command: shell}).ID, Waiting: schemas.Waiting{IfNoWorker: schemas.Reject},
	})
	require.ErrorIs(t, err, hodei.Rejected)
	require.ErrorContains(t, err, "2 busy")
	require.Equal(t, schemas.Reject, n.scheduled[0].IfNoWorker)
}

// TestAnAssignmentWithoutAnAnswerIsFound: the scheduler assigned the execution
// and its answer was lost.
func TestAnAssignmentWithoutAnAnswerIsFound(t *testing.T) {
	t.Parallel()
	b := start(t)
	worker := postgres.NewID[hodei.WorkerID]()
	b.scheduler(&neighbours{schedule: func(req schemas.ScheduleRequest) (schemas.Decision, error) {
		id, _ := req.ExecutionID.ID()
		if _, err := b.db.AssignExecution(t.Context(), id, worker, "shell", "first"); err != nil {
			return schemas.Decision{}, err
		}
		return schemas.Decision{}, hodei.Errorf(hodei.Timeout, "Not done in time")
	}})
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: b.job(hodei.Spec{Command: shell}).ID})
	require.NoError(t, err)
	require.Equal(t, hodei.Running, got.Status)
	require.Equal(t, worker, *got.WorkerID)
	require.Nil(t, got.Reason)
}

func TestCancelIsTheWorkerManagers(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.manager(&neighbours{stop: func(req schemas.StopExecutionRequest) (hodei.Execution, error) {
		return b.db.EndPending(t.Context(), req.ID, hodei.Cancelled, hodei.ReasonCancelled)
	}})
	e, err := b.db.CreateExecution(t.Context(), hodei.Execution{Spec: b.job(hodei.Spec{Command: shell}).Spec})
	require.NoError(t, err)
	got, err := rpc.Call(t.Context(), b.nc, schemas.CancelExecution, schemas.CancelExecutionRequest{ID: hodei.RefTo(e.ID)})
	require.NoError(t, err)
	require.Equal(t, hodei.Cancelled, got.Status)
	require.Empty(t, n.stopped[0].Reason, "a cancellation, unless another reason is given")
	_, err = rpc.Call(t.Context(), b.nc, schemas.CancelExecution, schemas.CancelExecutionRequest{ID: hodei.RefTo(postgres.NewID[hodei.ExecutionID]())})
	require.ErrorIs(t, err, hodei.NotFound)
}

// TestRetryByHand follows an execution that has ended by another, and refuses
// one that has not.
func TestRetryByHand(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{})
	past := b.ended(b.job(hodei.Spec{Command: shell, Priority: 3}), hodei.Failed, time.Second)
	got, err := rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(past.ID)})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, got.Status)
	require.Equal(t, 2, got.Attempt)
	require.Equal(t, past.ID, *got.RetryOf)
	require.Equal(t, past.Spec, got.Spec)
	require.Equal(t, got.ID, b.created().Execution.ID)
	_, scheduled, _ := n.counts()
	require.Zero(t, scheduled, "the scheduler takes it in from its event")

	_, err = rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(got.ID)})
	require.ErrorIs(t, err, hodei.Conflict)
	require.ErrorContains(t, err, "PENDING")
}

// TestDueRetriesAreCreatedOnce by whichever of two instances finds them, with
// a message that one is due and without.
func TestDueRetriesAreCreatedOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.instance()
	job := b.job(hodei.Spec{Command: shell, Retries: &hodei.Retries{Max: 1}})
	const many = 8
	past := map[hodei.ExecutionID]bool{}
	for i := range many {
		past[b.ended(job, hodei.Failed, time.Second).ID] = true
		if i%2 == 0 {
			require.NoError(t, b.nc.Publish(schemas.RetrySubject, nil))
		}
	}
	for range many {
		e := b.created().Execution
		require.Equal(t, 2, e.Attempt)
		require.True(t, past[*e.RetryOf], "each is retried once")
		delete(past, *e.RetryOf)
	}
	require.Len(t, b.executions(), 2*many)
	next, err := b.db.NextRetry(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, time.Minute, next, "none is left")
}

// TestARetryWithoutASchedulerIsRecorded: it waits there as any other does.
func TestARetryWithoutASchedulerIsRecorded(t *testing.T) {
	t.Parallel()
	b := start(t)
	past := b.ended(b.job(hodei.Spec{Command: shell, Retries: &hodei.Retries{Max: 1}}), hodei.TimedOut, time.Second)
	e := b.created().Execution
	require.Equal(t, past.ID, *e.RetryOf)
	got, err := b.db.GetExecution(t.Context(), e.ID)
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, got.Status)
}
