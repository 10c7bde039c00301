package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
)

// Chunk is a sequence of lines of one log, as cut by its worker.
type Chunk struct {
	ExecutionID hodei.ExecutionID
	First       int64 `db:"first_sequence"`
	Last        int64 `db:"last_sequence"`
	// Digest is the CRC-32C of the body.
	Digest int64
	logchunk.Body
	// WorkerID and Incarnation name the worker process that sent the chunk.
	WorkerID    hodei.WorkerID `db:"-"`
	Incarnation string         `db:"-"`
}

// errNotRunning is the reason for refusing a chunk whose execution is unknown,
// has ended, or runs elsewhere.
var errNotRunning = hodei.Errorf(hodei.Conflict, "The execution is not RUNNING on the worker process that sent the chunk")

// errDay is the reason for refusing a chunk whose day is not kept.
var errDay = hodei.Errorf(hodei.Conflict, "The day of the log is outside the log retention")

// Days are the UTC days from First to Last, both included.
type Days struct{ First, Last time.Time }

// AppendLogs commits chunks of any executions in one statement. It returns one
// entry for each chunk: nil if the record has the chunk, otherwise the reason
// why it will never accept it. A chunk is refused if its execution is not
// RUNNING on the worker process that sent it, if the day of its log is not in
// kept, or if Postgres rejects its content. A recorded chunk stays unchanged,
// so a repeat is harmless. err concerns the database, and a repeat may succeed.
func (db *DB) AppendLogs(ctx context.Context, chunks []Chunk, kept Days) (refused []error, err error) {
	refused, err = db.appendLogs(ctx, chunks, kept)
	if sqlState(err) == "23514" { // no partition for the day
		if err = db.createDaysOf(ctx, chunks, kept); err == nil {
			refused, err = db.appendLogs(ctx, chunks, kept)
		}
	}
	if !rejected(err) {
		return refused, failure("append logs", err)
	}
	if len(chunks) == 1 {
		return []error{err}, nil
	}
	refused = make([]error, len(chunks))
	for i := range chunks {
		alone, err := db.AppendLogs(ctx, chunks[i:i+1], kept)
		if err != nil {
			return nil, err
		}
		refused[i] = alone[0]
	}
	return refused, nil
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// rejected reports whether Postgres rejects the content of a statement, so that
// a repeat cannot succeed: a data exception, a violated constraint, or an
// exceeded limit.
func rejected(err error) bool {
	state := sqlState(err)
	return strings.HasPrefix(state, "22") || strings.HasPrefix(state, "23") || strings.HasPrefix(state, "54")
}

// createDaysOf creates the partitions for the chunks that would be accepted,
// and only for those.
func (db *DB) createDaysOf(ctx context.Context, chunks []Chunk, kept Days) error {
	refused, days, err := db.refuseLogs(ctx, chunks, kept)
	if err != nil {
		return err
	}
	made := map[time.Time]bool{}
	for i, day := range days {
		if refused[i] != nil || made[day] {
			continue
		}
		if err := db.CreateLogDay(ctx, day); err != nil {
			return err
		}
		made[day] = true
	}
	return nil
}

// copyBytes is the size above which chunks are copied instead of inserted.
// Parameters of megabytes are copied in memory about a dozen times; preparing a
// COPY costs one round trip, and checking the senders another.
const copyBytes = 64 << 10

// appendLogs uses COPY for large batches. COPY fails on chunks that exist
// already, which happens only with chunks that are sent again.
func (db *DB) appendLogs(ctx context.Context, chunks []Chunk, kept Days) ([]error, error) {
	size := 0
	for _, c := range chunks {
		size += len(c.Lines)
	}
	if size < copyBytes {
		return db.insertLogs(ctx, chunks, kept)
	}
	refused, days, err := db.refuseLogs(ctx, chunks, kept)
	if err != nil {
		return nil, err
	}
	accepted := make([]int, 0, len(chunks)) // indexes
	for i := range chunks {
		if refused[i] == nil {
			accepted = append(accepted, i)
		}
	}
	_, err = db.pool.CopyFrom(ctx, pgx.Identifier{"execution_logs"},
		[]string{"day", "execution_id", "first_sequence", "last_sequence", "digest", "lines", "size"},
		pgx.CopyFromSlice(len(accepted), func(i int) ([]any, error) {
			day, c := days[accepted[i]], chunks[accepted[i]]
			return []any{day, c.ExecutionID, c.First, c.Last, c.Digest, c.Lines, c.Size}, nil
		}))
	if sqlState(err) == "23505" { // unique_violation
		return db.insertLogs(ctx, chunks, kept)
	}
	return refused, err
}

// runs joins the chunks c with the executions e that accept them.
const runs = `JOIN executions e ON e.id = c.execution_id AND e.status = 'RUNNING' AND e.worker_id = c.worker_id
	AND coalesce(e.worker_incarnation, '') = c.incarnation`

func (db *DB) insertLogs(ctx context.Context, chunks []Chunk, kept Days) ([]error, error) {
	n := len(chunks)
	ids, workers, incarnations := senders(chunks)
	first, last, digest := make([]int64, n), make([]int64, n), make([]int64, n)
	lines, size := make([][]byte, n), make([]int, n)
	for i, c := range chunks {
		first[i], last[i], digest[i], lines[i], size[i] = c.First, c.Last, c.Digest, c.Lines, c.Size
	}
	refused, _, err := db.refusals(ctx, n, kept, `WITH c AS (SELECT c.*, e.log_day
			FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::integer[])
				WITH ORDINALITY AS c(execution_id, worker_id, incarnation, first, last, digest, lines, size, n) `+runs+`),
		made AS (INSERT INTO execution_logs (day, execution_id, first_sequence, last_sequence, digest, lines, size)
			SELECT log_day, execution_id, first, last, digest, lines, size FROM c WHERE log_day BETWEEN $9 AND $10
			ON CONFLICT DO NOTHING)
		SELECT n, log_day FROM c`, ids, workers, incarnations, first, last, digest, lines, size, kept.First.UTC(), kept.Last.UTC())
	return refused, err
}

// refuseLogs finds the chunks to refuse, and the days of the logs of the others. It stores none.
func (db *DB) refuseLogs(ctx context.Context, chunks []Chunk, kept Days) ([]error, []time.Time, error) {
	ids, workers, incarnations := senders(chunks)
	return db.refusals(ctx, len(chunks), kept, `SELECT c.n, e.log_day FROM unnest($1::uuid[], $2::uuid[], $3::text[])
		WITH ORDINALITY AS c(execution_id, worker_id, incarnation, n) `+runs, ids, workers, incarnations)
}

func senders(chunks []Chunk) (ids []hodei.ExecutionID, workers []hodei.WorkerID, incarnations []string) {
	for _, c := range chunks {
		ids, workers, incarnations = append(ids, c.ExecutionID), append(workers, c.WorkerID), append(incarnations, c.Incarnation)
	}
	return ids, workers, incarnations
}

// refusals executes a statement that returns the ordinal numbers of the chunks that
// their executions accept, and the days of their logs.
func (db *DB) refusals(ctx context.Context, chunks int, kept Days, sql string, args ...any) (refused []error, days []time.Time, err error) {
	rows, err := db.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, nil, err
	}
	running, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		N   int
		Day time.Time
	}])
	if err != nil {
		return nil, nil, err
	}
	refused, days = make([]error, chunks), make([]time.Time, chunks)
	for i := range refused {
		refused[i] = errNotRunning
	}
	for _, c := range running {
		refused[c.N-1], days[c.N-1] = nil, c.Day
		if !inDays(c.Day, kept) {
			refused[c.N-1] = errDay
		}
	}
	return refused, days, nil
}

