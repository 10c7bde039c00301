package client_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/services/orchestrator"
	"github.com/hodei-jobs/hodei/services/scheduler"
	"github.com/hodei-jobs/hodei/services/workermanager"
	"github.com/hodei-jobs/hodei/worker"
)

// running is a complete Hodei in this process, which the examples share.
type running struct {
	api, nats string
	stop      func() error
}

var (
	exampleSystem = sync.OnceValue(func() *running {
		s, err := startSystem()
		if err != nil {
			panic(err) // an example has no other way to fail
		}
		started = s
		return s
	})
	started *running // nil unless an example started it; TestMain stops it
)

func startSystem() (s *running, err error) {
	dir, err := os.MkdirTemp("", "hodei-example-")
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	srv, err := local.StartNATS(local.NATSConfig{StoreDir: filepath.Join(dir, "nats"), Log: log})
	if err != nil {
		return nil, err
	}
	pg, err := local.StartPostgres(context.Background(), local.PostgresConfig{Dir: filepath.Join(dir, "postgres"), Unsafe: true, Log: log})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- system.Run(ctx, system.Config{
			Connect:     func(name string) (*nats.Conn, error) { return srv.Connect(name, log) },
			DatabaseURL: pg.URL(), Version: "0.0.1", Log: log,
			Orchestrator: &orchestrator.Config{}, Scheduler: &scheduler.Config{}, Manager: &workermanager.Config{}, Edge: &edge.Config{},
			Workers: []worker.Config{{Type: "shell", Slots: 2, StateDir: filepath.Join(dir, "worker")}},
		}, func(s *system.System) { ready <- s.HTTPAddrs()[0] })
	}()
	stop := func() error {
		cancel()
		err := <-ended
		srv.Shutdown()
		pg.Stop()
		return errors.Join(err, os.RemoveAll(dir))
	}
	select {
	case addr := <-ready:
		return &running{api: "http://" + addr, nats: srv.URL(), stop: stop}, nil
	case err := <-ended:
		cancel()
		return nil, err
	}
}
