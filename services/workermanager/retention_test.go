package workermanager

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// window returns how many chunks EXECUTION_LOGS has of a log.
func (b *bench) window(id hodei.ExecutionID) int {
	b.t.Helper()
	stream, err := b.js.Stream(b.t.Context(), schemas.LogStream)
	require.NoError(b.t, err)
	info, err := stream.Info(b.t.Context(), jetstream.WithSubjectFilter(schemas.LogOf(id)))
	require.NoError(b.t, err)
	chunks := 0
	for _, n := range info.State.Subjects {
		chunks += int(n)
	}
	return chunks
}

func TestDeleteExecutionWithItsLog(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e, other := h.given(), h.given()
	h.printed(e.ID, 1, 3)
	h.printed(other.ID, 1, 3)
	_, err := ask(b, schemas.DeleteExecution, schemas.DeleteExecutionRequest{ID: hodei.RefTo(e.ID)})
	require.ErrorIs(t, err, hodei.Conflict, "it runs")
	require.Equal(t, 1, b.window(e.ID))
	h.finishes(h.ended(e.ID, 3))

	must(b, schemas.DeleteExecution, schemas.DeleteExecutionRequest{ID: hodei.RefTo(e.ID)})
	_, err = ask(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID)})
	require.ErrorIs(t, err, hodei.NotFound)
	require.Zero(t, b.window(e.ID))
	require.Equal(t, 1, b.window(other.ID))
	_, err = ask(b, schemas.DeleteExecution, schemas.DeleteExecutionRequest{ID: hodei.RefTo(e.ID)})
	require.ErrorIs(t, err, hodei.NotFound)
}

// TestRetentionFromTheStart: an instance deletes when it starts, not only after
// an hour.
func TestRetentionFromTheStart(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	old, live := h.given(), h.given()
	h.finishes(h.ended(old.ID, 0))
	gone := b.registered()
	must(b, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: gone.id, Incarnation: gone.report.Incarnation})
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `UPDATE workers SET last_seen_at = now() - interval '31 days'`)
	require.NoError(t, err)

	_, err = conn.Exec(t.Context(), `WITH p AS (INSERT INTO pipelines (id, name, status) VALUES ($1, 'p', 'ACTIVE') RETURNING id)
		INSERT INTO runs (id, pipeline_id, number, status, completed_at, trigger, params, plan)
		SELECT gen_random_uuid(), p.id, n, 'COMPLETED', now() - interval '1 day', '{}', '{}', '{}' FROM p, generate_series(1, 120) n`, postgres.NewID[hodei.PipelineID]())
	require.NoError(t, err)

	b.run(b.db, func(c *Config) { c.ExecutionRetention = time.Millisecond })
	b.until("all old runs but the last are deleted", func() bool {
		var left []int
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT array_agg(number) FROM runs`).Scan(&left))
		return len(left) == 1 && left[0] == 120
	})
	b.until("the old execution is deleted", func() bool {
		_, err := b.db.GetExecution(t.Context(), old.ID)
		return hodei.AsError(err).Code == hodei.NotFound
	})
	b.until("the worker that left is deleted", func() bool {
		_, err := b.db.GetWorker(t.Context(), gone.id)
		return hodei.AsError(err).Code == hodei.NotFound
	})
	require.Equal(t, hodei.Running, b.execution(live.ID).Status)
	require.Equal(t, hodei.WorkerBusy, b.recorded(h.id).Status)
}

// TestADeletedWorkerThatIsBack is recorded again with its id.
func TestADeletedWorkerThatIsBack(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	_, err := ask(b, schemas.DeleteWorker, schemas.DeleteWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.Conflict, "it has not left")
	must(b, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: h.id, Incarnation: h.report.Incarnation, Killed: true})
	must(b, schemas.DeleteWorker, schemas.DeleteWorkerRequest{ID: h.id})
	_, err = ask(b, schemas.GetWorker, schemas.GetWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.NotFound)

	h.keepReporting()
	b.until("it is recorded again", func() bool {
		_, err := b.db.GetWorker(t.Context(), h.id)
		return err == nil
	})
	require.Equal(t, hodei.WorkerAvailable, b.recorded(h.id).Status)
	require.Equal(t, 4, b.recorded(h.id).TotalCapacity)
	e := b.pending()
	_, err = b.assignTo(e, h)
	require.NoError(t, err)
}
