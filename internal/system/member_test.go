package system_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestAKeptWorkerIsReplaced: after a drain and after a terminate, another
// worker replaces the worker and runs waiting executions. The old one stays
// TERMINATED.
func TestAKeptWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	cfg := config(t, srv, 1)
	cfg.KeepWorkers = true
	cfg.Workers[0].ID = nil // the next one has another id, for which no user has permissions
	cfg.Connect = func(name string) (*nats.Conn, error) { return srv.NATS.Connect(name, localtest.Log(t)) }
	terminate := make(chan struct{})
	cfg.Terminate = terminate
	_, stop := run(t, cfg)
	c := client.NATS(localtest.Connect(t, srv.NATS))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	here := func() hodei.WorkerID {
		list, err := c.ListWorkers(ctx, schemas.ListWorkersRequest{})
		require.NoError(t, err)
		return list.Items[0].ID // the newest
	}
	execute := func() hodei.Execution {
		asked, err := c.Execute(ctx, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &hodei.Command{Args: []string{"true"}}}})
		require.NoError(t, err)
		e, err := c.Wait(ctx, asked.ID)
		require.NoError(t, err)
		return e
	}
	for _, leave := range []func(hodei.WorkerID) error{
		func(id hodei.WorkerID) error {
			_, err := c.DrainWorker(ctx, schemas.DrainWorkerRequest{ID: id})
			return err
		},
		func(id hodei.WorkerID) error {
			_, err := c.TerminateWorker(ctx, schemas.TerminateWorkerRequest{ID: id})
			return err
		},
	} {
		before := here()
		require.NoError(t, leave(before))
		require.Eventually(t, func() bool {
			w, err := c.GetWorker(ctx, schemas.GetWorkerRequest{ID: before})
			return err == nil && w.Status == hodei.WorkerTerminated
		}, time.Minute, 10*time.Millisecond)
		e := execute() // waits for the next worker
		require.Equal(t, hodei.Completed, e.Status)
		require.NotEqual(t, before, *e.WorkerID)
		w, err := c.GetWorker(ctx, schemas.GetWorkerRequest{ID: before})
		require.NoError(t, err)
		require.Equal(t, hodei.WorkerTerminated, w.Status, "which is final")
	}
	close(terminate) // a worker that the system ends has no replacement
	require.NoError(t, stop())
}
