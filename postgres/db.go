package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
)

// DB is the record. It is safe for concurrent use.
type DB struct {
	pool *pgxpool.Pool
	// lazy commits without waiting for the disk: for data that a later,
	// synchronous commit makes durable as well, or that may be lost, such as
	// keys.
	lazy *pgxpool.Pool
	// known executes the statements that create, assign and end executions and
	// advance runs. Their best plan is an index scan by key, whatever the tables contain.
	// By default Postgres plans each of these statements anew, because arrays
	// of one element look cheaper than the general plan; planning then takes
	// longer than execution.
	known *pgxpool.Pool

	creates  batch.Group[creation, *hodei.Execution]
	assigns  batch.Group[assignment, *hodei.Execution]
	finishes batch.Group[report, recordedEnd]
	receives batch.Group[Received, hodei.Delivery]

	flushed  signal      // broadcast after each flush of this process
	awaiting atomic.Bool // an awaitEnd is in progress

	runs runCache

	checked lastCheck

	callerKey atomic.Pointer[[]byte]
}

// Open connects to the database at the URL. It uses at most conns connections
// in the main pool (0: the URL's setting, or one for each core, at least 4;
// opening one costs Postgres 20 ms, and more in parallel are no faster). It
// fails if the database is unreachable. It does not migrate.
func Open(ctx context.Context, url string, conns int) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The driver's error repeats the URL, including secrets if it cannot
		// parse them.
		return nil, hodei.Errorf(hodei.Invalid, "the database url is not valid: it is postgres://user:password@host:5432/database, with special characters percent-encoded")
	}
	if conns > 0 {
		cfg.MaxConns = int32(conns)
	}
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	// A statement prepared while a table was empty would keep scanning it.
	cfg.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	cfg.ConnConfig.RuntimeParams["jit"] = "off" // no statement here is worth compiling
	lazy := cfg.Copy()
	lazy.MaxConns, lazy.MinConns = 2, 0
	lazy.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	known := cfg.Copy() // one batch of each kind at a time, and the runs that are due
	known.MaxConns, known.MinConns = 4, 0
	known.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	for _, other := range []string{"enable_hashjoin", "enable_mergejoin", "enable_memoize"} {
		known.ConnConfig.RuntimeParams[other] = "off"
	}
	db := &DB{}
	db.creates.Run, db.assigns.Run, db.finishes.Run = db.createExecutions, db.assignExecutions, db.finishExecutions
	db.receives.Run, db.receives.MaxSize = db.receiveDeliveries, maxReceived
	db.receives.Size = func(r Received) int { return len(r.Body) }
	for _, p := range []struct {
		pool **pgxpool.Pool
		cfg  *pgxpool.Config
	}{{&db.pool, cfg}, {&db.lazy, lazy}, {&db.known, known}} {
		if *p.pool, err = pgxpool.NewWithConfig(ctx, p.cfg); err != nil {
			db.Close()
			return nil, fmt.Errorf("connect to Postgres: %w", err)
		}
	}
	if err := db.Ping(ctx); err != nil {
		db.Close()
		return nil, &hodei.Error{Code: hodei.Unavailable, Message: "connect to Postgres: is it running, and is the database url right?", Err: err}
	}
	return db, nil
}

// Close waits for statements in progress and closes every connection.
func (db *DB) Close() {
	for _, pool := range []*pgxpool.Pool{db.pool, db.lazy, db.known} {
		if pool != nil {
			pool.Close()
		}
	}
}

// Ping reports whether the database answers; Check reports whether it works.
func (db *DB) Ping(ctx context.Context) error { return db.pool.Ping(ctx) }

// NewID returns a new identifier. Within a process identifiers increase.
func NewID[T ~[16]byte]() T { return T(uuid.Must(uuid.NewV7())) }

