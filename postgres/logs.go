package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
)

// Chunk is a run of lines of one log, as their worker cut it.
type Chunk struct {
	ExecutionID hodei.ExecutionID
	First       int64 `db:"first_sequence"`
	Last        int64 `db:"last_sequence"`
	// Digest is the sum of the CRC-32C of each line's JSON.
	Digest int64
	packed.Text
}

// AppendLogs commits chunks of any executions in one statement. A chunk that
// is there already is left as it is, so repeating is harmless.
func (db *DB) AppendLogs(ctx context.Context, chunks []Chunk) error {
	err := db.appendLogs(ctx, chunks)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23514" { // no partition: a day the keeper did not foresee
		for _, day := range days(chunks) {
			if err := db.CreateLogDay(ctx, day); err != nil {
				return err
			}
		}
		err = db.appendLogs(ctx, chunks)
	}
	return failure("append logs", err)
}

// copyBytes is from where chunks are copied rather than inserted: parameters of
// megabytes are moved about a dozen times before they are sent, while to prepare
// a copy costs a round trip.
const copyBytes = 64 << 10

// appendLogs copies where there is much. A copy cannot pass over chunks that are
// there already, but only those that are sent again may be.
func (db *DB) appendLogs(ctx context.Context, chunks []Chunk) error {
	size := 0
	for _, c := range chunks {
		size += len(c.Lines)
	}
	if size < copyBytes {
		return db.insertLogs(ctx, chunks)
	}
	_, err := db.pool.CopyFrom(ctx, pgx.Identifier{"execution_logs"},
		[]string{"day", "execution_id", "first_sequence", "last_sequence", "digest", "lines", "size"},
		pgx.CopyFromSlice(len(chunks), func(i int) ([]any, error) {
			c := chunks[i]
			return []any{c.ExecutionID.Day(), c.ExecutionID, c.First, c.Last, c.Digest, c.Lines, c.Size}, nil
		}))
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" { // unique_violation
		return db.insertLogs(ctx, chunks)
	}
	return err
}

func (db *DB) insertLogs(ctx context.Context, chunks []Chunk) error {
	n := len(chunks)
	day, id := make([]time.Time, n), make([]hodei.ExecutionID, n)
	first, last, digest := make([]int64, n), make([]int64, n), make([]int64, n)
	lines, size := make([][]byte, n), make([]int, n)
	for i, c := range chunks {
		day[i], id[i] = c.ExecutionID.Day(), c.ExecutionID
		first[i], last[i], digest[i], lines[i], size[i] = c.First, c.Last, c.Digest, c.Lines, c.Size
	}
	_, err := db.pool.Exec(ctx, `INSERT INTO execution_logs (day, execution_id, first_sequence, last_sequence, digest, lines, size)
		SELECT * FROM unnest($1::date[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::integer[])
		ON CONFLICT DO NOTHING`, day, id, first, last, digest, lines, size)
	return err
}

func days(chunks []Chunk) []time.Time {
	var days []time.Time
	seen := map[time.Time]bool{}
	for _, c := range chunks {
		if day := c.ExecutionID.Day(); !seen[day] {
			seen[day] = true
			days = append(days, day)
		}
	}
	return days
}

// ReadLogs returns the chunks of a log that hold lines after the first and up to
// the second of two sequences, in order, until they hold about size bytes of
// NDJSON; at least one, if there is one.
func (db *DB) ReadLogs(ctx context.Context, id hodei.ExecutionID, after, upTo int64, size int) ([]Chunk, error) {
	return all[Chunk](ctx, db.pool, "read logs",
		`SELECT execution_id, first_sequence, last_sequence, digest, lines, size FROM (
			SELECT *, sum(bytes) OVER (ORDER BY first_sequence) - bytes AS before
			FROM (SELECT *, greatest(size, octet_length(lines)) AS bytes FROM execution_logs
				WHERE day = $1 AND execution_id = $2 AND last_sequence > $3 AND first_sequence <= $4
				ORDER BY first_sequence LIMIT 256) head) sized
		WHERE before < $5 ORDER BY first_sequence`, id.Day(), id, after, upTo, size)
}

// MissingLogs returns the holes, as pairs of first and last sequence, between
// 1 and count in what the record has of a log; at most 100.
func (db *DB) MissingLogs(ctx context.Context, id hodei.ExecutionID, count int64) ([][2]int64, error) {
	rows, err := db.pool.Query(ctx, `SELECT have + 1, next - 1 FROM (
			SELECT last_sequence AS have, lead(first_sequence, 1, $3 + 1) OVER (ORDER BY first_sequence) AS next
			FROM (SELECT first_sequence, last_sequence FROM execution_logs WHERE day = $1 AND execution_id = $2
				UNION ALL SELECT 0, 0) have) holes
		WHERE next > have + 1 ORDER BY 1 LIMIT 100`, id.Day(), id, count)
	if err != nil {
		return nil, failure("find missing logs", err)
	}
	holes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (hole [2]int64, err error) {
		return hole, row.Scan(&hole[0], &hole[1])
	})
	return holes, failure("find missing logs", err)
}

// CreateLogDay makes the partition of one UTC day, if it is not there.
func (db *DB) CreateLogDay(ctx context.Context, day time.Time) error {
	day = day.UTC().Truncate(24 * time.Hour)
	_, err := db.pool.Exec(ctx, fmt.Sprintf(
		`CREATE TABLE IF NOT EXISTS execution_logs_%s PARTITION OF execution_logs FOR VALUES FROM ('%s') TO ('%s')`,
		day.Format("20060102"), day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly)))
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P07" || pg.Code == "23505") { // another instance was quicker
		return nil
	}
	return failure("create log day", err)
}

// DropLogDays drops the partitions of the days before the given one and
// returns their number.
func (db *DB) DropLogDays(ctx context.Context, before time.Time) (int, error) {
	rows, err := db.pool.Query(ctx, `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'execution_logs'::regclass`)
	if err != nil {
		return 0, failure("list log days", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, failure("list log days", err)
	}
	dropped := 0
	for _, name := range names {
		day, err := time.Parse("20060102", name[len(name)-min(8, len(name)):])
		if err != nil || !day.Before(before.UTC().Truncate(24*time.Hour)) {
			continue
		}
		if _, err := db.pool.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
			return dropped, failure("drop log day", err)
		}
		dropped++
	}
	return dropped, nil
}
