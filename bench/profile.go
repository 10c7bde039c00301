package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei/internal/local"
)

// prepare makes the Postgres of a fresh data directory count its statements if
// profiles are requested: it creates the cluster and extends its configuration.
func (b *bench) prepare(ctx context.Context, dir string) error {
	if b.profile == "" {
		return nil
	}
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return err
	}
	at := filepath.Join(dir, "postgres")
	pg, err := local.StartPostgres(ctx, local.PostgresConfig{Dir: at})
	if err != nil {
		return err
	}
	pg.Stop()
	conf, err := os.OpenFile(filepath.Join(at, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString("\nshared_preload_libraries = 'pg_stat_statements'\ntrack_io_timing = on\ntrack_wal_io_timing = on\n")
	return errors.Join(err, conf.Close())
}

// startProfile profiles until stop is called: the CPU, then allocations,
// mutexes and blocking as totals, and the statements of Postgres. It does
// nothing without a directory for profiles.
func (b *bench) startProfile(ctx context.Context, h system, name string) (stop func() error) {
	if b.profile == "" || h.pprof == "" {
		return func() error { return nil }
	}
	at := filepath.Join(b.profile, name)
	ask(ctx, h.database, `CREATE EXTENSION IF NOT EXISTS pg_stat_statements`)
	ask(ctx, h.database, `SELECT pg_stat_statements_reset()`)
	ask(ctx, h.database, `SELECT pg_stat_reset_shared('wal')`)
	cpu := make(chan error, 1)
	began := time.Now()
	profiling, cancel := context.WithCancel(ctx)
	seconds := b.scale(10, 3)
	go func() {
		cpu <- fetch(profiling, fmt.Sprintf("%sprofile?seconds=%d", h.pprof, seconds), at+".cpu.pb.gz")
	}()
	return func() error {
		defer cancel()
		took := time.Since(began)
		statements := ask(ctx, h.database, topStatements)
		wal := ask(ctx, h.database, `SELECT 'wal records ' || wal_records || ', bytes ' || wal_bytes || ', writes ' || wal_write || ', syncs ' || wal_sync || ', sync ms ' || round(wal_sync_time) FROM pg_stat_wal`)
		errs := []error{<-cpu}
		for _, kind := range []string{"allocs", "mutex", "block"} {
			errs = append(errs, fetch(ctx, h.pprof+kind, at+"."+kind+".pb.gz"))
		}
		text := fmt.Sprintf("%s took %s\n%s\n\n%s\n", name, took, strings.Join(wal, "\n"), strings.Join(statements, "\n"))
		return errors.Join(append(errs, os.WriteFile(at+".statements.txt", []byte(text), 0o644))...)
	}
}

const topStatements = `SELECT format('%s calls  %s ms total  %s ms mean  %s rows  %s wal bytes  %s',
  lpad(calls::text, 7), lpad(round(total_exec_time)::text, 7), lpad(round(mean_exec_time::numeric, 3)::text, 8),
  lpad(rows::text, 7), lpad(wal_bytes::text, 9), left(regexp_replace(query, '\s+', ' ', 'g'), 160))
FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 25`

// ask returns the rows of a query of one text column, or the error as a row.
func ask(ctx context.Context, database, sql string) []string {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return []string{err.Error()}
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return []string{err.Error()}
	}
	texts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values...), err
	})
	if err != nil {
		return []string{err.Error()}
	}
	return texts
}

// fetch writes the content of a URL to a file.
func fetch(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, resp.Body)
	return errors.Join(err, file.Close())
}
