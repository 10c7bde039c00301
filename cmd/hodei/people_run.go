package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// following tells in the help of run and exec what both do.
const following = `

Its standard output goes to standard output, its standard error to standard
error, and the exit status is the command's own: 128 and the number of the signal
that killed it, 1 when it never had one. With -o json every line is an object,
all on standard output. Ctrl-C stops following; the execution goes on.`

func (p *people) newRun() *cobra.Command {
	w := &workload{}
	var detach bool
	cmd := p.command(&cobra.Command{
		Use: "run JOB [-- COMMAND ARGS...]", Short: "Execute a job and follow it",
		Long: "Execute a job, given by id or name, and follow its log." + following,
		Example: `  hodei run build
  hodei run build --env PROFILE=debug
  hodei run build -- cargo test`,
		Args: beforeDash("JOB"),
	}, func(ctx context.Context, s *session, args []string) error {
		command, err := w.command(args[1:])
		if err != nil {
			return err
		}
		job, err := s.job(ctx, args[0])
		if err != nil {
			return err
		}
		req := schemas.ExecuteJobRequest{ID: job, Command: command, Environment: w.environment}
		body, started, err := start(ctx, s, schemas.ExecuteJob, req)
		if err != nil {
			return err
		}
		if detach {
			return present(s, "run", body, func(e schemas.StartedExecution) error { return s.id(e.ExecutionID) })
		}
		why := ""
		if started.Reason != nil && started.QueuePosition != nil {
			why = s.waits(*started.Reason, *started.QueuePosition)
		}
		return s.attend(ctx, started.ExecutionID, why)
	})
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "print the id of the execution and leave")
	w.addCommand(cmd.Flags())
	return cmd
}

func (p *people) newExec() *cobra.Command {
	w := &workload{}
	var detach bool
	cmd := p.command(&cobra.Command{
		Use: "exec [-- COMMAND ARGS... | -c SCRIPT]", Short: "Run a command on the fleet and follow it",
		Long: `Run a command without a job and follow its log. The words after -- run as they
are, without a shell; -c is a script for the shell.` + following,
		Example: `  hodei exec -- echo hello
  hodei exec --type rust --timeout 10m -- cargo build
  hodei exec -c 'ls | wc -l'`,
		Args: cobra.ArbitraryArgs,
	}, func(ctx context.Context, s *session, args []string) error {
		run, err := w.request(args)
		switch {
		case err != nil:
			return err
		case run.Command == nil:
			return usageError{errors.New("a command after --, or a script with -c, is required")}
		}
		body, started, err := start(ctx, s, schemas.Execute, schemas.ExecuteRequest{RunRequest: run})
		if err != nil {
			return err
		}
		if detach {
			return present(s, "exec", body, func(e schemas.AdHocExecution) error { return s.id(e.ID) })
		}
		return s.attend(ctx, started.ID, "")
	})
	cmd.Flags().SetInterspersed(false) // `exec ls -l`: the flag is the command's, -- or not
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "print the id of the execution and leave")
	w.addCommand(cmd.Flags())
	w.addNeeds(cmd.Flags())
	return cmd
}

// patience is how much longer the answer to a start is waited for after Ctrl-C.
const patience = 2 * time.Second

// start asks for an execution. Ctrl-C does not cut it off at once, so that what
// has been started can be named.
func start[Req, Rep any](ctx context.Context, s *session, op schemas.Operation[Req, Rep], req Req) (body []byte, rep Rep, err error) {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(patience, cancel) })()
	if body, _, err = s.Raw(patient, op.Op, req); err != nil {
		if patient.Err() != nil {
			s.say("interrupted before the answer came; this shows whether it was started:\n  %s", s.command("execution ls"))
		}
		return nil, rep, err
	}
	if err := json.Unmarshal(body, &rep); err != nil {
		return nil, rep, fmt.Errorf("decode reply of %s: %w", op.Name, err)
	}
	return body, rep, nil
}

// attend follows an execution to its end, and ends as it does.
func (s *session) attend(ctx context.Context, id hodei.ExecutionID, why string) error {
	end, err := s.follow(ctx, id, why)
	switch {
	case err != nil && ctx.Err() != nil:
		s.say("\nnot following %s any longer; it goes on\n  %s\n  %s", id, s.command("logs -f %s", id), s.command("execution cancel %s", id))
		return exitStatus(interruptedStatus)
	case err != nil:
		s.say("cannot follow %s any longer; whether it goes on is not known\n  %s", id, s.command("logs -f %s", id))
		return err
	case end.Status == hodei.Completed:
		return nil
	}
	e, err := s.GetExecution(ctx, schemas.GetExecutionRequest{ID: id})
	if err != nil { // the end itself is known
		e = hodei.Execution{ID: id, Status: end.Status, ExitCode: end.ExitCode}
	}
	s.sayEnd(e)
	return exitStatus(statusOf(e))
}
