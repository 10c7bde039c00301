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
	"github.com/hodei-jobs/hodei/internal/disk"
	"github.com/hodei-jobs/hodei/internal/local"
)

// DatabaseEnv is the environment variable with the URL of a server to use
// instead of starting one. Its user must be allowed to create databases.
const DatabaseEnv = "HODEI_TEST_DATABASE_URL"

const (
	prefix  = "hodei_test_"
	timeout = time.Minute
)

// Database creates an empty database for this test and returns its URL. When
// the test ends, the database is dropped with all its connections.
func Database(t testing.TB) string {
	t.Helper()
	s, err := server()
	require.NoError(t, err)
	return s.database(t, "template1")
}

// Migrate migrates the database at the URL and returns the versions it applied;
// postgres.Migrate implements it.
type Migrate func(ctx context.Context, url string) ([]int64, error)

// Migrated creates a database with the schema for this test and returns its
// URL. The first call in a test binary migrates a template; later calls copy
// it, which takes a tenth of the time. All calls must pass the same migrate.
func Migrated(t testing.TB, migrate Migrate) string {
	t.Helper()
	s, err := server()
	require.NoError(t, err)
	if os.Getenv(DatabaseEnv) != "" { // no test could drop the template from a server that outlives this process
		at := Database(t)
		_, err := migrate(t.Context(), at)
		require.NoError(t, err)
		return at
	}
	template.Do(func() { template.err = s.makeTemplate(migrate) })
	require.NoError(t, template.err)
	return s.database(t, templateName)
}

const templateName = prefix + "template"

// template is the database that Migrated copies.
var template struct {
	sync.Once
	err error
}

func (s *postgres) makeTemplate(migrate Migrate) error {
	if err := s.exec("CREATE DATABASE " + templateName); err != nil {
		return err
	}
	at, err := s.named(templateName)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err = migrate(ctx, at)
	return err
}

// database copies a template, which must have no connections, for one test.
func (s *postgres) database(t testing.TB, from string) string {
	t.Helper()
	name := prefix + rand.Text()
	quoted := pgx.Identifier{name}.Sanitize()
	require.NoError(t, s.exec("CREATE DATABASE "+quoted+" TEMPLATE "+from+s.copied))
	t.Cleanup(func() { require.NoError(t, s.exec("DROP DATABASE "+quoted+" WITH (FORCE)")) })
	at, err := s.named(name)
	require.NoError(t, err)
	return at
}

// named returns the URL of another database of the same server.
func (s *postgres) named(name string) (string, error) {
	at, err := url.Parse(s.url)
	if err != nil {
		return "", err
	}
	at.Path = "/" + name
	return at.String(), nil
}

// postgres is a server, with one connection that creates and drops databases.
type postgres struct {
	url    string
	copied string // how a template is copied: a part of CREATE DATABASE
	mu     sync.Mutex
	admin  *pgx.Conn
}

// asFiles copies the files of a template, as Postgres 14 does. Later ones write its pages to the
// write-ahead log by default, which takes twice as long.
const asFiles = `SELECT CASE WHEN current_setting('server_version_num')::int >= 150000 THEN ' STRATEGY file_copy' ELSE '' END`

// server is the Postgres server of this test binary.
var server = sync.OnceValues(func() (*postgres, error) {
	given := os.Getenv(DatabaseEnv)
	s := &postgres{url: given}
	if given == "" {
		pg, err := start()
		if err != nil {
			return nil, err
		}
		s.url = pg.URL()
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var err error
	if s.admin, err = pgx.Connect(ctx, s.url); err != nil {
		return nil, fmt.Errorf("connect to the test server: %w", err)
	}
	if err := s.admin.QueryRow(ctx, asFiles).Scan(&s.copied); err != nil {
		return nil, err
	}
	if given == "" {
		err = s.dropLeftovers(ctx)
	}
	return s, err
})

// start starts a server that lasts until this process ends: a test binary has
// no exit hook, but the kernel stops the server with it. Its directory is one
// of a few that processes reuse, one process at a time, because creating one
// takes a second and leaves 80 MB behind.
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
		// A server without fsync may have left data that it cannot start with.
		if err := os.RemoveAll(filepath.Join(cfg.Dir, "data")); err != nil {
			return nil, err
		}
		return local.StartPostgres(ctx, cfg)
	}
}

// inMemory is a file system in memory, and enough its free space in bytes for
// the servers of all test binaries that run at once. A database has 300 files:
// on a disk, creating and deleting them is a third of the work of Postgres.
const (
	inMemory = "/dev/shm"
	enough   = 4 << 30
)

// serversDir returns the parent of the servers' directories: in memory, else in
// the user's cache or, without a home directory, a temporary directory.
func serversDir() string {
	name := fmt.Sprintf("hodei-test-postgres-%d", os.Getuid())
	for _, s := range disk.NewGuard(0, disk.Store{Dir: inMemory}).Spaces() {
		dir := filepath.Join(inMemory, name)
		if s.Free >= enough && os.MkdirAll(dir, 0o700) == nil && os.Chmod(dir, 0o700) == nil { // which fails if it is another user's
			return dir
		}
	}
	if cache, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(cache, "hodei", "test-postgres")
		if os.MkdirAll(dir, 0o700) == nil {
			return dir
		}
	}
	return filepath.Join(os.TempDir(), name)
}

// dropLeftovers drops the databases of killed tests.
func (s *postgres) dropLeftovers(ctx context.Context) error {
	rows, err := s.admin.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		if _, err := s.admin.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return err
}

func (s *postgres) exec(statement string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err := s.admin.Exec(ctx, statement)
	return err
}
