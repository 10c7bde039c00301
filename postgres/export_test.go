package postgres

import (
	"context"
	"io/fs"
)

// Migrations are the files that Migrate applies.
var Migrations fs.FS = migrations

// MigrateWith applies other files.
func (db *DB) MigrateWith(ctx context.Context, files fs.FS) ([]int64, error) {
	return db.migrate(ctx, files)
}

// MaxPending is how many deliveries may wait for their runs.
const MaxPending = maxPending
