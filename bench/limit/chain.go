package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// pause is the time between turns, so that each finds an idle machine.
const pause = 20 * time.Millisecond

// chain takes n turns of a commit, a fork with exec and wait, and another
// commit, in sequence: the minimum for an execution with a durable start and
// end.
func chain(url string, n int, argv []string) ([]float64, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS bench_limit (id bigserial PRIMARY KEY, word text)`); err != nil {
		return nil, err
	}
	commit := func() error {
		_, err := conn.Exec(ctx, `INSERT INTO bench_limit (word) VALUES ($1)`, "a row")
		return err
	}
	samples := make([]float64, 0, n)
	for range n {
		time.Sleep(pause)
		began := time.Now()
		for _, step := range []func() error{commit, func() error { return once(argv) }, commit} {
			if err := step(); err != nil {
				return nil, err
			}
		}
		samples = append(samples, time.Since(began).Seconds())
	}
	_, err = conn.Exec(ctx, `DROP TABLE bench_limit`)
	return samples, err
}
