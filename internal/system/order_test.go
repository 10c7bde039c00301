package system_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler"
	"github.com/hodei-jobs/hodei/worker"
)

var backlog = flag.Int("backlog", 10_000, "how many executions TestBacklogInOrder queues; a fifth of it with -short, a tenth under the race detector")

// past is the final record of one execution.
type past struct {
	ID          hodei.ExecutionID
	Priority    int
	Status      hodei.ExecutionStatus
	Type        string
	Slots       int
	WorkerID    hodei.WorkerID
	ScheduledAt time.Time
	StartedAt   time.Time
	CompletedAt time.Time
}

// TestBacklogInOrder queues 10,000 executions of all priorities, three types
// and several sizes, then starts 100 workers. The record must show that they
// ran in order, fairly, and never above a worker's slots. A second scheduler
// stands by.
func TestBacklogInOrder(t *testing.T) {
	size := *backlog
	if testing.Short() {
		size /= 5
	}
	srv := secured(t, 100)
	cfg := config(t, srv, 0)
	// On a busy machine an offer may wait for long. Giving it up would change
	// the order.
	cfg.Manager.OfferHolds = time.Minute
	_, stop := run(t, cfg)
	second := system.Config{Connect: cfg.Connect, DatabaseURL: cfg.DatabaseURL, DatabaseConns: 4, Log: cfg.Log, Scheduler: &scheduler.Config{}}
	stopSecond := runParts(t, second)
	c := client.NATS(localtest.Connect(t, srv.NATS))
	submit(t, c, size)

	fleet := system.Config{Connect: cfg.Connect, Log: cfg.Log}
	for i := range 100 {
		fleet.Workers = append(fleet.Workers, worker.Config{ID: srv.worker(), Type: kinds[i%len(kinds)], Slots: 1 + i/len(kinds)%4, StateDir: t.TempDir()})
	}
	stopFleet := runParts(t, fleet)
	all := waitForAll(t, cfg.DatabaseURL, size)
	require.NoError(t, stopFleet())
	require.NoError(t, stopSecond())
	require.NoError(t, stop())

	capacity := capacities(t, cfg.DatabaseURL)
	requireCapacity(t, all, capacity)
	requireOrder(t, all)
	requireSizesShare(t, all)
}

var kinds = []string{"go", "rust", "java"}

// runParts runs a system without an edge.
func runParts(t *testing.T, cfg system.Config) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- system.Run(ctx, cfg, func(*system.System) { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("ended before it was ready: %v", err)
	}
	return func() error { cancel(); return <-ended }
}

// submit queues n executions of jobs that differ in priority, type and size.
func submit(t *testing.T, c *client.Client, n int) {
	t.Helper()
	pipeline, err := c.CreatePipeline(t.Context(), schemas.CreatePipelineRequest{Name: "backlog"})
	require.NoError(t, err)
	var jobs []hodei.JobID
	for priority := range hodei.MaxPriority + 1 {
		for _, kind := range kinds {
			for size := 1; size <= 3; size++ {
				job, err := c.CreateJob(t.Context(), schemas.CreateJobRequest{
					PipelineID: hodei.RefTo(pipeline.ID), Priority: &priority,
					RunRequest: schemas.RunRequest{
						Command: &hodei.Command{Args: []string{"true"}}, Type: &kind,
						Requirements: &hodei.Requirements{Capacity: size},
					},
				})
				require.NoError(t, err)
				jobs = append(jobs, job.ID)
			}
		}
	}
	var next atomic.Int64
	var g errgroup.Group
	for range 64 {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				_, err := c.ExecuteJob(t.Context(), schemas.ExecuteJobRequest{
					ID: jobs[i*7919%len(jobs)], Waiting: schemas.Waiting{WaitSeconds: new(float64)},
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
}

// waitForAll returns the record when everything has ended.
func waitForAll(t *testing.T, url string, n int) []past {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for left := n; left > 0; <-look.C {
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM executions WHERE completed_at IS NULL`).Scan(&left))
		require.NoError(t, t.Context().Err())
		if left == 0 {
			break
		}
	}
	rows, err := conn.Query(t.Context(), `SELECT id, priority, status, spec->'requirements'->>'type' AS type,
		slots, worker_id, scheduled_at, started_at, completed_at FROM executions ORDER BY scheduled_at`)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[past])
	require.NoError(t, err)
	require.Len(t, all, n)
	for _, e := range all {
		require.Equal(t, hodei.Completed, e.Status)
	}
	return all
}

func capacities(t *testing.T, url string) map[hodei.WorkerID]int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT id, total_capacity FROM workers`)
	require.NoError(t, err)
	capacity := map[hodei.WorkerID]int{}
	var id hodei.WorkerID
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { capacity[id] = n; return nil })
	require.NoError(t, err)
	return capacity
}

// requireCapacity: no worker ever ran more than its slots. Both times are the
// worker's own.
func requireCapacity(t *testing.T, all []past, capacity map[hodei.WorkerID]int) {
	t.Helper()
	type change struct {
		at    time.Time
		slots int
	}
	changes := map[hodei.WorkerID][]change{}
	for _, e := range all {
		changes[e.WorkerID] = append(changes[e.WorkerID], change{e.StartedAt, e.Slots}, change{e.CompletedAt, -e.Slots})
	}
	require.Len(t, changes, len(capacity), "every worker has had work")
	for id, list := range changes {
		slices.SortFunc(list, func(a, b change) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return a.slots - b.slots // at the same microsecond, ends come before starts
		})
		used := 0
		for _, c := range list {
			used += c.slots
			require.LessOrEqual(t, used, capacity[id], "worker %s at %s", id, c.at)
		}
	}
}

// requireOrder: among executions with equal requirements, none overtook more
// others than can be in flight at once.
func requireOrder(t *testing.T, all []past) {
	t.Helper()
	const onTheirWay = 100 * 4 // 100 workers, at most four slots each, of one class at the worst
	rank := func(e past) int64 {
		return e.ID.Time().UnixMilli() - int64(e.Priority)*(10*time.Minute).Milliseconds()
	}
	classes := map[string][]past{}
	for _, e := range all {
		key := fmt.Sprint(e.Type, e.Slots)
		classes[key] = append(classes[key], e)
	}
	require.Len(t, classes, 9)
	for key, started := range classes {
		order := slices.Clone(started)
		slices.SortFunc(order, func(a, b past) int {
			if c := rank(a) - rank(b); c != 0 {
				return int(max(-1, min(1, c)))
			}
			return slices.Compare(a.ID[:], b.ID[:])
		})
		place := map[hodei.ExecutionID]int{}
		for i, e := range order {
			place[e.ID] = i
		}
		for i, e := range started {
			require.InDelta(t, place[e.ID], i, onTheirWay/2, "class %s: %s of priority %d", key, e.ID, e.Priority)
		}
	}
}

// requireSizesShare: executions with several slots do not wait until all small
// ones are done. Of the more urgent half, the last large one starts before the
// last fifth of everything.
func requireSizesShare(t *testing.T, all []past) {
	t.Helper()
	last := 0
	for i, e := range all {
		if e.Slots > 1 && e.Priority > hodei.MaxPriority/2 {
			last = i
		}
	}
	require.Less(t, last, len(all)*4/5)
}
