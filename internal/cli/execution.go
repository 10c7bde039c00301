package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/access"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/define"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newExecution(p *session.Flags) *cobra.Command {
	return cmdline.Noun("execution", "Executions: the runs of commands on workers",
		"  hodei execution ls --status running\n  hodei logs -f exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
		newExecutionList(p), newExecutionShow(p), newExecutionCancel(p), newExecutionRetry(p), newExecutionRemove(p))
}

func newExecutionList(p *session.Flags) *cobra.Command {
	var req schemas.ListExecutionsRequest
	var pipeline, job, run, on string
	wanted := session.States[hodei.ExecutionStatus]{Of: hodei.ExecutionTransitions}
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List executions, newest first", Args: cobra.NoArgs,
		Example: "  hodei execution ls --status running\n  hodei execution ls --job build --limit 10 --watch",
	}, func(ctx context.Context, s *session.Session, _ []string) (err error) {
		if req.PipelineID, err = session.Several(ctx, pipeline, s.PipelineRef); err != nil {
			return err
		}
		if req.JobID, err = session.Several(ctx, job, s.Job); err != nil {
			return err
		}
		if req.RunID, err = session.Several(ctx, run, s.Run); err != nil {
			return err
		}
		if req.WorkerID, err = session.Several(ctx, on, s.Worker); err != nil {
			return err
		}
		req.Status = wanted.Value
		return session.List(ctx, s, schemas.ListExecutions, req, []string{"id", "name", "status", "reason", "exit", "command", "duration", "age"},
			func(e hodei.Execution) []string {
				return []string{e.ID.String(), s.ExecutionName(ctx, e), session.Status(s, e.Status), render.OrNone(e.Reason), render.Number(e.ExitCode),
					session.Brief(e.Command), render.Seconds(e.DurationSeconds), s.Age(e.CreatedAt)}
			})
	})
	flags := cmd.Flags()
	flags.StringVar(&pipeline, "pipeline", "", "only of this pipeline, or of these, separated by commas; by id, slug or name")
	flags.StringVar(&job, "job", "", "only of this job, or of these, separated by commas; by id or name")
	flags.StringVar(&run, "run", "", "only of this run, such as shop#42, or of these, separated by commas")
	flags.StringVar(&on, "worker", "", "only on this worker, or on these, separated by commas; by id or name")
	flags.Var(&wanted, "status", "only of this status, or of these, separated by commas")
	session.AddCreated(flags, &req.Created)
	session.AddPage(flags, &req.Page)
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "job", p.Jobs())
	session.Complete(cmd, "worker", p.Workers())
	session.Complete(cmd, "status", session.Words(wanted.Of.States()...))
	return cmd
}

func newExecutionShow(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "show ID", Short: "Show an execution", Args: cobra.ExactArgs(1),
		Example: "  hodei execution show exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Execution(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.GetExecution, schemas.GetExecutionRequest{ID: id}, func(e hodei.Execution) error { return showExecution(ctx, s, e) })
	}), p.Executions())
}

func showExecution(ctx context.Context, s *session.Session, e hodei.Execution) error {
	fields := []render.Field{
		{"ID", e.ID.String()},
		{"Name", s.ExecutionName(ctx, e)},
		{"Job", session.Named(ctx, e.JobID, s.JobName)},
		{"Pipeline", session.Named(ctx, e.PipelineID, s.PipelineName)},
		{"Status", strings.TrimSpace(session.Status(s, e.Status) + " " + detail(e))},
		{"Worker", session.Named(ctx, e.WorkerID, s.WorkerName)},
		{"Attempt", strconv.Itoa(e.Attempt)},
		{"Retry of", reference(e.RetryOf)},
		{"Retried at", s.Moment(e.RetryAt)},
	}
	fields = append(fields, define.SpecFields(s, e.Spec)...)
	if len(e.SecretVersions) > 0 {
		fields = append(fields, render.Field{"Secrets", access.SecretVersions(e.SecretVersions)})
	}
	fields = append(fields, callers(e.StartedBy, e.CancelledBy)...)
	return s.Record(append(fields,
		render.Field{"Created", s.Moment(&e.CreatedAt)},
		render.Field{"Started", s.Moment(e.StartedAt)},
		render.Field{"Completed", s.Moment(e.CompletedAt)},
		render.Field{"Waited", render.Seconds(e.QueuedSeconds)},
		render.Field{"Ran", render.Seconds(e.DurationSeconds)},
		render.Field{"Used", used(e.Resources)},
		render.Field{"Log lines", logLines(e)},
	)...)
}

