package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// checkHolds is how long the result of a check is returned again, so that many
// questions cost no more than one.
const checkHolds = time.Second

type lastCheck struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// Check reports whether the database can do its work: it runs a query of the schema
// and writes to the disk. Callers within a second share one result.
func (db *DB) Check(ctx context.Context) error {
	c := &db.checked
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < checkHolds {
		return c.err
	}
	err := db.check(ctx)
	if ctx.Err() == nil { // otherwise the caller gave up, which tells nothing of the database
		c.at, c.err = time.Now(), err
	}
	return err
}

// spill makes Postgres write about a megabyte to a temporary file: a set of rows that
// exceeds work_mem.
const spill = `SELECT count(*) FROM generate_series(1, 25000)`

// check selects every column of an execution, which fails when the schema is another
// one, and tries both ways in which Postgres needs the disk: space that it allocates
// anew, and the write-ahead log, whose files it has allocated before. Nothing of it
// stays.
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
