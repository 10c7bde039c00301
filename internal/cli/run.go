package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/define"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// untilItEnds is the part of the help that run and exec share.
const untilItEnds = `

Its standard output goes to standard output, its standard error to standard
error, and the exit status is that of the command: 128 plus the number of the signal
that killed it, 1 when it never had one. With -o json every line is an object,
all on standard output. While it waits for a worker, the reason is shown.

Ctrl-C stops following; the execution continues, and the output shows how to follow it
again and how to cancel it.`

func newRun(p *session.Flags) *cobra.Command {
	w := &define.Workload{}
	r := &runOptions{}
	var detach, quiet bool
	cmd := p.Command(&cobra.Command{
		Use: "run PIPELINE|JOB [-- COMMAND ARGS...] | run -f FILE", Short: "Execute a pipeline or a job and follow it",
		Long: `Execute a pipeline, given by slug, name or id, and follow its run: the output of all
jobs, each line behind the key of its job, and on a terminal a live tree of the jobs.
The exit status is 0 if the run completed and 1 otherwise. A run that failed ends with
the last lines of what failed.

With -f the pipeline is first applied from a file, as hodei apply does.

Or execute a job, given by id or name, and follow its log.` + untilItEnds,
		Example: `  hodei run release --param env=prod
  hodei run -f hodei.yaml
  hodei run -f hodei.yaml --source .          what is not pushed yet
  hodei run release --only build --only test
  hodei run build --env PROFILE=debug
  hodei run build --quiet          no log unless it fails, as for cron
  hodei run build --detach         print the id and leave
  hodei run build --detach --not-before 2027-01-31T08:00:00Z
  hodei run build -- cargo test    another command, this time`,
		Annotations: session.LineOutput, Args: r.args,
	}, func(ctx context.Context, s *session.Session, args []string) error {
		if pipeline, err := r.pipeline(ctx, s, args); err != nil || pipeline != nil {
			if err != nil {
				return err
			}
			return r.run(ctx, s, *pipeline, w, detach, quiet)
		}
		job, err := namedJob(ctx, s, args[0])
		switch {
		case err != nil:
			return err
		case r.given():
			return cmdline.Usagef("%q is a job; --param, --only, --ref and --source are for pipelines", args[0])
		}
		return runJob(ctx, s, w, job, args, detach, quiet)
	})
	r.cmd = cmd
	addFollowing(cmd, &detach, &quiet)
	w.AddCommand(cmd.Flags())
	w.AddStart(cmd.Flags())
	r.add(cmd.Flags())
	cmd.AddCommand(newRunShow(p))
	return session.CompleteFirst(cmd, func(cmd *cobra.Command, begun string) ([]string, error) {
		pipelines, err := p.Pipelines()(cmd, begun)
		if err != nil {
			return nil, err
		}
		jobs, err := p.Jobs()(cmd, begun)
		return append(pipelines, jobs...), err
	})
}

// namedJob finds the job with a name that no pipeline has.
func namedJob(ctx context.Context, s *session.Session, text string) (hodei.JobID, error) {
	job, err := s.Job(ctx, text)
	if errors.Is(err, hodei.NotFound) {
		err = hodei.Errorf(hodei.NotFound, "no pipeline or job %q found", text)
	}
	return job, err
}

// runJob executes a job and follows it.
func runJob(ctx context.Context, s *session.Session, w *define.Workload, job hodei.JobID, args []string, detach, quiet bool) error {
	command, err := w.Command(args[1:])
	if err != nil {
		return err
	}
	req := schemas.ExecuteJobRequest{ID: job, Command: command, Environment: w.Environment, Delayed: schemas.Delayed{NotBefore: w.NotBefore.At}}
	body, started, err := start(ctx, s, schemas.ExecuteJob, req)
	if err != nil {
		return err
	}
	if detach {
		return session.Present(s, "run", body, func(e schemas.StartedExecution) error { return s.PrintID(e.ExecutionID) })
	}
	f := &following{Session: s, id: started.ExecutionID, until: started.EstimatedCompletion, quiet: quiet}
	if started.Reason != nil && started.QueuePosition != nil {
		f.why = waits(s, *started.Reason, *started.QueuePosition)
	}
	return f.attend(ctx)
}

func addFollowing(cmd *cobra.Command, detach, quiet *bool) {
	cmd.Flags().BoolVarP(detach, "detach", "d", false, "print the id of the execution and leave")
	cmd.Flags().BoolVarP(quiet, "quiet", "q", false, "print no log; the last 20 lines if it fails")
}

