package scheduler

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/postgres"
)

// TestASweepFindsWhatIsBehindTheHead: executions that no worker can run fill the page that a sweep
// reads. A new leader queues those behind them all the same, and later one whose event was lost.
func TestASweepFindsWhatIsBehindTheHead(t *testing.T) {
	t.Parallel()
	url := localtest.Migrated(t, postgres.Migrate)
	db, err := postgres.Open(t.Context(), url, 0)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	create := func() {
		_, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: hodei.Spec{
			Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Priority: 5,
		}})
		require.NoError(t, err)
	}
	create()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `INSERT INTO executions (id, status, spec, attempt, log_day)
		SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, status, spec || '{"requirements": {"type": "gone"}}', attempt, log_day
		FROM executions, generate_series(1, $1) n`, sweepPage)
	require.NoError(t, err)

	s := New(Config{DB: db})
	var whole time.Time
	adopts := func(want int) {
		t.Helper()
		adopted, err := s.adoptPending(t.Context(), &whole)
		require.NoError(t, err)
		require.Equal(t, want, adopted)
	}
	adopts(sweepPage + 1)
	create()
	adopts(0) // not everything is read with every sweep
	whole = whole.Add(-wholeEvery)
	adopts(1)

	s = New(Config{DB: db, MaxQueue: sweepPage + 1})
	whole = time.Time{}
	adopts(sweepPage + 1)
	require.True(t, s.more.Load(), "one is left in the record")
}
