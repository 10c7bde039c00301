package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hodei-jobs/hodei"
)

// session is a transaction, or a connection in a transaction.
type session interface {
	querier
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// send sends the statements of a batch, whose results have callbacks.
type send func(context.Context, *pgx.Batch) error

// within is the send of a transaction.
func within(tx session) send {
	return func(ctx context.Context, b *pgx.Batch) error { return tx.SendBatch(ctx, b).Close() }
}

// lazyTx is a transaction that does not wait for the disk. Its BEGIN is sent with its first
// statements and its COMMIT with its last ones, so that a step of a run takes few round
// trips.
type lazyTx struct {
	*pgxpool.Conn
	position string // in the log of Postgres after the commit
}

// begin sends the first statements of the transaction, whose plans do not depend on the
// content of the tables, as those of DB.known.
func (s *lazyTx) begin(ctx context.Context, b *pgx.Batch) error {
	first := &pgx.Batch{}
	first.Queue(`BEGIN`)
	first.Queue(`SELECT set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true),
		set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`)
	first.QueuedQueries = append(first.QueuedQueries, b.QueuedQueries...)
	return s.SendBatch(ctx, first).Close()
}

// commit sends the last statements, and reads the position after the COMMIT.
func (s *lazyTx) commit(ctx context.Context, b *pgx.Batch) error {
	b.Queue(`COMMIT`)
	b.Queue(`SELECT pg_current_wal_insert_lsn()::text`).QueryRow(func(row pgx.Row) error { return row.Scan(&s.position) })
	return s.SendBatch(ctx, b).Close()
}

// commitThenFlush calls work, which commits a transaction without a flush, passes the created
// executions to announce, and then waits for the flush. This saves one flush before the next job
// of a run starts. It is safe: an execution starts only after its assignment is committed
// with a flush, which includes all earlier commits. If Postgres crashes before the flush, it
// loses these decisions and the ends that they follow from, or they are made again.
func (db *DB) commitThenFlush(ctx context.Context, pool *pgxpool.Pool, announce Announce, work func(*lazyTx) ([]Advanced, error)) ([]Advanced, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release() // which closes it while it has a transaction
	s := &lazyTx{Conn: conn}
	out, err := work(s)
	if err != nil {
		if conn.Conn().PgConn().TxStatus() != 'I' {
			_, _ = conn.Exec(ctx, `ROLLBACK`)
		}
		return nil, err
	}
	var created []hodei.Execution
	for _, a := range out {
		created = append(created, a.Created...)
	}
	if len(created) == 0 {
		return out, db.flush(ctx, conn)
	}
	flushed := db.flushed.next()
	announce(ctx, created)
	if len(out) > 1 {
		return out, db.flush(ctx, conn)
	}
	return out, db.awaitFlush(ctx, conn, flushed, s.position)
}

// On an idle system the flush of the next assignment usually includes this commit. So awaitFlush
// checks every awaitEvery, at most awaitLooks times, before it flushes itself: its own flush
// would delay that of the assignment.
const (
	awaitEvery   = 3 * time.Millisecond
	awaitLooks   = 3
	awaitTimeout = 30 * time.Second
)

// awaitFlush waits until the log of Postgres is flushed up to the position at, and flushes it
// itself unless another commit does so soon. conn must be the connection of the commit: after
// a crash of Postgres another connection would not detect the loss. flushed is closed by the
// next flush of this process.
func (db *DB) awaitFlush(ctx context.Context, conn *pgxpool.Conn, flushed <-chan struct{}, at string) error {
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for looks := 0; looks < awaitLooks; {
		select {
		case <-flushed:
			flushed = db.flushed.next()
		case <-tick.C:
			looks++
		case <-ctx.Done():
			return ctx.Err()
		}
		var durable bool
		err := conn.QueryRow(ctx, `SELECT pg_current_wal_flush_lsn() >= $1::text::pg_lsn`, at).Scan(&durable)
		if err != nil || durable {
			return err
		}
	}
	return db.flush(ctx, conn)
}

// flush makes all commits of the connection durable, by a synchronous commit.
func (db *DB) flush(ctx context.Context, conn *pgxpool.Conn) error {
	_, err := conn.Exec(ctx, `SELECT pg_logical_emit_message(true, 'hodei', '')`)
	db.flushed.broadcast()
	return err
}

// signal wakes all goroutines that wait for it. The zero value is ready for use.
type signal struct {
	mu sync.Mutex
	c  chan struct{}
}

// next returns a channel that the next broadcast closes.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}
