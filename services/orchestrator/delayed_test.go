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

// TestAnExecutionIsHeldUntilItsTime: no worker gets it before, and it is queued then.
func TestAnExecutionIsHeldUntilItsTime(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.instance()
	n := b.scheduler(&neighbours{})
	job := b.job(hodei.Spec{Command: shell})
	at := time.Now().Add(2 * time.Second).UTC().Truncate(time.Millisecond)
	reply, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID, Delayed: schemas.Delayed{NotBefore: &at}})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, reply.Status)
	require.Equal(t, "not before "+at.Format(time.RFC3339), *reply.Reason)
	placed, scheduled, _ := n.counts()
	require.Zero(t, placed+scheduled, "the scheduler is not asked")
	e := b.created().Execution
	require.Equal(t, hodei.ReasonNotBefore, *e.Reason)
	require.Equal(t, at, *e.NotBefore)
	waiting, err := b.db.ListWaiting(t.Context(), time.Now().Add(time.Hour), 0, 10)
	require.NoError(t, err)
	require.Empty(t, waiting)
	_, err = b.db.AssignExecution(t.Context(), e.ID, postgres.NewID[hodei.WorkerID](), "shell", "first")
	require.ErrorIs(t, err, hodei.Conflict)

	msg, err := b.events.NextMsg(time.Minute)
	require.NoError(t, err)
	event := decode[schemas.Event](t, msg.Data)
	require.Equal(t, schemas.EventRequeued, event.Type)
	require.Nil(t, event.Execution.Reason)
	now, err := b.db.Now(t.Context())
	require.NoError(t, err)
	require.False(t, now.Before(at))
	waiting, err = b.db.ListWaiting(t.Context(), time.Now().Add(time.Hour), 0, 10)
	require.NoError(t, err)
	require.Len(t, waiting, 1)
}

// TestATimeThatHasPassedDelaysNothing, and a delay cannot be combined with reject.
func TestATimeThatHasPassedDelaysNothing(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{})
	job := b.job(hodei.Spec{Command: shell})
	past := time.Now().Add(-time.Hour)
	req := schemas.ExecuteJobRequest{ID: job.ID, Delayed: schemas.Delayed{NotBefore: &past}}
	reply, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, req)
	require.NoError(t, err)
	require.Equal(t, "no worker", *reply.Reason)
	_, scheduled, _ := n.counts()
	require.Equal(t, 1, scheduled)
	req.IfNoWorker = schemas.Reject
	_, err = rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, req)
	require.ErrorIs(t, err, hodei.Invalid)
	future := time.Now().Add(time.Hour)
	made, err := rpc.Call(t.Context(), b.nc, schemas.Execute, schemas.ExecuteRequest{
		RunRequest: schemas.RunRequest{Command: &shell}, Delayed: schemas.Delayed{NotBefore: &future}})
	require.NoError(t, err)
	e, err := b.db.GetExecution(t.Context(), made.ID)
	require.NoError(t, err)
	require.Equal(t, hodei.ReasonNotBefore, *e.Reason)
	e, err = b.db.EndPending(t.Context(), made.ID, hodei.Cancelled, hodei.ReasonCancelled)
	require.NoError(t, err, "it can be cancelled meanwhile")
	require.Equal(t, hodei.ReasonCancelled, *e.Reason)
	wait, err := b.db.NextDelayed(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Equal(t, time.Hour, wait)
}

// TestARunIsHeldUntilItsTime: it takes no place of its concurrency key before.
func TestARunIsHeldUntilItsTime(t *testing.T) {
	t.Parallel()
	b := start(t)
	_, err := rpc.Call(t.Context(), b.nc, schemas.ApplyPipeline, schemas.ApplyPipelineRequest{
		Slug: "shop", Document: "slug: shop\nconcurrency: {key: shop}\njobs: {a: {command: 'true'}}\n"})
	require.NoError(t, err)
	execute := func(at *time.Time) hodei.Run {
		r, err := rpc.Call(t.Context(), b.nc, schemas.ExecutePipeline, schemas.ExecutePipelineRequest{ID: "shop", Delayed: schemas.Delayed{NotBefore: at}})
		require.NoError(t, err)
		return r
	}
	at := time.Now().Add(2 * time.Second)
	held := execute(&at)
	require.Equal(t, hodei.RunPending, held.Status)
	require.Equal(t, hodei.ReasonNotBefore, *held.Reason)
	other := execute(nil)
	require.Equal(t, hodei.RunRunning, other.Status, "the key is free")
	status := func(want hodei.RunStatus, reason *hodei.Reason) func() bool {
		return func() bool {
			r := b.shownRun(held.ID)
			return r.Status == want && (r.Reason == reason || r.Reason != nil && reason != nil && *r.Reason == *reason)
		}
	}
	require.Eventually(t, status(hodei.RunPending, new(hodei.ReasonConcurrency)), time.Minute, 5*time.Millisecond, "its time has come, and it waits for its key")
	b.finish(other.ID, "a", hodei.Outcome{Status: hodei.Completed})
	require.Eventually(t, status(hodei.RunRunning, nil), time.Minute, 5*time.Millisecond)
	require.False(t, b.shownRun(held.ID).StartedAt.Before(at.Truncate(time.Millisecond)))
	b.finish(held.ID, "a", hodei.Outcome{Status: hodei.Completed})
	late := time.Now().Add(time.Hour)
	cancelled := execute(&late)
	r, err := rpc.Call(t.Context(), b.nc, schemas.CancelRun, schemas.CancelRunRequest{ID: hodei.RefTo(cancelled.ID)})
	require.NoError(t, err)
	require.Equal(t, hodei.RunCancelled, r.Status)
}

// TestATimeThatNoListCanShowIsRefused: in UTC these are the years 10000 and -1.
func TestATimeThatNoListCanShowIsRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	shell := hodei.Command{Shell: "true"}
	job := b.job(hodei.Spec{Command: shell})
	for _, text := range []string{"9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+12:00"} {
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		late := schemas.Delayed{NotBefore: &at}
		_, one := rpc.Call(t.Context(), b.nc, schemas.Execute, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &shell}, Delayed: late})
		_, two := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID, Delayed: late})
		_, three := rpc.Call(t.Context(), b.nc, schemas.ExecutePipeline, schemas.ExecutePipelineRequest{ID: hodei.RefTo(job.PipelineID), Delayed: late})
		for _, err := range []error{one, two, three} {
			require.ErrorContains(t, err, "not_before")
			require.ErrorIs(t, err, hodei.Invalid)
		}
	}
}
