package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	tellFor  = 30 * time.Second       // how long a reaper tries to report
	sweepGap = 100 * time.Millisecond // between two looks at what still lives
	sweepFor = 5 * time.Second        // how long it looks
)

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

// killAll kills and looks again until nothing is left that could be found, at
// least twice: a process caught between fork and exec shows only then.
func killAll(ctx context.Context, groups map[int]string, incarnation string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, sweepFor)
	defer cancel()
	for looks := 0; ; looks++ {
		left := 0
		for group, id := range groups {
			if syscall.Kill(-group, syscall.SIGKILL) != nil {
				delete(groups, group)
				continue
			}
			if looks == 0 {
				log.Info("process group killed", "group", group, "execution_id", id)
			}
			left++
		}
		for _, pid := range bearing(incarnation) {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				log.Info("process killed", "pid", pid)
				left++
			}
		}
		if left == 0 && looks > 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepGap):
		}
	}
}

// bearing lists the processes that the incarnation started, by their
// environment, where the system shows it.
func bearing(incarnation string) (pids []int) {
	mark := []byte(incarnationVariable + "=" + incarnation)
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		if err != nil || incarnation == "" {
			continue // gone, or not ours
		}
		for v := range bytes.SplitSeq(environ, []byte{0}) {
			if bytes.Equal(v, mark) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
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