// logDay returns the day of the partition that has the log of an execution, or NOT_FOUND.
func (db *DB) logDay(ctx context.Context, id hodei.ExecutionID) (day time.Time, err error) {
	err = db.pool.QueryRow(ctx, `SELECT log_day FROM executions WHERE id = $1`, id).Scan(&day)
	if errors.Is(err, pgx.ErrNoRows) {
		err = hodei.Missing("execution", id.String())
	}
	return day, failure("find the day of a log", err)
}

// ReadLogs returns the chunks with lines in (after, upTo], in order, up to
// about size bytes of NDJSON, and at least one chunk if there is one. It returns
// NOT_FOUND if there is no such execution.
func (db *DB) ReadLogs(ctx context.Context, id hodei.ExecutionID, after, upTo int64, size int) ([]Chunk, error) {
	day, err := db.logDay(ctx, id)
	if err != nil {
		return nil, err
	}
	return all[Chunk](ctx, db.pool, "read logs",
		`SELECT execution_id, first_sequence, last_sequence, digest, lines, size FROM (
			SELECT *, sum(bytes) OVER (ORDER BY first_sequence) - bytes AS before
			FROM (SELECT *, greatest(size, octet_length(lines)) AS bytes FROM execution_logs
				WHERE day = $1 AND execution_id = $2 AND last_sequence > $3 AND first_sequence <= $4
				ORDER BY first_sequence LIMIT 256) head) sized
		WHERE before < $5 ORDER BY first_sequence`, day, id, after, upTo, size)
}

