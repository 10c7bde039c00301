package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/hodei-jobs/hodei"
)

//go:embed migrations/*.sql
var migrations embed.FS

// An instance that starts during another's migration tries the lock every
// second. An index of a large table may take an hour.
const (
	lockEvery = 1 // second
	lockTries = 2 * 3600
)

// Migrate migrates the database at the URL and closes the connection. It
// returns the versions it applied.
func Migrate(ctx context.Context, url string) ([]int64, error) {
	db, err := Open(ctx, url, 2)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return db.Migrate(ctx)
}

// Migrate migrates the schema and returns the versions it applied. An advisory
// lock serializes instances that start together. It returns CONFLICT if a newer
// Hodei has migrated the schema, because this version does not know its tables.
//
// The next start repeats an interrupted migration as a whole. A migration that
// builds an index of an existing table does so CONCURRENTLY, and therefore
// without a transaction ("-- +goose NO TRANSACTION"). It first drops the index
// that an interrupted build may have left.
func (db *DB) Migrate(ctx context.Context) ([]int64, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return db.migrate(ctx, sub)
}

func (db *DB) migrate(ctx context.Context, files fs.FS) ([]int64, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEvery, lockTries))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	std := stdlib.OpenDBFromPool(db.pool)
	defer std.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, std, files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	sources := provider.ListSources()
	if err := db.refuseNewer(ctx, sources[len(sources)-1].Version); err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, failure("migrate", err)
	}
	var applied []int64
	for _, r := range results {
		applied = append(applied, r.Source.Version)
	}
	return applied, nil
}

// refuseNewer fails if the schema has a later version than this program knows.
func (db *DB) refuseNewer(ctx context.Context, known int64) error {
	var exists bool
	if err := db.pool.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&exists); err != nil || !exists {
		return failure("read schema version", err)
	}
	var version int64
	if err := db.pool.QueryRow(ctx, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version`).Scan(&version); err != nil {
		return failure("read schema version", err)
	}
	if version > known {
		return hodei.Errorf(hodei.Conflict, "the database schema is version %d and this hodei knows versions up to %d: start a newer hodei", version, known)
	}
	return nil
}
