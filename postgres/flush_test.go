package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// lsn is a position in the log of Postgres: of what is written, or of what is durable.
func (db *DB) lsn(t *testing.T, function string) (at int64) {
	t.Helper()
	require.NoError(t, db.pool.QueryRow(t.Context(), `SELECT (`+function+`() - '0/0')::bigint`).Scan(&at))
	return at
}

const (
	written = "pg_current_wal_insert_lsn"
	durable = "pg_current_wal_flush_lsn"
)

// startFirst are the steps of a run that starts each of its jobs.
func startFirst(r *hodei.Run, _ []hodei.Execution, _ time.Time) (steps Steps) {
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if j.Status == hodei.JobWaiting {
			j.Status, j.Attempt = hodei.JobPending, 1
			steps.Changed = append(steps.Changed, j)
			steps.Start = append(steps.Start, hodei.Execution{
				PipelineID: &r.PipelineID, RunID: &r.ID, RunNumber: &r.Number, JobKey: &j.Key, Spec: j.Spec, Attempt: 1,
			})
		}
	}
	return steps
}

// TestARunGoesOnBeforeTheDiskHasTheCommit: its executions are handed over once they are
// committed, and the end of one wakes the orchestrators once it is. Both are durable when
// the caller is answered.
func TestARunGoesOnBeforeTheDiskHasTheCommit(t *testing.T) {
	t.Parallel()
	// A server of its own: the positions are those of all databases of a server.
	pg, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: t.TempDir(), Log: localtest.Log(t)})
	require.NoError(t, err)
	t.Cleanup(pg.Stop)
	_, err = Migrate(t.Context(), pg.URL())
	require.NoError(t, err)
	db, err := Open(t.Context(), pg.URL(), 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	p, err := db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "test"})
	require.NoError(t, err)
	spec := hodei.Spec{Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Requirements: hodei.Requirements{Capacity: 1}}
	fill := func(r *hodei.Run, _ hodei.Settings, _ []hodei.Job) error {
		r.Definition, r.Params, r.Jobs = hodei.DefinitionApplied, map[string]string{}, []hodei.RunJob{{Key: "j", Job: "j", Needs: []string{}, Status: hodei.JobWaiting, Spec: spec}}
		return nil
	}
	var handed []hodei.Execution
	var position int64
	a, err := db.CreateRun(t.Context(), hodei.Run{PipelineID: p.ID}, fill, startFirst, func(_ context.Context, all []hodei.Execution) {
		handed, position = all, db.lsn(t, written)
	})
	require.NoError(t, err)
	require.Equal(t, a.Created, handed)
	require.GreaterOrEqual(t, db.lsn(t, durable), position)

	worker, id := NewID[hodei.WorkerID](), handed[0].ID
	_, err = db.AssignExecution(t.Context(), id, worker, "shell", "first")
	require.NoError(t, err)
	woken := 0
	end := []Report{{id, hodei.Outcome{Status: hodei.Completed, CompletedAt: time.Now()}}}
	for range 2 { // a repeated report is answered once the end is durable, too
		ended := db.FinishExecutions(t.Context(), worker, end, func() {
			woken++
			position = db.lsn(t, written)
			e, err := db.GetExecution(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, hodei.Completed, e.Status)
		})[0]
		require.NoError(t, ended.Err)
		require.True(t, ended.Whole)
		require.GreaterOrEqual(t, db.lsn(t, durable), position)
	}
	require.Equal(t, 1, woken)
}

// TestOtherCommitsWait for the disk: an end without a run, and a step that starts nothing.
func TestOtherCommitsWait(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), localtest.Migrated(t, Migrate), 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: hodei.Spec{
		Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Requirements: hodei.Requirements{Capacity: 1},
	}})
	require.NoError(t, err)
	worker := NewID[hodei.WorkerID]()
	_, err = db.AssignExecution(t.Context(), e.ID, worker, "shell", "first")
	require.NoError(t, err)
	ended := db.FinishExecutions(t.Context(), worker, []Report{{e.ID, hodei.Outcome{Status: hodei.Completed, CompletedAt: time.Now()}}},
		func() { t.Error("it belongs to no run") })[0]
	require.NoError(t, ended.Err)
	require.True(t, ended.Whole)
	_, err = db.commitThenFlush(t.Context(), db.pool, func(context.Context, []hodei.Execution) { t.Error("nothing is handed over") },
		func(s *lazyTx) ([]Advanced, error) {
			return []Advanced{{}}, errors.Join(s.begin(t.Context(), &pgx.Batch{}), s.commit(t.Context(), &pgx.Batch{}))
		})
	require.NoError(t, err)
}
