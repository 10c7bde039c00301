package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/hodei-jobs/hodei/internal/local"
)

// riverSystem is River: jobs in Postgres, inserted by the bench itself because
// River has no server, and run by a separate process. It is tuned as far as
// possible: the shortest cooldown between fetches, where the default is 100 ms,
// and enough connections for all submitters.
type riverSystem struct {
	postgres *local.Postgres
	worker   *proc
	pool     *pgxpool.Pool
	client   *river.Client[pgx.Tx]
}

// commandArgs is a job of River: a command.
type commandArgs struct {
	Argv []string `json:"argv"`
}

func (commandArgs) Kind() string { return "command" }

// commandWorker runs the command and stores its result with the job.
type commandWorker struct {
	river.WorkerDefaults[commandArgs]
}

func (commandWorker) Work(ctx context.Context, job *river.Job[commandArgs]) error {
	res, err := perform(ctx, job.Args.Argv)
	if err != nil {
		return err
	}
	return river.RecordOutput(ctx, res)
}

func startRiver(ctx context.Context, b *bench, dir string) (peerSystem, error) {
	s := &riverSystem{}
	if err := s.start(ctx, b, dir); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *riverSystem) start(ctx context.Context, b *bench, dir string) (err error) {
	if s.postgres, err = b.cluster(ctx, filepath.Join(dir, "pg")); err != nil {
		return err
	}
	if s.pool, err = riverPool(ctx, s.postgres.URL()); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(s.pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if s.client, err = river.NewClient(riverpgxv5.New(s.pool), &river.Config{}); err != nil {
		return err
	}
	s.worker, err = peerWorker(ctx, "river", s.postgres.URL())
	return err
}

// riverPool has a connection for each submitter or slot.
func riverPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = submitters
	return pgxpool.NewWithConfig(ctx, cfg)
}

func (s *riverSystem) submit(ctx context.Context, argv ...string) (string, error) {
	res, err := s.client.Insert(ctx, commandArgs{argv}, nil)
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(res.Job.ID, 10), nil
}

func (s *riverSystem) ended(ctx context.Context) (n int, err error) {
	err = s.pool.QueryRow(ctx, `SELECT count(*) FROM river_job WHERE state = 'completed'`).Scan(&n)
	return n, err
}

func (s *riverSystem) recorded(ctx context.Context, id string) (ended bool, err error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err == nil {
		err = s.pool.QueryRow(ctx, `SELECT state = 'completed' FROM river_job WHERE id = $1`, n).Scan(&ended)
	}
	return ended, err
}

func (s *riverSystem) stop() (err error) {
	if s.worker != nil {
		err = s.worker.stop()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
	return err
}

// workRiver runs the jobs of the database at a URL.
func workRiver(ctx context.Context, args []string) error {
	pool, err := riverPool(ctx, args[0])
	if err != nil {
		return err
	}
	defer pool.Close()
	workers := river.NewWorkers()
	river.AddWorker(workers, commandWorker{})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: slots}},
		Workers:       workers,
		FetchCooldown: river.FetchCooldownMin, FetchPollInterval: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready")
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return client.Stop(ending)
}
