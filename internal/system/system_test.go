package system_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
	"github.com/hodei-jobs/hodei/services/orchestrator"
	"github.com/hodei-jobs/hodei/services/scheduler"
	"github.com/hodei-jobs/hodei/services/workermanager"
	"github.com/hodei-jobs/hodei/worker"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

// config returns all roles on one server, with the given number of workers of
// two slots each.
func config(t *testing.T, srv *guarded, workers int) system.Config {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := blob.OpenDir(t.TempDir())
	require.NoError(t, err)
	cfg := system.Config{
		Connect:     srv.connect,
		DatabaseURL: localtest.Migrated(t, postgres.Migrate), DatabaseConns: 8, Version: "0.0.1", Log: log,
		Orchestrator: &orchestrator.Config{}, Scheduler: &scheduler.Config{}, Manager: &workermanager.Config{}, Edge: &edge.Config{},
		Artifacts: &artifacts.Config{Store: store},
	}
	for range workers {
		cfg.Workers = append(cfg.Workers, worker.Config{ID: srv.worker(), Type: "shell", Slots: 2, StateDir: t.TempDir()})
	}
	return cfg
}

// run runs the system until stop is called, which returns the result of Run.
func run(t *testing.T, cfg system.Config) (addrs [3]string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan [3]string, 1), make(chan error, 1)
	go func() { ended <- system.Run(ctx, cfg, func(s *system.System) { ready <- s.HTTPAddrs() }) }()
	select {
	case addrs = <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("ended before it was ready: %v", err)
	}
	return addrs, func() error { cancel(); return <-ended }
}

// TestManyAtOnce submits work from many callers over both transports, waits for
// all of it, and stops without leftovers.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	srv := secured(t, 3)
	addrs, stop := run(t, config(t, srv, 3))
	nc := localtest.Connect(t, srv.NATS)
	clients := []*client.Client{client.NATS(nc), client.HTTP("http://" + addrs[0])}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	pipeline, err := clients[0].CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "many"})
	require.NoError(t, err)
	job, err := clients[1].CreateJob(ctx, schemas.CreateJobRequest{
		PipelineID: hodei.RefTo(pipeline.ID), RunRequest: schemas.RunRequest{Command: &hodei.Command{Shell: "seq 1 20"}},
	})
	require.NoError(t, err)
	var g errgroup.Group
	for i := range 60 {
		g.Go(func() error {
			c := clients[i%2]
			started, err := c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job.ID})
			if err != nil {
				return err
			}
			e, err := c.Wait(ctx, started.ExecutionID)
			if err != nil {
				return err
			}
			if e.Status != hodei.Completed || e.LogCount != 20 {
				return fmt.Errorf("%s is %s with %d lines", e.ID, e.Status, e.LogCount)
			}
			next := int64(1)
			for line, err := range c.Logs(ctx, schemas.FollowLogsRequest{ID: hodei.RefTo(e.ID)}) {
				if err != nil {
					return err
				}
				if line.Sequence != next || line.Line != fmt.Sprint(next) {
					return fmt.Errorf("%s: line %d is %q with sequence %d", e.ID, next, line.Line, line.Sequence)
				}
				next++
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	workers, err := clients[0].ListWorkers(ctx, schemas.ListWorkersRequest{})
	require.NoError(t, err)
	require.Len(t, workers.Items, 3)
	executions, err := clients[0].ListExecutions(ctx, schemas.ListExecutionsRequest{Page: schemas.Page{Limit: 1000}})
	require.NoError(t, err)
	by := map[hodei.WorkerID]int{}
	for _, e := range executions.Items {
		by[*e.WorkerID]++
	}
	require.Len(t, by, 3, "the work is spread: %v", by)
	nc.Close()
	require.NoError(t, stop())
}

// TestQueueDrainsInOrder fills the one worker and verifies that the queue
// starts by priority, then age.
func TestQueueDrainsInOrder(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	cfg := config(t, srv, 1)
	cfg.Workers[0].Slots = 1
	_, stop := run(t, cfg)
	c := client.NATS(localtest.Connect(t, srv.NATS))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pipeline, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "order"})
	require.NoError(t, err)
	gate := t.TempDir() + "/gate"
	none := 0.0
	execute := func(script string, priority int) hodei.ExecutionID {
		job, err := c.CreateJob(ctx, schemas.CreateJobRequest{
			PipelineID: hodei.RefTo(pipeline.ID), Priority: &priority, RunRequest: schemas.RunRequest{Command: &hodei.Command{Shell: script}},
		})
		require.NoError(t, err)
		req := schemas.ExecuteJobRequest{ID: job.ID}
		if script == "true" {
			req.WaitSeconds = &none
		}
		started, err := c.ExecuteJob(ctx, req)
		require.NoError(t, err)
		return started.ExecutionID
	}
	first := execute("until [ -e "+gate+" ]; do sleep 0.02; done", 5)
	var want []hodei.ExecutionID
	byPriority := map[int][]hodei.ExecutionID{}
	for _, priority := range []int{1, 9, 5, 9, 0, 5, 10} {
		byPriority[priority] = append(byPriority[priority], execute("true", priority))
	}
	for priority := 10; priority >= 0; priority-- {
		want = append(want, byPriority[priority]...)
	}
	queue, err := c.GetQueue(ctx, schemas.GetQueueRequest{})
	require.NoError(t, err)
	for i, entry := range queue.Items {
		require.Equal(t, want[i], entry.ExecutionID)
		require.Equal(t, i+1, entry.Position)
		require.Equal(t, "no worker: 1 busy", entry.Reason)
	}
	require.NoError(t, os.WriteFile(gate, nil, 0o644))
	_, err = c.Wait(ctx, first)
	require.NoError(t, err)
	var at time.Time
	for _, id := range want {
		e, err := c.Wait(ctx, id)
		require.NoError(t, err)
		require.Equal(t, hodei.Completed, e.Status)
		require.True(t, e.ScheduledAt.After(at), "%s was started before its turn", id)
		at = *e.ScheduledAt
	}
	require.NoError(t, stop())
}