// logLines is how many lines a log has, as "40 (damaged)".
func logLines(e hodei.Execution) string {
	count := strconv.FormatInt(e.LogCount, 10)
	if e.LogDamaged {
		count += " (damaged: a line of the log names what is missing)"
	}
	return count
}

func reference[K hodei.Kind](id *hodei.ID[K]) string {
	if id == nil {
		return render.None
	}
	return id.String()
}

// used returns the resources of an execution, as "1.2s CPU, 34.5 MiB of
// memory".
func used(r *hodei.Resources) string {
	if r == nil {
		return render.None
	}
	cpu := r.UserCPUSeconds + r.SystemCPUSeconds
	return render.Seconds(&cpu) + " CPU, " + render.Size(uint64(r.PeakMemoryBytes)) + " of memory"
}

// detail is why an execution ended as it did, as "(EXIT_CODE 3)".
func detail(e hodei.Execution) string {
	var words []string
	if e.Reason != nil {
		words = append(words, string(*e.Reason))
	}
	switch {
	case e.Signal != nil:
		words = append(words, *e.Signal)
	case e.ExitCode != nil && *e.ExitCode != 0:
		words = append(words, strconv.Itoa(*e.ExitCode))
	}
	if len(words) == 0 {
		return ""
	}
	return "(" + render.Plain(strings.Join(words, " ")) + ")"
}

func newExecutionCancel(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "cancel ID", Short: "Cancel an execution", Args: cobra.ExactArgs(1),
		Long: `Cancel an execution. One that waits is cancelled at once; one that runs is sent
TERM, and KILL when it has not ended after the grace period of its worker, 10 s unless
its --grace is another.`,
		Example: "  hodei execution cancel exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Execution(ctx, args[0])
		if err != nil {
			return err
		}
		return cancelExecution(ctx, s, id)
	}), p.Executions(hodei.Running, hodei.Pending))
}

func newExecutionRetry(p *session.Flags) *cobra.Command {
	var follow bool
	cmd := p.Command(&cobra.Command{
		Use: "retry ID", Short: "Run an ended execution again, and print the id of the new one", Args: cobra.ExactArgs(1),
		Example: "  hodei execution retry --follow exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Execution(ctx, args[0])
		if err != nil {
			return err
		}
		body, again, err := start(ctx, s, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: id})
		if err != nil {
			return err
		}
		if follow {
			return (&following{Session: s, id: again.ID}).attend(ctx)
		}
		return session.Present(s, "retry", body, func(e hodei.Execution) error { return s.PrintID(e.ID) })
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow it, as run does")
	return session.CompleteFirst(cmd, p.Executions(hodei.Failed, hodei.TimedOut, hodei.Cancelled, hodei.Completed))
}

func newExecutionRemove(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(session.Remove(p, schemas.DeleteExecution, "Delete executions with their logs",
		"Executions that have not ended, or with a retry due, are refused.", "exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
		executionID, func(id hodei.ExecutionID) schemas.DeleteExecutionRequest {
			return schemas.DeleteExecutionRequest{ID: hodei.RefTo(id)}
		}), p.Executions(hodei.Failed, hodei.TimedOut, hodei.Cancelled, hodei.Completed))
}

// executionID is the id of the execution that a person names.
func executionID(s *session.Session, ctx context.Context, text string) (hodei.ExecutionID, error) {
	ref, err := s.Execution(ctx, text)
	if err != nil {
		return hodei.ExecutionID{}, err
	}
	return s.ExecutionID(ctx, ref)
}

// callers are the names of those who asked for something and cancelled it, as far as they
// are known: without access control they are not.
func callers(started, cancelled *string) (fields []render.Field) {
	if started != nil {
		fields = append(fields, render.Field{"Started by", render.Plain(*started)})
	}
	if cancelled != nil {
		fields = append(fields, render.Field{"Cancelled by", render.Plain(*cancelled)})
	}
	return fields
}
