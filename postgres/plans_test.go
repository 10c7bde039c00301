package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// The statements of every execution have one general plan by keys, on an empty
// table and on a full one.
func TestBeginningsAndEndsArePlannedOnce(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), localtest.Migrated(t, Migrate), 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	worker := NewID[hodei.WorkerID]()
	for range 8 { // Postgres considers a general plan after five custom plans
		e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: hodei.Spec{
			Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Requirements: hodei.Requirements{Capacity: 1},
		}})
		require.NoError(t, err)
		_, err = db.AssignExecution(t.Context(), e.ID, worker, "shell", "first")
		require.NoError(t, err)
		_, told, err := db.FinishExecution(t.Context(), e.ID, worker, hodei.Outcome{Status: hodei.Completed, CompletedAt: time.Now()})
		require.NoError(t, err)
		require.True(t, told)
	}
	var generic, custom int64
	for _, conn := range db.known.AcquireAllIdle(t.Context()) {
		var g, c int64
		require.NoError(t, conn.QueryRow(t.Context(),
			`SELECT sum(generic_plans)::bigint, sum(custom_plans)::bigint FROM pg_prepared_statements WHERE statement LIKE $1`,
			"%UPDATE executions%").Scan(&g, &c))
		generic, custom = generic+g, custom+c
		conn.Release()
	}
	require.EqualValues(t, 24, generic)
	require.Zero(t, custom)
}