// TestTwoSchedulersNeverOverfill: with two instances of every service, slots
// are never overbooked and nothing starts twice.
func TestTwoSchedulersNeverOverfill(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	cfg := config(t, srv, 1)
	_, stop := run(t, cfg)
	second := config(t, srv, 0)
	second.DatabaseURL = cfg.DatabaseURL
	_, stopSecond := run(t, second)
	c := client.NATS(localtest.Connect(t, srv.NATS))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	// Each execution takes a slot by creating a directory. A third one at the
	// same time would fail.
	script := fmt.Sprintf(`for s in 1 2; do mkdir %[1]s/$s 2>/dev/null && { echo x >> %[1]s/starts; sleep 0.02; rmdir %[1]s/$s; exit 0; }; done; exit 9`, dir)
	var g errgroup.Group
	const n = 40
	for range n {
		g.Go(func() error {
			e, err := c.Execute(ctx, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &hodei.Command{Shell: script}}})
			if err != nil {
				return err
			}
			done, err := c.Wait(ctx, e.ID)
			if err == nil && done.Status != hodei.Completed {
				err = fmt.Errorf("%s is %s: more than two ran at once", done.ID, done.Status)
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	starts, err := os.ReadFile(dir + "/starts")
	require.NoError(t, err)
	require.Len(t, starts, 2*n)
	require.NoError(t, stopSecond())
	require.NoError(t, stop())
}

// TestWorkersMayLeave: the system continues without workers that leave on
// command. A system of workers only ends with the last one.
func TestWorkersMayLeave(t *testing.T) {
	t.Parallel()
	srv := secured(t, 3)
	addrs, stop := run(t, config(t, srv, 1))
	c := client.HTTP("http://" + addrs[0])
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg := config(t, srv, 2)
	cfg.Orchestrator, cfg.Scheduler, cfg.Manager, cfg.Artifacts, cfg.Edge = nil, nil, nil, nil, nil
	ready, ended := make(chan []string, 1), make(chan error, 1)
	go func() { ended <- system.Run(ctx, cfg, func(s *system.System) { ready <- s.WorkerIDs() }) }()
	require.Len(t, <-ready, 2)

	list, err := c.ListWorkers(ctx, schemas.ListWorkersRequest{})
	require.NoError(t, err)
	require.Len(t, list.Items, 3)
	for i, w := range list.Items {
		if i == 0 {
			_, err = c.TerminateWorker(ctx, schemas.TerminateWorkerRequest{ID: w.ID})
		} else {
			_, err = c.DrainWorker(ctx, schemas.DrainWorkerRequest{ID: w.ID})
		}
		require.NoError(t, err)
	}
	require.NoError(t, <-ended, "the workers' own system ends cleanly")
	terminated := hodei.WorkerTerminated
	require.Eventually(t, func() bool {
		list, err = c.ListWorkers(ctx, schemas.ListWorkersRequest{Status: schemas.OneOf[hodei.WorkerStatus]{terminated}})
		return err == nil && len(list.Items) == 3
	}, time.Minute, 10*time.Millisecond, "the other one goes on")
	require.NoError(t, stop())
}

func TestTakenPortStopsEverything(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	cfg := config(t, secured(t, 0), 0)
	cfg.Edge.Orchestrator = taken.Addr().(*net.TCPAddr).Port
	err = system.Run(t.Context(), cfg, func(*system.System) { t.Error("must not be ready") })
	require.ErrorContains(t, err, "is taken")
	require.False(t, errors.Is(err, context.Canceled))
}
