package scheduler

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestAfterAPanicTheStateIsBuiltAnew: the dispatcher meets a queue that a handler
// left half changed. The instance goes on, with the fleet as the bucket has it and
// the queue as the record has it.
func TestAfterAPanicTheStateIsBuiltAnew(t *testing.T) {
	nc, js := localtest.JetStream(t)
	db, err := postgres.Open(t.Context(), localtest.Migrated(t, postgres.Migrate), 0)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	s := New(Config{NATS: nc, DB: db, Log: localtest.Log(t), Sweep: 100 * time.Millisecond})
	localtest.Run(t, s.Run, s.Ready())
	worker := hodei.Availability{
		WorkerID: hodei.WorkerID(uuid.Must(uuid.NewV7())), Type: "shell", Status: hodei.WorkerDraining, Slots: 4, Free: 4, Revision: 1,
	}
	report(t, js, worker)
	waits, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: hodei.Spec{
		Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Priority: 5,
	}})
	require.NoError(t, err)
	known := func() bool {
		s.queue.mu.Lock()
		_, queued := s.queue.entries[waits.ID]
		s.queue.mu.Unlock()
		workers, _ := s.fleet.size()
		return queued && workers == 1
	}
	require.Eventually(t, known, time.Minute, 10*time.Millisecond)

	before := rpc.Panics()
	s.queue.mu.Lock()
	s.queue.classes["half changed"] = &class{key: "half changed"} // a class always has an entry
	s.queue.mu.Unlock()
	s.queue.wake()
	require.Eventually(t, func() bool { return rpc.Panics() > before }, time.Minute, 10*time.Millisecond)
	require.Eventually(t, known, time.Minute, 10*time.Millisecond)
	d, err := rpc.Call(t.Context(), nc, schemas.Schedule, schemas.ScheduleRequest{ExecutionID: new(hodei.RefTo(waits.ID)), DryRun: true})
	require.NoError(t, err)
	require.Equal(t, "no worker: 1 draining", *d.Reason)
}

func report(t *testing.T, js jetstream.JetStream, a hodei.Availability) {
	t.Helper()
	workers, err := kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	require.NoError(t, workers.Put(t.Context(), a))
}
