package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"strconv"
	"strings"
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
// every process group that was running, and whatever else bears the worker's
// incarnation in its environment, then reports to the worker manager that the
// worker was killed, for at most 30 s. It ignores SIGINT, SIGTERM and SIGHUP.
// The options are those that the worker's connection to NATS needs.
func Reap(ctx context.Context, in io.Reader, log *slog.Logger, opts ...nats.Option) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	told, groups, err := listen(in)
	if err != nil || groups == nil {
		return err
	}
	log.Info("worker killed: killing what it ran", "worker_id", told.WorkerID, "groups", len(groups))
	killAll(ctx, groups, told.Incarnation, log)
	return tellKilled(ctx, told, log, opts)
}

// listen returns the groups that ran when the pipe closed, nil after a bye.
func listen(in io.Reader) (orders, map[int]string, error) {
	var told orders
	groups := map[int]string{}
	lines := bufio.NewScanner(in)
	if !lines.Scan() { // the worker died before it could say anything: nothing ran
		return told, nil, lines.Err()
	}
	if err := json.Unmarshal(lines.Bytes(), &told); err != nil {
		return told, nil, fmt.Errorf("read orders: %w", err)
	}
	for lines.Scan() {
		if lines.Text() == bye {
			return told, nil, nil
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue // cut short by the death of the worker
		}
		group, err := strconv.Atoi(fields[1])
		switch {
		case err != nil || group <= 1: // -1 and -0 would mean far more than a group
		case fields[0] == "+" && len(fields) == 3:
			groups[group] = fields[2]
		case fields[0] == "-":
			delete(groups, group)
		}
	}
	return told, groups, nil
}

// killAll kills what the incarnation ran, in its groups and out of them.
func killAll(ctx context.Context, groups map[int]string, incarnation string, log *slog.Logger) {
	told := false
	sweep(ctx, func() (left int) {
		for group, id := range groups {
			if syscall.Kill(-group, syscall.SIGKILL) != nil {
				delete(groups, group)
				continue
			}
			if !told {
				log.Info("process group killed", "group", group, "execution_id", id)
			}
			left++
		}
		told = true
		if incarnation == "" {
			return left
		}
		strays := incarnationMark(incarnation).signal(syscall.SIGKILL, 0)
		if strays > 0 {
			log.Info("processes outside of their group killed", "number", strays)
		}
		return left + strays
	})
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
