package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestWaitingIsInOrder: by priority and age with the given weight, for any
// limit.
func TestWaitingIsInOrder(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var ids []hodei.ExecutionID
	for _, w := range []struct{ priority, minutes int }{{9, 50}, {5, 45}, {9, 30}, {0, 1}, {5, 0}} {
		s := spec("true")
		s.Priority = w.priority
		e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: s})
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), `UPDATE executions SET created_at = now() - make_interval(mins => $2) WHERE id = $1`, e.ID, w.minutes)
		require.NoError(t, err)
		ids = append(ids, e.ID)
	}
	for ageing, want := range map[time.Duration][]int{
		-1:               {0, 2, 1, 4, 3},
		10 * time.Minute: {0, 2, 1, 4, 3},
		time.Minute:      {0, 1, 2, 4, 3},
	} {
		for limit := range 6 {
			waiting, err := db.ListWaiting(t.Context(), time.Now().Add(time.Hour), ageing, limit)
			require.NoError(t, err)
			require.Len(t, waiting, min(limit, len(want)))
			for i, w := range waiting {
				require.Equal(t, ids[want[i]], w.ID, "%s: place %d of %d", ageing, i, limit)
			}
		}
	}
}
