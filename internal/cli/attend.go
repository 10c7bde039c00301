package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/progress"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// attendRun follows a run to its end, and ends as it does: 0 when it completed, else 1.
func attendRun(ctx context.Context, f *progress.Run) error {
	s := f.Session
	defer catchBrokenPipe()()
	end, err := f.Follow(ctx)
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, syscall.EPIPE)):
		s.Note("\nno longer following %s; it goes on\n  %s\n  %s", f.Name, s.Hint("attach %s", f.Name), s.Hint("cancel %s", f.Name))
		return leftStatus(ctx)
	case err != nil:
		s.Note("cannot follow %s any longer; it may go on\n  %s", f.Name, s.Hint("attach %s", f.Name))
		return err
	}
	f.Summary(end)
	if end.Status != hodei.RunCompleted {
		return cmdline.ExitStatus(1)
	}
	return nil
}

// attend follows the run or the execution that the text names to its end.
func attend(ctx context.Context, s *session.Session, text string, quiet bool) error {
	run, execution, err := runOrExecution(ctx, s, text)
	switch {
	case err != nil:
		return err
	case run != nil:
		return attendRun(ctx, &progress.Run{Session: s, ID: run.ID, Name: session.RunName(*run), Quiet: quiet})
	}
	id, err := s.ExecutionID(ctx, execution)
	if err != nil {
		return err
	}
	return (&following{Session: s, id: id, quiet: quiet}).attend(ctx)
}

// startRun asks for a run, and follows it unless detach is set.
func startRun[Req any](ctx context.Context, s *session.Session, op schemas.Operation[Req, hodei.Run], req Req, detach, quiet bool) error {
	body, run, err := start(ctx, s, op, req)
	switch {
	case err != nil:
		return err
	case detach:
		return session.Present(s, op.Name, body, func(r hodei.Run) error { return printRun(s, r) })
	}
	return attendRun(ctx, &progress.Run{Session: s, ID: run.ID, Name: session.RunName(run), Quiet: quiet, Silent: quiet})
}

func newAttach(p *session.Flags) *cobra.Command {
	var quiet bool
	cmd := p.Command(&cobra.Command{
		Use: "attach RUN|EXECUTION", Short: "Follow a run or an execution to its end", Args: cobra.ExactArgs(1), Annotations: session.LineOutput,
		Long: `Follow a run, as release#42, or an execution, by its id or as release#42/test, from
its beginning to its end. The exit status is that of the command, and of a run 0
or 1.`,
		Example: "  hodei attach release#42\n  hodei attach release#42/test",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		return attend(ctx, s, args[0], quiet)
	})
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print no log; the last 20 lines if it fails")
	return cmd
}

func newWait(p *session.Flags) *cobra.Command {
	return p.Command(&cobra.Command{
		Use: "wait RUN|EXECUTION", Short: "Wait until a run or an execution has ended; print nothing of its log", Args: cobra.ExactArgs(1), Annotations: session.LineOutput,
		Long:    `Wait until a run or an execution has ended. The exit status is that of the command, and of a run 0 or 1.`,
		Example: "  hodei wait release#42 && ./announce.sh",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		return attend(ctx, s, args[0], true)
	})
}

func newCancel(p *session.Flags) *cobra.Command {
	return p.Command(&cobra.Command{
		Use: "cancel RUN|EXECUTION", Short: "Cancel a run or an execution", Args: cobra.ExactArgs(1),
		Long: `Cancel a run: what runs is sent TERM, and KILL after the grace period of its worker,
10 s unless its --grace is another; nothing more starts but the jobs under finally. Or cancel
an execution.`,
		Example: "  hodei cancel release#42\n  hodei cancel release#42/test",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		run, execution, err := runOrExecution(ctx, s, args[0])
		switch {
		case err != nil:
			return err
		case run != nil:
			return session.Ask(ctx, s, schemas.CancelRun, schemas.CancelRunRequest{ID: hodei.RefTo(run.ID)}, func(r hodei.Run) error {
				note(s, session.RunName(r), string(r.Status), r.Status.Ended())
				return nil
			})
		}
		return cancelExecution(ctx, s, execution)
	})
}

func cancelExecution(ctx context.Context, s *session.Session, id hodei.ExecutionRef) error {
	return session.Ask(ctx, s, schemas.CancelExecution, schemas.CancelExecutionRequest{ID: id}, func(e hodei.Execution) error {
		note(s, e.ID.String(), string(e.Status), e.Status.Ended())
		return nil
	})
}

// note prints what became of a cancelled run or execution.
func note(s *session.Session, name, status string, ended bool) {
	if ended {
		s.Note("%s is %s", name, status)
		return
	}
	s.Note("%s is being cancelled", name)
}

// runOrExecution finds what a person means: release#42 is a run, release#42/test an
// execution of it, and an id, or a part of one, either.
func runOrExecution(ctx context.Context, s *session.Session, text string) (*hodei.Run, hodei.ExecutionRef, error) {
	if !session.IsRun(text) || strings.Contains(text, "/") {
		ref, err := s.Execution(ctx, text)
		if session.IsRun(text) || !errors.Is(err, hodei.NotFound) {
			return nil, ref, err
		}
	}
	ref, err := s.Run(ctx, text)
	if err == nil {
		run, err := s.GetRun(ctx, schemas.GetRunRequest{ID: ref})
		return &run, "", err
	}
	if !session.IsRun(text) && errors.Is(err, hodei.NotFound) {
		err = fmt.Errorf("no execution %q found, and %w", text, err)
	}
	return nil, "", err
}
