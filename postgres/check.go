package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// checkHolds is how long the result of a check is reused, so that frequent
// calls cost one check a second.
const checkHolds = time.Second

type lastCheck struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// Check reports whether the database works: it runs a query of the schema and
// writes to the disk. Callers within a second share one result.
func (db *DB) Check(ctx context.Context) error {
	c := &db.checked
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < checkHolds {
		return c.err
	}
	err := db.check(ctx)
	if ctx.Err() == nil { // otherwise the caller gave up, and the error is not about the database
		c.at, c.err = time.Now(), err
	}
	return err
}

// spill makes Postgres write about a megabyte to a temporary file: a set of
// rows that exceeds work_mem.
const spill = `SELECT count(*) FROM generate_series(1, 25000)`

// check selects every column of an execution, which fails if the schema
// differs. It then tests both ways in which Postgres uses the disk: newly
// allocated space, and the write-ahead log, whose files are allocated in
// advance. The check leaves no data.
func (db *DB) check(ctx context.Context) error {
	if _, err := db.GetExecution(ctx, hodei.ExecutionID{}); !errors.Is(err, hodei.NotFound) {
		return err
	}
	return failure("check the database", pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`SET LOCAL work_mem = '64kB'`, spill, `SELECT pg_logical_emit_message(true, 'hodei', '')`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	}))
}
