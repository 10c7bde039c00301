package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// temporalSystem is Temporal's development server on a SQLite file, which its
// module offers; a cluster with a database is not comparable. It is tuned: the
// file has a write-ahead log that is synced at each commit, where the default
// rewrites a journal, and the command is a local activity, which saves a round
// trip.
type temporalSystem struct {
	server, worker *proc
	client         client.Client
}

const temporalQueue = "commands"

func startTemporal(ctx context.Context, _ *bench, dir string) (peerSystem, error) {
	s := &temporalSystem{}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *temporalSystem) start(ctx context.Context, dir string) error {
	path, err := temporalCommand()
	if err != nil {
		return err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		return err
	}
	s.server, err = start("temporal server", path, "server", "start-dev", "--headless", "--port", strconv.Itoa(port), "--log-level", "never",
		"--db-filename", filepath.Join(dir, "temporal.db"), "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=FULL")
	if err != nil {
		return err
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for ready := false; !ready; {
		if s.client, err = dialTemporal(at); err == nil {
			_, err = s.client.DescribeTaskQueue(ctx, temporalQueue, enums.TASK_QUEUE_TYPE_WORKFLOW)
		}
		ready = err == nil
		select {
		case <-time.After(glance):
		case <-s.server.ended:
			return fmt.Errorf("temporal server ended: %s", s.server.words())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
	s.worker, err = peerWorker(ctx, "temporal", at)
	return err
}

// temporalCommand returns the binary installed by `make bench`.
func temporalCommand() (string, error) {
	if self, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), "temporal")); err == nil {
			return path, nil
		}
	}
	return exec.LookPath("temporal")
}

func dialTemporal(at string) (client.Client, error) {
	quiet := log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	return client.Dial(client.Options{HostPort: at, Logger: quiet})
}

func (s *temporalSystem) submit(ctx context.Context, argv ...string) (string, error) {
	run, err := s.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: temporalQueue}, runCommand, argv)
	if err != nil {
		return "", err
	}
	return run.GetID(), nil
}

func (s *temporalSystem) ended(ctx context.Context) (int, error) {
	n, err := s.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: `ExecutionStatus = 'Completed'`})
	if err != nil {
		return 0, err
	}
	return int(n.Count), nil
}

func (s *temporalSystem) recorded(ctx context.Context, id string) (bool, error) {
	run, err := s.client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return false, err
	}
	return run.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil
}

func (s *temporalSystem) stop() error {
	var errs []error
	if s.worker != nil {
		errs = append(errs, s.worker.stop())
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.server != nil {
		errs = append(errs, s.server.stop())
	}
	return errors.Join(errs...)
}

// inOrder is a workflow of n commands, one after the other. Recorded activities are in its
// history before the next begins; local ones are recorded together, at its end.
func inOrder(ctx workflow.Context, n int, recorded bool, argv []string) (last result, err error) {
	each := runCommand
	if recorded {
		each = runRecorded
	}
	for range n {
		if last, err = each(ctx, argv); err != nil {
			return last, err
		}
	}
	return last, nil
}

// threes runs workflows of three commands and returns how long each took.
func (p peer) threes(ctx context.Context, b *bench, n int, recorded bool) (list []float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	sys, done, err := b.startPeer(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	c := sys.(*temporalSystem).client
	for i := range 10 + n {
		time.Sleep(idle)
		began := time.Now()
		run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: temporalQueue}, inOrder, 3, recorded, []string{program})
		if err != nil {
			return nil, err
		}
		if err := run.Get(ctx, nil); err != nil {
			return nil, err
		}
		if i >= 10 { // warm after that
			list = append(list, milliseconds(time.Since(began)))
		}
	}
	return list, nil
}

// runCommand is the workflow: its history keeps the result of the command.
func runCommand(ctx workflow.Context, argv []string) (res result, err error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	err = workflow.ExecuteLocalActivity(ctx, perform, argv).Get(ctx, &res)
	return res, err
}

// runRecorded is runCommand with an activity that the server hands to the worker.
func runRecorded(ctx workflow.Context, argv []string) (res result, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	err = workflow.ExecuteActivity(ctx, perform, argv).Get(ctx, &res)
	return res, err
}

// workTemporal runs the queue of the server at an address.
func workTemporal(ctx context.Context, args []string) error {
	c, err := dialTemporal(args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, temporalQueue, worker.Options{
		MaxConcurrentLocalActivityExecutionSize: slots, MaxConcurrentWorkflowTaskExecutionSize: 4 * slots,
		MaxConcurrentActivityExecutionSize: slots, MaxConcurrentWorkflowTaskPollers: 8,
	})
	w.RegisterWorkflow(runCommand)
	w.RegisterWorkflow(inOrder)
	w.RegisterActivity(perform)
	if err := w.Start(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready")
	<-ctx.Done()
	w.Stop()
	return nil
}
