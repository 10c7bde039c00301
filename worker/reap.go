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

// Reap is the body of the process named in Config.Reaper: it reads what the
// worker says on in and, if that ends without a good-bye, kills with SIGKILL
// every process group that was running, and every other process with the
// worker's tag in its environment, then reports to the worker manager that the
// worker was killed, for at most 30 s. A run whose fence comes while the worker
// is there but does nothing is killed, and not reported. It ignores SIGINT,
// SIGTERM and SIGHUP. The options are those that the worker's connection to
// NATS needs.
func Reap(ctx context.Context, in *os.File, log *slog.Logger, opts ...nats.Option) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	c := charges{log: log, groups: map[int]*charge{}}
	killed, err := c.follow(ctx, in)
	if err != nil || !killed || !c.told {
		return err
	}
	log.Info("worker killed: killing what it ran", "worker_id", c.orders.WorkerID, "groups", len(c.groups))
	c.killAll(ctx)
	return tellKilled(ctx, c.orders, log, opts)
}

// tellKilled reports that the worker is gone for certain.
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
