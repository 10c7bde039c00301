package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hibiken/asynq"
)

// asynqSystem is asynq: tasks in a redis-server that syncs its file before it
// answers, as Postgres does; its default is to sync once a second. The worker
// is tuned to poll every millisecond; its default is a second.
type asynqSystem struct {
	redis, worker *proc
	client        *asynq.Client
	inspector     *asynq.Inspector
}

// kept is how long results are kept; by default asynq deletes ended tasks.
const kept = time.Hour

func startAsynq(ctx context.Context, _ *bench, dir string) (peerSystem, error) {
	s := &asynqSystem{}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *asynqSystem) start(ctx context.Context, dir string) (err error) {
	socket := filepath.Join(dir, "redis")
	s.redis, err = start("redis-server", "redis-server", "--dir", dir, "--port", "0", "--unixsocket", socket,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "warning")
	if err != nil {
		return err
	}
	at := redisAt(socket)
	s.client, s.inspector = asynq.NewClient(at), asynq.NewInspector(at)
	for s.client.Ping() != nil {
		select {
		case <-time.After(glance):
		case <-s.redis.ended:
			return fmt.Errorf("redis-server ended: %s", s.redis.words())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.worker, err = peerWorker(ctx, "asynq", socket)
	return err
}

func redisAt(socket string) asynq.RedisClientOpt {
	return asynq.RedisClientOpt{Network: "unix", Addr: socket, PoolSize: 2 * submitters, ReadTimeout: 30 * time.Second}
}

func (s *asynqSystem) submit(ctx context.Context, argv ...string) (string, error) {
	body, err := json.Marshal(argv)
	if err != nil {
		return "", err
	}
	info, err := s.client.EnqueueContext(ctx, asynq.NewTask("command", body), asynq.Retention(kept))
	if err != nil {
		return "", err
	}
	return info.ID, nil
}

func (s *asynqSystem) ended(context.Context) (int, error) {
	info, err := s.inspector.GetQueueInfo("default")
	if errors.Is(err, asynq.ErrQueueNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Completed, nil
}

func (s *asynqSystem) recorded(_ context.Context, id string) (bool, error) {
	info, err := s.inspector.GetTaskInfo("default", id)
	if err != nil {
		return false, err
	}
	return info.State == asynq.TaskStateCompleted, nil
}

func (s *asynqSystem) stop() error {
	var errs []error
	if s.worker != nil {
		errs = append(errs, s.worker.stop())
	}
	if s.client != nil {
		errs = append(errs, s.client.Close(), s.inspector.Close())
	}
	if s.redis != nil {
		errs = append(errs, s.redis.stop())
	}
	return errors.Join(errs...)
}

// workAsynq runs the tasks of the redis-server at a socket.
func workAsynq(ctx context.Context, args []string) error {
	srv := asynq.NewServer(redisAt(args[0]), asynq.Config{
		Concurrency: slots, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
	})
	err := srv.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		var argv []string
		if err := json.Unmarshal(task.Payload(), &argv); err != nil {
			return err
		}
		res, err := perform(ctx, argv)
		if err != nil {
			return err
		}
		body, err := json.Marshal(res)
		if err != nil {
			return err
		}
		_, err = task.ResultWriter().Write(body)
		return err
	}))
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready")
	<-ctx.Done()
	srv.Shutdown()
	return nil
}
