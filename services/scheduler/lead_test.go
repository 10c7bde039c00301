package scheduler

import (
	"context"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
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

// TestALeaderThatWasCutOffAnswersEveryRequest: the subscriptions of its first term do not
// outlast it at the server.
func TestALeaderThatWasCutOffAnswersEveryRequest(t *testing.T) {
	store := t.TempDir()
	first, err := local.StartNATS(local.NATSConfig{StoreDir: store, Log: localtest.Log(t)})
	require.NoError(t, err)
	nc, err := rpc.Connect(first.URL(), "scheduler", localtest.Log(t)) // by TCP, as it has to reach the second server
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
	db, err := postgres.Open(t.Context(), localtest.Migrated(t, postgres.Migrate), 0)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	s := New(Config{NATS: nc, DB: db, Log: localtest.Log(t)})
	localtest.Run(t, s.Run, s.Ready())
	require.True(t, s.leads())

	at, err := url.Parse(first.URL())
	require.NoError(t, err)
	port, err := strconv.Atoi(at.Port())
	require.NoError(t, err)
	first.Shutdown()
	closed := func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return s.queue.closed != nil
	}
	require.Eventually(t, closed, time.Minute, time.Millisecond, "its term ends")
	second, err := local.StartNATS(local.NATSConfig{StoreDir: store, Port: port, Log: localtest.Log(t)})
	require.NoError(t, err)
	t.Cleanup(second.Shutdown)
	require.Eventually(t, func() bool { return s.leads() && !closed() }, time.Minute, time.Millisecond, "its next term begins")
	asking := localtest.Connect(t, second)
	for range 30 {
		_, err := rpc.Call(t.Context(), asking, schemas.GetQueue, schemas.GetQueueRequest{})
		require.NoError(t, err)
	}
}