func newExec(p *session.Flags) *cobra.Command {
	w := &define.Workload{}
	var detach, quiet bool
	cmd := p.Command(&cobra.Command{
		Use: "exec [-- COMMAND ARGS... | -c SCRIPT]", Short: "Run a command on the fleet and follow it",
		Long: `Run a command without a job and follow its log. The words after -- run as they
are, without a shell; -c is a script for the shell.` + untilItEnds,
		Example: `  hodei exec -- echo hello
  hodei exec --type rust --timeout 10m -- cargo build
  hodei exec -c 'ls | wc -l'`,
		Annotations: session.LineOutput, Args: cobra.ArbitraryArgs,
	}, func(ctx context.Context, s *session.Session, args []string) error {
		run, err := w.Request(args)
		switch {
		case err != nil:
			return err
		case run.Command == nil:
			return cmdline.Usagef("a command after --, or a script with -c, is required")
		}
		body, started, err := start(ctx, s, schemas.Execute, schemas.ExecuteRequest{RunRequest: run, Delayed: schemas.Delayed{NotBefore: w.NotBefore.At}})
		if err != nil {
			return err
		}
		if detach {
			return session.Present(s, "exec", body, func(e schemas.AdHocExecution) error { return s.PrintID(e.ID) })
		}
		return (&following{Session: s, id: started.ID, quiet: quiet}).attend(ctx)
	})
	cmd.Flags().SetInterspersed(false) // `exec ls -l`: the flag is the command's, -- or not
	addFollowing(cmd, &detach, &quiet)
	w.AddCommand(cmd.Flags())
	w.AddStart(cmd.Flags())
	w.AddNeeds(cmd.Flags())
	session.Complete(cmd, "type", p.Types())
	return cmd
}

// patience is how much longer the answer to a start is waited for after Ctrl-C.
const patience = 2 * time.Second

// start asks for an execution. Ctrl-C does not cut it off at once, so that what
// has been started can be named.
func start[Req, Rep any](ctx context.Context, s *session.Session, op schemas.Operation[Req, Rep], req Req) (body []byte, rep Rep, err error) {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(patience, cancel) })()
	if body, _, err = s.Raw(patient, op.Op, req); err != nil {
		if patient.Err() != nil {
			s.Note("interrupted before the answer arrived; this shows whether it was started:\n  %s", s.Hint("execution ls"))
		}
		return nil, rep, err
	}
	if err := json.Unmarshal(body, &rep); err != nil {
		return nil, rep, fmt.Errorf("decode reply of %s: %w", op.Name, err)
	}
	return body, rep, nil
}

// catchBrokenPipe lets writes to a closed standard output fail with EPIPE until the returned
// function is called. Without it the signal ends the program, and no message names what goes on.
func catchBrokenPipe() (stop func()) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGPIPE)
	return func() { signal.Stop(caught) }
}

// leftStatus is the exit status of a command that no longer follows: that of Ctrl-C or of SIGPIPE.
func leftStatus(ctx context.Context) error {
	if ctx.Err() != nil {
		return cmdline.ExitStatus(session.InterruptedStatus)
	}
	return cmdline.ExitStatus(128 + int(syscall.SIGPIPE))
}

// attend follows the execution to its end, and ends as it does.
func (f *following) attend(ctx context.Context) error {
	defer catchBrokenPipe()()
	end, err := f.follow(ctx)
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, syscall.EPIPE)):
		f.Note("\ndetached; %s goes on\n  %s\n  %s", f.id, f.Hint("logs -f %s", f.id), f.Hint("execution cancel %s", f.id))
		if f.why != "" { // it may be waiting still
			f.Note("  %s", f.Hint("explain %s", f.id))
		}
		return leftStatus(ctx)
	case err != nil:
		f.Note("lost contact with %s; it may still be running\n  %s", f.id, f.Hint("logs -f %s", f.id))
		return err
	case end.Status == hodei.Completed && !render.IsTerminal(f.Errs):
		return nil
	}
	e, err := f.GetExecution(ctx, schemas.GetExecutionRequest{ID: hodei.RefTo(f.id)})
	if err != nil { // the end itself is known
		e = hodei.Execution{ID: f.id, Status: end.Status, ExitCode: end.ExitCode, LogCount: end.LogCount}
	}
	if end.Status == hodei.Completed {
		f.Note("%sCOMPLETED after %s", mark(f.Session, e.Status), render.Seconds(e.DurationSeconds))
		return nil
	}
	f.printEnd(e)
	return cmdline.ExitStatus(statusOf(e))
}
