package localtest_test

import (
	"context"
	"os"
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

// migrations counts how often this process migrated the template: with -count,
// a test runs several times in one process.
var migrations int

func TestMigratedDatabasesAreCopiesOfOne(t *testing.T) {
	migrate := func(ctx context.Context, at string) ([]int64, error) {
		migrations++
		conn, err := pgx.Connect(ctx, at)
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE TABLE everywhere (x int)")
		return []int64{1}, err
	}
	for range 3 {
		conn, err := pgx.Connect(t.Context(), localtest.Migrated(t, migrate))
		require.NoError(t, err)
		defer conn.Close(t.Context())
		var rows int
		require.NoError(t, conn.QueryRow(t.Context(), "INSERT INTO everywhere VALUES (1) RETURNING (SELECT count(*) FROM everywhere)").Scan(&rows))
		require.Zero(t, rows)
	}
	if os.Getenv(localtest.DatabaseEnv) == "" {
		require.Equal(t, 1, migrations)
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	var gone string
	t.Run("test", func(t *testing.T) { gone = localtest.Database(t) })
	_, err := pgx.Connect(t.Context(), gone)
	require.ErrorContains(t, err, "does not exist")
}
