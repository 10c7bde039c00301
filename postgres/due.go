package postgres

import (
	"context"
	"time"
)

// nextDue returns the time until a row is due: 0 if the condition atOnce holds, otherwise
// until the instant that the query first selects, from 0 to most; most if that is NULL.
// The clock is that of Postgres.
func (db *DB) nextDue(ctx context.Context, act, atOnce, first string, most time.Duration) (time.Duration, error) {
	var seconds float64
	err := db.pool.QueryRow(ctx, `SELECT CASE WHEN `+atOnce+` THEN 0
		ELSE greatest(0, least($1, extract(epoch FROM (`+first+`) - now())))::float8 END`, most.Seconds()).Scan(&seconds)
	return time.Duration(seconds * float64(time.Second)), failure(act, err)
}
