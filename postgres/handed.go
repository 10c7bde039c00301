package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hodei-jobs/hodei"
)

// handed commits work, hands over the executions that it has created, and then waits for
// the disk. A worker is assigned an execution by a commit that waits too, and one that
// waits makes all before it durable. So nothing starts that a crash of Postgres could
// undo, and the next job of a run waits for the disk once less. What work has decided is
// undone with the ends that it follows from, or decided again.
func (db *DB) handed(ctx context.Context, pool *pgxpool.Pool, hand Hand, work func(pgx.Tx) ([]Advanced, error)) (out []Advanced, err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{BeginQuery: `BEGIN; SET LOCAL synchronous_commit = off`}, func(tx pgx.Tx) error {
		out, err = work(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var created []hodei.Execution
	for _, a := range out {
		created = append(created, a.Created...)
	}
	if len(created) > 0 {
		hand(ctx, created)
	}
	return out, onDisk(ctx, conn, len(created) > 0 && len(out) == 1)
}

// shareFor is how long onDisk waits for another commit to write what it waits for. On an
// idle system the next assignment of the run comes within that time, and would have to
// wait until the disk has done with a write of onDisk.
const shareFor = 3 * time.Millisecond

// onDisk waits until everything that the connection has committed is durable. A commit of
// its own does that, written after it and waited for, unless others have done it within a
// moment. It must be the connection of the commits: on another one, Postgres might have
// crashed between them and this.
func onDisk(ctx context.Context, conn *pgxpool.Conn, idle bool) error {
	const write = `pg_logical_emit_message(true, 'hodei', '')`
	if !idle {
		_, err := conn.Exec(ctx, `SELECT `+write)
		return err
	}
	var at string
	if err := conn.QueryRow(ctx, `SELECT pg_current_wal_insert_lsn()::text`).Scan(&at); err != nil {
		return err
	}
	share := time.NewTimer(shareFor)
	defer share.Stop()
	select {
	case <-share.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := conn.Exec(ctx, `SELECT CASE WHEN pg_current_wal_flush_lsn() < $1::text::pg_lsn THEN `+write+` END`, at)
	return err
}
