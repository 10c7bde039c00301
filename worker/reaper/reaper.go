package reaper

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

const (
	reportFor = 30 * time.Second      // how long a reaper tries to report
	readPause = 20 * time.Millisecond // after a read; a killed worker is found so much later at most
)

// Run is the body of the reaper process. It reads in until the worker writes "bye" or
// is killed. If the worker is killed, Run sends SIGKILL to every process group that
// was running and to every other process with the worker's tag in its environment.
// Then it reports to the worker manager that the worker was killed, for at most 30 s.
// While the worker is silent, Run kills the runs whose fence passes, and does not
// report them. It ignores SIGINT, SIGTERM and SIGHUP. The options are those that the
// worker's connection to NATS needs.
func Run(ctx context.Context, in *os.File, log *slog.Logger, opts ...nats.Option) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	c := charges{log: log, groups: map[int]*charge{}}
	killed, err := c.follow(ctx, in)
	if err != nil || !killed || !c.ordered {
		return err
	}
	log.Info("worker killed, killing its commands", "worker_id", c.orders.WorkerID, "groups", len(c.groups))
	c.killAll(ctx)
	if dir := c.orders.Secrets; dir != "" {
		if err := os.RemoveAll(dir); err != nil {
			log.Error("files of secrets not removed", "dir", dir, "err", err)
		}
	}
	return reportKilled(ctx, c.orders, log, opts)
}

// reportKilled reports that the worker is gone for certain.
func reportKilled(ctx context.Context, o Orders, log *slog.Logger, opts []nats.Option) error {
	ctx, cancel := context.WithTimeout(ctx, reportFor)
	defer cancel()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		nc, err := rpc.Connect(o.NATS, "hodei worker "+o.WorkerID.String()+" reaper", log, opts...)
		if err != nil {
			return struct{}{}, err
		}
		defer nc.Close()
		_, err = rpc.Call(ctx, nc, schemas.LeaveWorker, schemas.LeaveRequest{
			WorkerID: o.WorkerID, Incarnation: o.Incarnation, Killed: true,
		})
		return struct{}{}, rpc.Final(err)
	}, rpc.Patience())
	if err != nil {
		return fmt.Errorf("report worker %s killed: %w", o.WorkerID, err)
	}
	return nil
}
