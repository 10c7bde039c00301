package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei/internal/local"
)

// fullRecord compares the throughput on a large record with that on an empty
// one.
func fullRecord(ctx context.Context, b *bench) (rows []row, err error) {
	n, ended, pending := b.scale(5000, 1500), b.scale(1_000_000, 200_000), b.scale(100_000, 20_000)
	full, err := os.MkdirTemp(b.dir, "full")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(full)
	if err := b.fill(ctx, full, ended, pending); err != nil {
		return nil, err
	}
	var s series
	for range b.turns {
		empty, err := b.submitted(ctx, n, "nats")
		if err != nil {
			return nil, err
		}
		s.limit = append(s.limit, float64(n)/empty.took.Seconds())
		out, err := b.onFull(ctx, full, n)
		if err != nil {
			return nil, fmt.Errorf("on a full record: %w", err)
		}
		s.hodei = append(s.hodei, float64(n)/out.took.Seconds())
	}
	return []row{s.fill(row{Scenario: "full record", What: fmt.Sprintf("%d × %s by NATS with %d ended and %d pending", n, program, ended, pending),
		Unit: "/s", AtLeast: 0.9, Aim: 1, Note: "the limit is the same on an empty record; the pending ones want a type that no worker has"})}, nil
}

func (b *bench) onFull(ctx context.Context, dir string, n int) (out outcome, err error) {
	h, err := b.up(ctx, dir, "--workers", "1", "--worker-capacity", strconv.Itoa(slots))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	return b.load(ctx, h.system, n, "nats")
}

// fill has Hodei make its record in a directory, and then adds to it.
func (b *bench) fill(ctx context.Context, dir string, ended, pending int) error {
	if err := b.prepare(ctx, dir); err != nil {
		return err
	}
	h, err := b.up(ctx, dir)
	if err != nil {
		return err
	}
	if err := h.stop(); err != nil {
		return err
	}
	pg, err := local.StartPostgres(ctx, local.PostgresConfig{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		return err
	}
	defer pg.Stop()
	conn, err := pgx.Connect(ctx, pg.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{fillEnded, []any{ended}},
		{fillPending, []any{pending}},
		{`VACUUM ANALYZE executions`, nil},
		{`CHECKPOINT`, nil},
	} {
		if _, err := conn.Exec(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("fill the record: %w", err)
		}
	}
	return nil
}

// madeID is a UUIDv7 of the moment t, with the number n for chance.
const madeID = `(lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
	|| '8' || substr(md5(n::text), 4, 15))::uuid`

// The ended ones are of the last week, the pending ones of the last hour.
const (
	fillEnded = `INSERT INTO executions (id, status, worker_id, worker_type, spec,
		exit_code, attempt, created_at, scheduled_at, started_at, completed_at, log_day)
	SELECT ` + madeID + `, 'COMPLETED', gen_random_uuid(), 'shell', '{"command": ["/bin/true"], "environment": {}, "priority": 5, "requirements": {}}', 0, 1, t, t, t, t + interval '1 second', (t AT TIME ZONE 'UTC')::date
	FROM (SELECT n, now() - interval '7 days' + n * (interval '7 days' / $1::int) - interval '2 hours' AS t FROM generate_series(1, $1::int) n) made`
	fillPending = `INSERT INTO executions (id, status, spec, attempt, created_at, log_day)
	SELECT ` + madeID + `, 'PENDING', '{"command": ["/bin/true"], "environment": {}, "priority": 5, "requirements": {"type": "nowhere"}}', 1, t, (t AT TIME ZONE 'UTC')::date
	FROM (SELECT n, now() - interval '1 hour' + n * (interval '1 hour' / $1::int) - interval '1 minute' AS t FROM generate_series(1, $1::int) n) made`
)