// failure converts a driver error to one that callers may show. It is the only
// place that interprets SQLSTATEs.
func failure(act string, err error) error {
	if err == nil || errors.As(err, new(*hodei.Error)) {
		return err
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if code, message := meaning(pg.Code); code != "" {
			return &hodei.Error{Code: code, Message: message, Err: fmt.Errorf("%s: %w", act, err)}
		}
		return fmt.Errorf("%s: %w", act, err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &hodei.Error{Code: hodei.Timeout, Message: "The database did not answer in time", Err: fmt.Errorf("%s: %w", act, err)}
	}
	if errors.As(err, new(*pgconn.ConnectError)) || pgconn.SafeToRetry(err) || isNetwork(err) {
		return &hodei.Error{Code: hodei.Unavailable, Message: "The database is unavailable", Err: fmt.Errorf("%s: %w", act, err)}
	}
	return fmt.Errorf("%s: %w", act, err)
}

// meaning returns the code and message of a SQLSTATE, or no code for an
// internal error.
func meaning(sqlstate string) (hodei.Code, string) {
	switch {
	case strings.HasPrefix(sqlstate, "40"): // deadlock, serialization
		return hodei.Unavailable, "Another change came between; try again"
	case strings.HasPrefix(sqlstate, "23"): // integrity constraint
		return hodei.Conflict, "Conflicts with what is recorded"
	case sqlstate == "53100":
		return hodei.Unavailable, "The disk of the database is full"
	case strings.HasPrefix(sqlstate, "53"), // out of memory, too many connections
		strings.HasPrefix(sqlstate, "57P"), // stopping, or recovering from a crash
		strings.HasPrefix(sqlstate, "08"),  // connection
		sqlstate == "58030",                // an I/O error
		sqlstate == "25006":                // read-only: a standby before it is promoted
		return hodei.Unavailable, "The database is unavailable"
	}
	return "", ""
}

func isNetwork(err error) bool {
	var net interface{ Timeout() bool } // net.Error and the syscall errors
	return errors.As(err, &net) || strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "conn closed")
}

// one scans the only row of a query by column name. No row is NOT_FOUND.
func one[T any](ctx context.Context, q querier, act, noun, id, sql string, args ...any) (T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		var zero T
		return zero, failure(act, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scan[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return v, hodei.Missing(noun, id)
	}
	return v, failure(act, err)
}

// all scans every row of a query by column name.
func all[T any](ctx context.Context, q querier, act, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, failure(act, err)
	}
	v, err := pgx.CollectRows(rows, scan[T])
	return v, failure(act, err)
}

// collect reads the rows of a statement of a batch into list.
func collect[T any](list *[]T) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*list, err = pgx.CollectRows(rows, scan[T])
		return err
	}
}

// each calls do with each row of a statement of a batch.
func each[T any](do func(T)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scan[T])
		for _, v := range list {
			do(v)
		}
		return err
	}
}

// scan reads a row by column name. An execution and a job embed their specification,
// which is one column, and a run its plan.
func scan[T any](row pgx.CollectableRow) (T, error) {
	var out T
	switch p := any(&out).(type) {
	case *hodei.Execution:
		r, err := pgx.RowToStructByName[struct {
			hodei.Execution
			Recorded hodei.Spec `db:"spec"`
		}](row)
		*p, p.Spec = r.Execution, r.Recorded
		return out, err
	case *hodei.Run:
		r, err := pgx.RowToStructByName[struct {
			hodei.Run
			Recorded hodei.RunPlan `db:"plan"`
		}](row)
		*p, p.Plan = r.Run, r.Recorded
		return out, err
	case *hodei.Schedule:
		r, err := pgx.RowToStructByName[struct {
			hodei.Schedule
			Recorded hodei.ScheduleSpec `db:"spec"`
		}](row)
		*p, p.ScheduleSpec = r.Schedule, r.Recorded
		return out, err
	case *hodei.Hook:
		r, err := pgx.RowToStructByName[struct {
			hodei.Hook
			Recorded hodei.HookSpec `db:"spec"`
		}](row)
		*p, p.HookSpec = r.Hook, r.Recorded
		p.URL = HookPath + p.ID.String()
		return out, err
	case *hodei.Job:
		r, err := pgx.RowToStructByName[struct {
			hodei.Job
			Recorded hodei.Spec `db:"spec"`
		}](row)
		*p, p.Spec = r.Job, r.Recorded
		return out, err
	}
	return pgx.RowToStructByName[T](row)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}
