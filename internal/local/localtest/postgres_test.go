package localtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

func TestDatabasesAreEmptyAndApart(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		at := localtest.Database(t)
		require.False(t, seen[at])
		seen[at] = true
		conn, err := pgx.Connect(t.Context(), at)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), "CREATE TABLE only_here (x int)")
		require.NoError(t, err)
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	var gone string
	t.Run("test", func(t *testing.T) { gone = localtest.Database(t) })
	_, err := pgx.Connect(t.Context(), gone)
	require.ErrorContains(t, err, "does not exist")
}
