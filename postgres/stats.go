package postgres

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
)

// quantileSample is how many executions, the most recent ones, quantiles are
// computed from. It bounds the cost.
const quantileSample = 2000

// Stats counts current executions, and ended executions in n buckets, the first
// of which begins at from. It reads only executions that ended in that time.
func (db *DB) Stats(ctx context.Context, from time.Time, bucket time.Duration, n int) (hodei.Stats, error) {
	s := hodei.Stats{
		WindowSeconds: int(bucket.Seconds()) * n, BucketSeconds: int(bucket.Seconds()), Buckets: make([]hodei.Period, n),
	}
	for i := range s.Buckets {
		s.Buckets[i].BeginsAt = from.Add(time.Duration(i) * bucket)
	}
	if err := db.statsNow(ctx, from, &s); err != nil {
		return s, err
	}
	ended, err := all[hodei.Period](ctx, db.pool, "count ended executions",
		`SELECT date_bin($2, completed_at, $1) AS begins_at,
			count(*) FILTER (WHERE status = 'COMPLETED') AS completed, count(*) FILTER (WHERE status = 'FAILED') AS failed,
			count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled, count(*) FILTER (WHERE status = 'TIMED_OUT') AS timed_out
		FROM executions WHERE completed_at >= $1 GROUP BY 1`, from, bucket)
	for _, period := range ended {
		i := min(int(period.BeginsAt.Sub(from)/bucket), n-1) // a worker's clock may be ahead
		s.Buckets[i].Add(period.Outcomes)
		s.Add(period.Outcomes)
	}
	return s, err
}

// statsNow sets the current numbers, and the quantiles of recently started
// executions.
func (db *DB) statsNow(ctx context.Context, from time.Time, s *hodei.Stats) error {
	err := db.pool.QueryRow(ctx,
		`WITH lately AS (
			(SELECT created_at, started_at, completed_at FROM executions
				WHERE completed_at >= $1 ORDER BY completed_at DESC LIMIT $2)
			UNION ALL
			(SELECT created_at, started_at, NULL FROM executions WHERE status = 'RUNNING' LIMIT $2)
		), took AS (
			SELECT extract(epoch FROM started_at - created_at)::float8 AS queued, extract(epoch FROM completed_at - started_at)::float8 AS ran
			FROM lately WHERE started_at >= $1
		)
		SELECT now(), (SELECT count(*) FROM executions WHERE status = 'PENDING'), (SELECT count(*) FROM executions WHERE status = 'RUNNING'),
			(SELECT jsonb_build_object('p50', percentile_cont(0.5) WITHIN GROUP (ORDER BY queued),
				'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY queued), 'max', max(queued)) FROM took HAVING count(queued) > 0),
			(SELECT jsonb_build_object('p50', percentile_cont(0.5) WITHIN GROUP (ORDER BY ran),
				'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY ran), 'max', max(ran)) FROM took HAVING count(ran) > 0)`,
		from, quantileSample).Scan(&s.TakenAt, &s.Pending, &s.Running, &s.QueuedSeconds, &s.DurationSeconds)
	return failure("count executions", err)
}
