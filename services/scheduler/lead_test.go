package scheduler

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestAStandbyTakesOver when the leader stops: requests that wait are answered at once,
// and their executions are in the queue of the next.
func TestAStandbyTakesOver(t *testing.T) {
	nc, _ := localtest.JetStream(t)
	db, err := postgres.Open(t.Context(), localtest.Migrated(t, postgres.Migrate), 0)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	leader, standby := New(Config{NATS: nc, DB: db, Log: localtest.Log(t)}), New(Config{NATS: nc, DB: db, Log: localtest.Log(t)})
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	stopped := make(chan error, 1)
	go func() { stopped <- leader.Run(ctx) }()
	<-leader.Ready()
	localtest.Run(t, standby.Run, standby.Ready())
	require.Contains(t, leader.Health(t.Context()).Checks, "workers")
	require.NotContains(t, standby.Health(t.Context()).Checks, "workers", "it has no view of the fleet")

	e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: hodei.Spec{
		Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Priority: 5,
	}})
	require.NoError(t, err)
	queued := func(s *Scheduler, asked bool) func() bool {
		return func() bool {
			s.queue.mu.Lock()
			defer s.queue.mu.Unlock()
			in, here := s.queue.entries[e.ID]
			return here && (in.asked || !asked)
		}
	}
	answered := make(chan error, 1)
	go func() {
		wait := 30.0
		_, err := rpc.Call(t.Context(), nc, schemas.Schedule, schemas.ScheduleRequest{ExecutionID: new(hodei.RefTo(e.ID)), Waiting: schemas.Waiting{WaitSeconds: &wait}})
		answered <- err
	}()
	require.Eventually(t, queued(leader, true), time.Minute, time.Millisecond)
	require.False(t, queued(standby, false)())
	stop()
	require.ErrorIs(t, <-answered, hodei.Unavailable)
	require.NoError(t, <-stopped)
	require.Eventually(t, queued(standby, false), time.Minute, time.Millisecond)
	d, err := rpc.Call(t.Context(), nc, schemas.Schedule, schemas.ScheduleRequest{ExecutionID: new(hodei.RefTo(e.ID)), DryRun: true})
	require.NoError(t, err)
	require.Equal(t, "no worker is running", *d.Reason)
}
