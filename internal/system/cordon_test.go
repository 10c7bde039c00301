package system_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestCordonOutlastsARestart: a cordoned worker gets no work, and reports it where
// people look, after a restart of the worker and of every service too.
func TestCordonOutlastsARestart(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	cfg := config(t, srv, 1)
	_, stop := run(t, cfg)
	nc := localtest.Connect(t, srv.NATS)
	c := client.NATS(nc)
	workers, err := c.ListWorkers(t.Context(), schemas.ListWorkersRequest{})
	require.NoError(t, err)
	id := workers.Items[0].ID
	execute := func(command string) hodei.ExecutionID {
		e, err := c.Execute(t.Context(), schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &hodei.Command{Shell: command}}})
		require.NoError(t, err)
		return e.ID
	}
	reasons := func() []string {
		t.Helper()
		queue, err := c.GetQueue(t.Context(), schemas.GetQueueRequest{})
		require.NoError(t, err)
		var reasons []string
		for _, entry := range queue.Items {
			reasons = append(reasons, entry.Reason)
		}
		return reasons
	}
	waiting := func() bool { r := reasons(); return len(r) == 1 && r[0] == "no worker: 1 cordoned" }

	w, err := c.CordonWorker(t.Context(), schemas.CordonWorkerRequest{ID: id})
	require.NoError(t, err)
	require.True(t, w.Cordoned)
	first := execute("true")
	require.Eventually(t, waiting, time.Minute, 10*time.Millisecond)
	require.Eventually(t, func() bool { // the scheduler may have offered it before it saw the cordon
		_, err = c.AssignExecution(t.Context(), schemas.AssignRequest{ExecutionID: hodei.RefTo(first), WorkerID: &id})
		return !errors.Is(err, hodei.Conflict)
	}, time.Minute, 10*time.Millisecond)
	require.ErrorIs(t, err, hodei.Rejected, "naming the worker does not end the cordon")
	require.ErrorContains(t, err, schemas.RefusedCordoned)
	require.NoError(t, stop())

	_, stop = run(t, cfg)
	w, err = c.GetWorker(t.Context(), schemas.GetWorkerRequest{ID: id})
	require.NoError(t, err)
	require.True(t, w.Cordoned)
	require.Equal(t, hodei.WorkerAvailable, w.Status)
	require.Eventually(t, waiting, time.Minute, 10*time.Millisecond)
	decision, err := c.Schedule(t.Context(), schemas.ScheduleRequest{DryRun: true, ExecutionID: new(hodei.RefTo(first))})
	require.NoError(t, err)
	require.Equal(t, "cordoned", *decision.Candidates[0].Excluded)

	w, err = c.UncordonWorker(t.Context(), schemas.UncordonWorkerRequest{ID: id})
	require.NoError(t, err)
	require.False(t, w.Cordoned)
	e, err := c.Wait(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, hodei.Completed, e.Status)

	// A busy worker with a free slot is offered work as soon as it is uncordoned.
	long := execute("sleep 600")
	require.Eventually(t, func() bool {
		e, err := c.GetExecution(t.Context(), schemas.GetExecutionRequest{ID: hodei.RefTo(long)})
		return err == nil && e.Status == hodei.Running
	}, time.Minute, 10*time.Millisecond, "the worker may still be busy with the first")
	_, err = c.CordonWorker(t.Context(), schemas.CordonWorkerRequest{ID: id})
	require.NoError(t, err)
	second := execute("true")
	require.Eventually(t, waiting, time.Minute, 10*time.Millisecond)
	_, err = c.UncordonWorker(t.Context(), schemas.UncordonWorkerRequest{ID: id})
	require.NoError(t, err)
	_, err = c.Wait(t.Context(), second)
	require.NoError(t, err)
	_, err = c.CancelExecution(t.Context(), schemas.CancelExecutionRequest{ID: hodei.RefTo(long)})
	require.NoError(t, err)
	_, err = c.Wait(t.Context(), long)
	require.NoError(t, err)
	nc.Close()
	require.NoError(t, stop())
}
