package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newExecution() *cobra.Command {
	return newGroup("execution", "Executions: the runs of commands on workers",
		"  hodei execution ls --status running\n  hodei logs -f exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
		p.newExecutionList(), p.newExecutionShow(), p.newExecutionCancel(), p.newExecutionRetry(), p.newExecutionRemove())
}

func (p *people) newExecutionList() *cobra.Command {
	var req schemas.ListExecutionsRequest
	var pipeline, job, on string
	wanted := state[hodei.ExecutionStatus]{of: hodei.ExecutionTransitions}
	cmd := p.listing(&cobra.Command{
		Use: "ls", Short: "List executions, newest first", Args: cobra.NoArgs,
		Example: "  hodei execution ls --status running\n  hodei execution ls --job build --limit 10 --watch",
	}, func(ctx context.Context, s *session, _ []string) (err error) {
		if req.PipelineID, err = optional(ctx, pipeline, s.pipeline); err != nil {
			return err
		}
		if req.JobID, err = optional(ctx, job, s.job); err != nil {
			return err
		}
		if req.WorkerID, err = optional(ctx, on, s.worker); err != nil {
			return err
		}
		req.Status = wanted.value
		return list(ctx, s, schemas.ListExecutions, req, []string{"id", "status", "reason", "exit", "command", "duration", "age"},
			func(e hodei.Execution) []string {
				return []string{e.ID.String(), status(s, e.Status), or(e.Reason), number(e.ExitCode), brief(e.Command), took(e.DurationSeconds), s.age(e.CreatedAt)}
			})
	})
	flags := cmd.Flags()
	flags.StringVar(&pipeline, "pipeline", "", "only of this pipeline, by id or name")
	flags.StringVar(&job, "job", "", "only of this job, by id or name")
	flags.StringVar(&on, "worker", "", "only on this worker, by id or name")
	flags.Var(&wanted, "status", "only of this status, or of these, separated by commas")
	addCreated(flags, &req.Created)
	addPage(flags, &req.Page)
	complete(cmd, "pipeline", p.pipelines())
	complete(cmd, "job", p.jobs())
	complete(cmd, "worker", p.workers())
	complete(cmd, "status", words(wanted.of.States()...))
	return cmd
}

func (p *people) newExecutionShow() *cobra.Command {
	return completeFirst(p.command(&cobra.Command{
		Use: "show ID", Short: "Show an execution", Args: cobra.ExactArgs(1),
		Example: "  hodei execution show exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.execution(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.GetExecution, schemas.GetExecutionRequest{ID: id}, s.showExecution)
	}), p.executions())
}

func (s *session) showExecution(e hodei.Execution) error {
	fields := []field{
		{"ID", e.ID.String()},
		{"Job", reference(e.JobID)},
		{"Pipeline", reference(e.PipelineID)},
		{"Status", strings.TrimSpace(status(s, e.Status) + " " + detail(e))},
		{"Worker", reference(e.WorkerID)},
		{"Attempt", strconv.Itoa(e.Attempt)},
		{"Retry of", reference(e.RetryOf)},
		{"Retried at", s.moment(e.RetryAt)},
	}
	fields = append(fields, s.spec(e.Spec)...)
	return s.record(append(fields,
		field{"Created", s.moment(&e.CreatedAt)},
		field{"Started", s.moment(e.StartedAt)},
		field{"Completed", s.moment(e.CompletedAt)},
		field{"Waited", took(e.QueuedSeconds)},
		field{"Ran", took(e.DurationSeconds)},
		field{"Used", used(e.Resources)},
		field{"Log lines", logLines(e)},
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
		return none
	}
	return id.String()
}

// used is what an execution took of its machine, as "1.2s CPU, 34.5 MiB of
// memory".
func used(r *hodei.Resources) string {
	if r == nil {
		return none
	}
	cpu := r.UserCPUSeconds + r.SystemCPUSeconds
	return took(&cpu) + " CPU, " + size(uint64(r.PeakMemoryBytes)) + " of memory"
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
	return "(" + plain(strings.Join(words, " ")) + ")"
}

func (p *people) newExecutionCancel() *cobra.Command {
	return completeFirst(p.command(&cobra.Command{
		Use: "cancel ID", Short: "Cancel an execution", Args: cobra.ExactArgs(1),
		Long: `Cancel an execution. One that waits is cancelled at once; one that runs is sent
TERM, and KILL when it has not ended ten seconds later.`,
		Example: "  hodei execution cancel exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.execution(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.CancelExecution, schemas.CancelExecutionRequest{ID: id}, func(e hodei.Execution) error {
			if e.Status.Ended() {
				s.say("%s is %s", e.ID, e.Status)
			} else {
				s.say("%s is being cancelled", e.ID)
			}
			return nil
		})
	}), p.executions(hodei.Running, hodei.Pending))
}

func (p *people) newExecutionRetry() *cobra.Command {
	var follow bool
	cmd := p.command(&cobra.Command{
		Use: "retry ID", Short: "Execute again what has ended, and print the id of the new execution", Args: cobra.ExactArgs(1),
		Example: "  hodei execution retry --follow exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.execution(ctx, args[0])
		if err != nil {
			return err
		}
		body, again, err := start(ctx, s, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: id})
		if err != nil {
			return err
		}
		if follow {
			return (&following{session: s, id: again.ID}).attend(ctx)
		}
		return present(s, "retry", body, func(e hodei.Execution) error { return s.id(e.ID) })
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow it, as run does")
	return completeFirst(cmd, p.executions(hodei.Failed, hodei.TimedOut, hodei.Cancelled, hodei.Completed))
}

func (p *people) newExecutionRemove() *cobra.Command {
	return completeFirst(remove(p, schemas.DeleteExecution, "Remove executions, with their logs",
		"One that has not ended, or that is about to be retried, is refused.", "exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
		(*session).execution, func(id hodei.ExecutionID) schemas.DeleteExecutionRequest {
			return schemas.DeleteExecutionRequest{ID: id}
		}), p.executions(hodei.Failed, hodei.TimedOut, hodei.Cancelled, hodei.Completed))
}
