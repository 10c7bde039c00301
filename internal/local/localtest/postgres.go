package localtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
)

// DatabaseEnv names the variable that holds the URL of a server to use rather
// than one of our own; its user must be allowed to create databases.
const DatabaseEnv = "HODEI_TEST_DATABASE_URL"

const (
	prefix  = "hodei_test_"
	timeout = time.Minute
)

// Database makes an empty database for this test alone and returns its URL.
// It is dropped, with all its connections, when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	admin, err := server()
	require.NoError(t, err)
	return database(t, admin, "template1")
}

// Migrate brings the schema of the database that the URL names up to date and
// returns the versions it applied; postgres.Migrate is one.
type Migrate func(ctx context.Context, url string) ([]int64, error)

// Migrated makes a database that has the schema, for this test alone, and
// returns its URL. The first call of the test binary migrates a template, the
// others copy it: that takes a tenth of the time. All calls must pass the same
// migrate.
func Migrated(t testing.TB, migrate Migrate) string {
	t.Helper()
	admin, err := server()
	require.NoError(t, err)
	if os.Getenv(DatabaseEnv) != "" { // no test could drop the template from a server that outlives this process
		at := Database(t)
		_, err := migrate(t.Context(), at)
		require.NoError(t, err)
		return at
	}
	template.Do(func() { template.err = makeTemplate(admin, migrate) })
	require.NoError(t, template.err)
	return database(t, admin, templateName)
}

const templateName = prefix + "template"

// template is the database that Migrated copies.
var template struct {
	sync.Once
	err error
}

func makeTemplate(admin string, migrate Migrate) error {
	if err := exec(admin, "CREATE DATABASE "+templateName); err != nil {
		return err
	}
	at, err := named(admin, templateName)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err = migrate(ctx, at)
	return err
}

// database copies a template, to which nothing may be connected, for one test.
func database(t testing.TB, admin, from string) string {
	t.Helper()
	name := prefix + rand.Text()
	quoted := pgx.Identifier{name}.Sanitize()
	require.NoError(t, exec(admin, "CREATE DATABASE "+quoted+" TEMPLATE "+from))
	t.Cleanup(func() { require.NoError(t, exec(admin, "DROP DATABASE "+quoted+" WITH (FORCE)")) })
	at, err := named(admin, name)
	require.NoError(t, err)
	return at
}

// named is the URL of another database of the same server.
func named(admin, name string) (string, error) {
	at, err := url.Parse(admin)
	if err != nil {
		return "", err
	}
	at.Path = "/" + name
	return at.String(), nil
}

// server is the one server of this test binary.
var server = sync.OnceValues(func() (string, error) {
	if given := os.Getenv(DatabaseEnv); given != "" {
		return given, nil
	}
	pg, err := start()
	if err != nil {
		return "", err
	}
	return pg.URL(), dropLeftovers(pg.URL())
})

// start starts a server that lasts until this process ends: nothing tells a
// test binary that it is about to, but the kernel takes the server with it.
// Its directory is one of a few that are used over and over by one process at
// a time, since making one takes a second and leaves 40 MB behind.
func start() (*local.Postgres, error) {
	dir := serversDir()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for slot := 0; ; slot++ {
		cfg := local.PostgresConfig{
			Dir: filepath.Join(dir, strconv.Itoa(slot)), Unsafe: true,
			Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		}
		pg, err := local.StartPostgres(ctx, cfg)
		var known *hodei.Error
		switch {
		case err == nil:
			return pg, nil
		case errors.Is(err, hodei.Conflict) && slot < 64: // in use by another test binary
			continue
		case errors.As(err, &known):
			return nil, err
		}
		// What an unsafe server was left like may not start again.
		if err := os.RemoveAll(filepath.Join(cfg.Dir, "data")); err != nil {
			return nil, err
		}
		return local.StartPostgres(ctx, cfg)
	}
}

// serversDir is where the directories of the servers are: the user's cache or,
// for a user without a home, a directory of its own among the temporary ones.
func serversDir() string {
	if cache, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(cache, "hodei", "test-postgres")
		if os.MkdirAll(dir, 0o700) == nil {
			return dir
		}
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("hodei-test-postgres-%d", os.Getuid()))
}

// dropLeftovers drops the databases of tests that were killed.
func dropLeftovers(admin string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return err
}

func exec(admin, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