// MissingLogs returns the gaps in the recorded log between 1 and count, as
// pairs of first and last sequence; at most 1000.
func (db *DB) MissingLogs(ctx context.Context, id hodei.ExecutionID, count int64) ([][2]int64, error) {
	day, err := db.logDay(ctx, id)
	if err != nil {
		return nil, err
	}
	rows, err := db.pool.Query(ctx, `SELECT have + 1, next - 1 FROM (
			SELECT least(max(last_sequence) OVER (ORDER BY first_sequence), $3) AS have,
				lead(first_sequence, 1, $3 + 1) OVER (ORDER BY first_sequence) AS next
			FROM (SELECT first_sequence, last_sequence FROM execution_logs
				WHERE day = $1 AND execution_id = $2 AND first_sequence <= $3 UNION ALL SELECT 0, 0) have) holes
		WHERE next > have + 1 ORDER BY 1 LIMIT 1000`, day, id, count)
	if err != nil {
		return nil, failure("find missing logs", err)
	}
	holes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (hole [2]int64, err error) {
		return hole, row.Scan(&hole[0], &hole[1])
	})
	return holes, failure("find missing logs", err)
}

// CreateLogDay creates the partition of one UTC day if it is missing.
func (db *DB) CreateLogDay(ctx context.Context, day time.Time) error {
	day = day.UTC().Truncate(24 * time.Hour)
	_, err := db.pool.Exec(ctx, fmt.Sprintf(
		`CREATE TABLE IF NOT EXISTS execution_logs_%s PARTITION OF execution_logs FOR VALUES FROM ('%s') TO ('%s')`,
		day.Format("20060102"), day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly)))
	if state := sqlState(err); state == "42P07" || state == "23505" { // another instance created it first
		return nil
	}
	return failure("create log day", err)
}

// DropLogDays drops the partitions of the days outside first to last
// (inclusive) and returns their number.
func (db *DB) DropLogDays(ctx context.Context, first, last time.Time) (int, error) {
	rows, err := db.pool.Query(ctx, `SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
		WHERE inhparent = 'execution_logs'::regclass`)
	if err != nil {
		return 0, failure("list log days", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, failure("list log days", err)
	}
	dropped := 0
	for _, name := range names {
		text, ours := strings.CutPrefix(name, "execution_logs_")
		day, err := time.Parse("20060102", text)
		far := len(text) > len("20060102") // a year after 9999, created before partitions were limited
		if !ours || err != nil && !far || !far && inDays(day, Days{first, last}) {
			continue
		}
		if _, err := db.pool.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
			return dropped, failure("drop log day", err)
		}
		dropped++
	}
	return dropped, nil
}

// inDays reports whether a day is one of the days.
func inDays(day time.Time, of Days) bool {
	return !day.Before(of.First.UTC().Truncate(24*time.Hour)) && !day.After(of.Last)
}

// LogDaysLimit returns how many days of logs this Postgres can hold. A
// statement that reads the logs of several executions locks the table and the
// index of each day, and the lock table must have room for 16 such statements
// at a time.
func (db *DB) LogDaysLimit(ctx context.Context) (int, error) {
	var locks int
	err := db.pool.QueryRow(ctx,
		`SELECT current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int`).Scan(&locks)
	return locks / (2 * 16), failure("read the size of the lock table", err)
}
