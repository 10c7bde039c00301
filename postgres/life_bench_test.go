package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/postgres"
)

// BenchmarkExecution measures the three commits of an execution (creation,
// assignment, end) for 64 executions at a time.
func BenchmarkExecution(b *testing.B) {
	db, err := postgres.Open(b.Context(), localtest.Migrated(b, postgres.Migrate), 4)
	require.NoError(b, err)
	b.Cleanup(db.Close)
	draft := hodei.Execution{Spec: spec("make -C /srv/build test")}
	draft.Environment = map[string]string{"CI": "1", "BUILD_NUMBER": "4711", "PATH": "/usr/local/bin:/usr/bin:/bin"}
	draft.Retries = &hodei.Retries{Max: 2, BackoffSeconds: 1}
	worker := postgres.NewID[hodei.WorkerID]()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e, err := db.CreateExecution(b.Context(), draft)
			if err == nil {
				_, err = db.AssignExecution(b.Context(), e.ID, worker, "shell", "first")
			}
			if err == nil {
				_, _, err = db.FinishExecution(b.Context(), e.ID, worker, hodei.Outcome{Status: hodei.Completed, CompletedAt: time.Now()})
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
