package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// tellFor is how long a reaper tries to report.
const tellFor = 30 * time.Second

// Reap is the body of the process named in Config.Reaper. It reads the worker's
// lines from in. If they end without "bye", it kills with SIGKILL every running
// process group, and every other process with the worker's tag in its
// environment. It then reports to the worker manager, for at most 30 s, that
// the worker was killed. An execution whose fence is due while the worker runs
// but does nothing is killed and not reported. Reap ignores SIGINT, SIGTERM and
// SIGHUP. The options are those of the worker's connection to NATS.
func Reap(ctx context.Context, in *os.File, log *slog.Logger, opts ...nats.Option) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	c := charges{log: log, groups: map[int]*charge{}}
	killed, err := c.follow(ctx, in)
	if err != nil || !killed || !c.told {
		return err
	}
	log.Info("worker killed, killing its commands", "worker_id", c.orders.WorkerID, "groups", len(c.groups))
	c.killAll(ctx)
	return tellKilled(ctx, c.orders, log, opts)
}

// tellKilled reports that the worker was killed.
func tellKilled(ctx context.Context, told orders, log *slog.Logger, opts []nats.Option) error {
	ctx, cancel := context.WithTimeout(ctx, tellFor)
	defer cancel()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		nc, err := rpc.Connect(told.NATS, "reaper of "+told.WorkerID.String(), log, opts...)
		if err != nil {
			return struct{}{}, err
		}
		defer nc.Close()
		_, err = rpc.Call(ctx, nc, schemas.LeaveWorker, schemas.LeaveRequest{
			WorkerID: told.WorkerID, Incarnation: told.Incarnation, Killed: true,
		})
		return struct{}{}, settled(err)
	}, patience())
	if err != nil {
		return fmt.Errorf("report worker %s killed: %w", told.WorkerID, err)
	}
	return nil
}
