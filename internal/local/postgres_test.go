package local_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

func startPostgres(t *testing.T, dir string) *local.Postgres {
	t.Helper()
	pg, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: dir, Log: localtest.Log(t), Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(pg.Stop)
	return pg
}

func query(t *testing.T, at, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(texts, " ")
}

// postmaster returns the process that serves the data in dir.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	require.NoError(t, err)
	return pid
}

func TestPostgresKeepsItsDataBetweenRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // its parent is accessible to this user only
	pg := startPostgres(t, dir)
	query(t, pg.URL(), "CREATE TABLE kept AS SELECT 'still here' AS word")
	pid := postmaster(t, dir)
	pg.Stop()
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "Stop returns when the server is gone")
	pg.Stop() // a second call does nothing

	require.Equal(t, "still here", query(t, startPostgres(t, dir).URL(), "SELECT word FROM kept"))
}

func TestPostgresIsDurableAndPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pg, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: dir})
	require.NoError(t, err)
	defer pg.Stop()
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"max_connections": "200", "listen_addresses": "", "server_encoding": "UTF8",
	} {
		require.Equal(t, want, query(t, pg.URL(), "SELECT current_setting('"+setting+"')"), setting)
	}
	at, err := url.Parse(pg.URL())
	require.NoError(t, err)
	info, err := os.Stat(at.Query().Get("host"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestPostgresThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pg := startPostgres(t, dir)
	query(t, pg.URL(), "CREATE TABLE kept AS SELECT 'still here' AS word")
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		require.NoError(t, syscall.Kill(postmaster(t, dir), signal))
		require.Eventually(t, func() bool {
			conn, err := pgx.Connect(t.Context(), pg.URL())
			if err != nil {
				return false
			}
			defer conn.Close(t.Context())
			var word string
			return conn.QueryRow(t.Context(), "SELECT word FROM kept").Scan(&word) == nil && word == "still here"
		}, time.Minute, 20*time.Millisecond, "after %s", signal)
	}
}

func TestPostgresInALongDirectoryHasAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	pg := startPostgres(t, dir)
	require.Equal(t, "1", query(t, pg.URL(), "SELECT '1'"))
	at, err := url.Parse(pg.URL())
	require.NoError(t, err)
	socket := at.Query().Get("host")
	require.Less(t, len(socket), 60)
	pg.Stop()
	require.NoDirExists(t, socket)
}

func TestPostgresRefusesADirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startPostgres(t, dir)
	_, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: dir, Unsafe: true})
	require.ErrorIs(t, err, hodei.Conflict)
	require.EqualError(t, err, "start Postgres: directory "+dir+" is in use by process "+strconv.Itoa(os.Getpid()))
}

func TestPostgresRefusesDataOfAnotherMajor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600))
	_, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: dir})
	require.ErrorIs(t, err, hodei.Conflict)
	require.ErrorContains(t, err, "the data was written by Postgres 9")
	require.NotContains(t, err.Error(), "\n")
	release, err := local.LockDir(dir)
	require.NoError(t, err, "a start that failed holds nothing")
	release()
}

func TestPostgresRemovesAStalePidFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startPostgres(t, dir).Stop()
	// The pid of the dead postmaster now belongs to a running process: this
	// one.
	stale := strconv.Itoa(os.Getpid()) + "\n/data\n1\n5432\n\n\n\nready\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(stale), 0o644))
	require.Equal(t, "1", query(t, startPostgres(t, dir).URL(), "SELECT '1'"))
}

func TestPostgresReplacesAnIncompleteCluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700))
	require.Equal(t, "1", query(t, startPostgres(t, dir).URL(), "SELECT '1'"))
}

func TestPostgresReportsWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startPostgres(t, dir).Stop()
	conf := filepath.Join(dir, "data", "postgresql.conf")
	require.NoError(t, os.WriteFile(conf, []byte("no_such_setting = 1\n"), 0o644))
	_, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: dir, Unsafe: true})
	require.ErrorContains(t, err, "configuration file")
}

func TestPostgresGivesUpWhenTheCallerDoes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	_, err := local.StartPostgres(ctx, local.PostgresConfig{Dir: dir})
	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, filepath.Join(dir, "data"))
}

func TestPostgresIsNotInstalled(t *testing.T) {
	t.Setenv(local.BinEnv, t.TempDir())
	_, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: t.TempDir()})
	require.ErrorIs(t, err, hodei.Unavailable)
	require.ErrorContains(t, err, local.BinEnv)
	for _, way := range []string{"apt-get install", "brew install", "--database-url", "HODEI_DATABASE_URL", "docker run"} {
		require.Contains(t, local.NoPostgres, way)
	}
	var known *hodei.Error
	require.True(t, errors.As(err, &known))
}
