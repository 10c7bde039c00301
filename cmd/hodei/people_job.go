package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newJob() *cobra.Command {
	return newGroup("job", "Jobs: what to run",
		"  hodei job create --pipeline demo --name build -- make\n  hodei run build",
		p.newJobCreate(), p.newJobList(), p.newJobShow(), p.newJobUpdate(), p.newJobRemove())
}

func (p *people) newJobCreate() *cobra.Command {
	f := &jobFlags{}
	var pipeline string
	cmd := p.command(&cobra.Command{
		Use: "create --pipeline ID|NAME [-- COMMAND ARGS...]", Short: "Create a job in a pipeline and print its id",
		Long: `Create a job in a pipeline and print its id.

The words after -- run as they are, without a shell; --command is a script for
the shell. Without either, each execution brings its own command.`,
		Example: `  hodei job create --pipeline demo --name build --type rust -- cargo build --release
  hodei job create --pipeline demo --name count --command 'ls | wc -l' --timeout 1m`,
		Args: beforeDash(),
	}, func(ctx context.Context, s *session, args []string) error {
		run, err := f.request(args)
		switch {
		case err != nil:
			return err
		case pipeline == "":
			return usageError{errors.New("--pipeline is required")}
		}
		id, err := s.pipeline(ctx, pipeline)
		if err != nil {
			return err
		}
		req := schemas.CreateJobRequest{
			PipelineID: id, Name: set(f.name), Description: set(f.description), RunRequest: run,
			Priority: &f.priority, Retries: f.policy(), WorkingDir: set(f.dir),
		}
		return ask(ctx, s, schemas.CreateJob, req, func(j hodei.Job) error { return s.id(j.ID) })
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "pipeline of the job, by id or name (required)")
	f.add(cmd.Flags())
	complete(cmd, "pipeline", p.pipelines())
	complete(cmd, "type", p.types())
	return cmd
}

func (p *people) newJobList() *cobra.Command {
	var req schemas.ListJobsRequest
	var pipeline string
	wanted := state[hodei.ExecutionStatus]{of: hodei.ExecutionTransitions}
	cmd := p.listing(&cobra.Command{
		Use: "ls", Short: "List jobs, newest first", Args: cobra.NoArgs,
		Example: "  hodei job ls --pipeline demo\n  hodei job ls --status failed",
	}, func(ctx context.Context, s *session, _ []string) (err error) {
		if req.PipelineID, err = optional(ctx, pipeline, s.pipeline); err != nil {
			return err
		}
		req.Status = wanted.value
		return list(ctx, s, schemas.ListJobs, req, []string{"id", "name", "status", "type", "command", "age"},
			func(j hodei.Job) []string {
				return []string{j.ID.String(), clipped(or(j.Name), 40), status(s, j.Status), or(j.Requirements.Type), brief(j.Command), s.age(j.CreatedAt)}
			})
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "only of this pipeline, by id or name")
	cmd.Flags().Var(&wanted, "status", "only of this status, or of these, separated by commas")
	addCreated(cmd.Flags(), &req.Created)
	addPage(cmd.Flags(), &req.Page)
	complete(cmd, "pipeline", p.pipelines())
	complete(cmd, "status", words(wanted.of.States()...))
	return cmd
}

// brief is a command as a table shows it.
func brief(c hodei.Command) string {
	if c.IsZero() {
		return none
	}
	return clipped(c.String(), 40)
}

func (p *people) newJobShow() *cobra.Command {
	return completeFirst(p.command(&cobra.Command{
		Use: "show ID|NAME", Short: "Show a job", Args: cobra.ExactArgs(1),
		Example: "  hodei job show build",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.job(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.GetJob, schemas.GetJobRequest{ID: id}, s.showJob)
	}), p.jobs())
}

func (s *session) showJob(j hodei.Job) error {
	last := none
	if j.Execution != nil {
		last = j.Execution.ID.String() + " " + status(s, j.Execution.Status)
	}
	fields := []field{
		{"ID", j.ID.String()},
		{"Name", or(j.Name)},
		{"Description", or(j.Description)},
		{"Pipeline", j.PipelineID.String()},
		{"Status", status(s, j.Status)},
		{"Last execution", last},
	}
	fields = append(fields, s.spec(j.Spec)...)
	return s.record(append(fields, field{"Created", s.moment(&j.CreatedAt)})...)
}

// spec is what a job and an execution both say about the run.
func (s *session) spec(spec hodei.Spec) []field {
	command, dir, limit := none, "a fresh one", "the worker's"
	if !spec.Command.IsZero() {
		command = clipped(spec.Command.String(), 500)
	}
	if spec.WorkingDir != nil {
		dir = plain(*spec.WorkingDir)
	}
	if spec.LogLimit != nil {
		limit = size(uint64(*spec.LogLimit))
	}
	return []field{
		{"Command", command},
		{"Environment", labels(spec.Environment)},
		{"Type", or(spec.Requirements.Type)},
		{"Labels", labels(spec.Requirements.Labels)},
		{"Slots", strconv.Itoa(spec.Requirements.Slots())},
		{"Priority", strconv.Itoa(spec.Priority)},
		{"Timeout", took(spec.TimeoutSeconds)},
		{"Retries", retries(spec.Retries)},
		{"Working directory", dir},
		{"Log limit", limit},
	}
}

func retries(r *hodei.Retries) string {
	if r == nil || r.Max == 0 {
		return none
	}
	return strconv.Itoa(r.Max) + ", the first after " + took(&r.BackoffSeconds)
}
