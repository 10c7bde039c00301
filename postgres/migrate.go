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

// Instances that start while another one migrates try for the lock every second. An
// index of a large table may take an hour.
const (
	lockEvery = 1 // second
	lockTries = 2 * 3600
)

// Migrate opens the database that the URL names, brings its schema up to date
// and closes it again. It returns the versions it applied.
func Migrate(ctx context.Context, url string) ([]int64, error) {
	db, err := Open(ctx, url, 2)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return db.Migrate(ctx)
}

// Migrate brings the schema up to date. Instances that start together take
// turns by an advisory lock. It returns the versions it applied. A schema that a
// newer Hodei has migrated is a CONFLICT: this one does not know its tables.
//
// An interrupted migration is repeated as a whole by the next start. One that builds
// an index of an existing table does so CONCURRENTLY, hence without a transaction
// ("-- +goose NO TRANSACTION"), and first drops what an interrupted build left.
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

// refuseNewer fails when the schema is of a later version than this program knows.
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
