package define

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewJob returns `hodei job`.
func NewJob(p *session.Flags) *cobra.Command {
	return cmdline.Noun("job", "Jobs: what to run",
		"  hodei job create --pipeline demo --name build -- make\n  hodei run build",
		newJobCreate(p), newJobList(p), newJobShow(p), newJobUpdate(p), newJobRemove(p))
}

func newJobCreate(p *session.Flags) *cobra.Command {
	f := &jobFlags{}
	var pipeline string
	var cmd *cobra.Command
	cmd = p.Command(&cobra.Command{
		Use: "create --pipeline ID|NAME [-- COMMAND ARGS...]", Short: "Create a job in a pipeline and print its id",
		Long: `Create a job in a pipeline and print its id.

The words after -- run as they are, without a shell; --command is a script for
the shell. Without either, each execution brings its own command. --file
takes the place of all flags but --pipeline, --key and --finally.`,
		Example: `  hodei job create --pipeline demo --name build --type rust -- cargo build --release
  hodei job create --pipeline demo --name count --command 'ls | wc -l' --timeout 1m
  hodei job create --pipeline demo --key test --file test.yaml`,
		Args: cmdline.BeforeDash(),
	}, func(ctx context.Context, s *session.Session, args []string) error {
		run, err := f.Request(args)
		switch {
		case err != nil:
			return err
		case pipeline == "":
			return cmdline.Usagef("--pipeline is required")
		}
		id, err := s.PipelineRef(ctx, pipeline)
		if err != nil {
			return err
		}
		req := schemas.CreateJobRequest{
			PipelineID: id, Name: cmdline.Given(f.name), Description: cmdline.Given(f.description), RunRequest: run,
			Priority: &f.priority, Retries: f.policy(), WorkingDir: cmdline.Given(f.dir),
			Setup: f.place.setup(), Graph: f.place.graph(),
		}
		if f.file != "" {
			req = schemas.CreateJobRequest{PipelineID: id, Graph: hodei.Graph{Key: f.place.key, Finally: f.place.finally}}
			if err := f.read(cmd, s, args, &req); err != nil {
				return err
			}
		}
		return session.Ask(ctx, s, schemas.CreateJob, req, func(j hodei.Job) error { return s.PrintID(j.ID) })
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "pipeline of the job, by id or name (required)")
	f.add(cmd.Flags())
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "type", p.Types())
	return cmd
}

func newJobList(p *session.Flags) *cobra.Command {
	var req schemas.ListJobsRequest
	var pipeline string
	wanted := session.States[hodei.ExecutionStatus]{Of: hodei.ExecutionTransitions}
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List jobs, newest first", Args: cobra.NoArgs,
		Example: "  hodei job ls --pipeline demo\n  hodei job ls --status failed",
	}, func(ctx context.Context, s *session.Session, _ []string) (err error) {
		if req.PipelineID, err = session.Several(ctx, pipeline, s.PipelineRef); err != nil {
			return err
		}
		req.Status = wanted.Value
		return session.List(ctx, s, schemas.ListJobs, req, []string{"id", "name", "status", "type", "command", "age"},
			func(j hodei.Job) []string {
				return []string{j.ID.String(), s.JobLabel(ctx, j), session.Status(s, j.Status), render.OrNone(j.Requirements.Type), session.Brief(j.Command), s.Age(j.CreatedAt)}
			})
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "only of this pipeline, or of these, separated by commas; by id, slug or name")
	cmd.Flags().Var(&wanted, "status", "only of this status, or of these, separated by commas")
	session.AddCreated(cmd.Flags(), &req.Created)
	session.AddPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "status", session.Words(wanted.Of.States()...))
	return cmd
}

func newJobShow(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "show ID|NAME", Short: "Show a job", Args: cobra.ExactArgs(1),
		Example: "  hodei job show build",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Job(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.GetJob, schemas.GetJobRequest{ID: id}, func(j hodei.Job) error { return showJob(ctx, s, j) })
	}), p.Jobs())
}

func showJob(ctx context.Context, s *session.Session, j hodei.Job) error {
	last := render.None
	if j.Execution != nil {
		last = j.Execution.ID.String() + " " + session.Status(s, j.Execution.Status)
	}
	fields := []render.Field{
		{"ID", j.ID.String()},
		{"Name", render.OrNone(j.Name)},
		{"Description", render.OrNone(j.Description)},
		{"Pipeline", session.Named(ctx, &j.PipelineID, s.PipelineName)},
		{"Status", session.Status(s, j.Status)},
		{"Last execution", last},
	}
	fields = append(append(fields, graphFields(j.Graph)...), SpecFields(s, j.Spec)...)
	return s.Record(append(fields, render.Field{"Created", s.Moment(&j.CreatedAt)})...)
}

// SpecFields are the fields that jobs and executions have in common.
func SpecFields(s *session.Session, spec hodei.Spec) []render.Field {
	command, dir, limit := render.None, "temporary", "the worker's"
	if !spec.Command.IsZero() {
		command = render.Clip(spec.Command.String(), 500)
	}
	if spec.WorkingDir != nil {
		dir = render.Plain(*spec.WorkingDir)
	}
	if spec.LogLimit != nil {
		limit = render.Size(uint64(*spec.LogLimit))
	}
	return []render.Field{
		{"Command", command},
		{"Environment", render.Labels(spec.Environment)},
		{"Type", render.OrNone(spec.Requirements.Type)},
		{"Labels", render.Labels(spec.Requirements.Labels)},
		{"Slots", strconv.Itoa(spec.Requirements.Slots())},
		{"Priority", strconv.Itoa(spec.Priority)},
		{"Timeout", render.Seconds(spec.TimeoutSeconds)},
		{"Retries", retries(spec.Retries)},
		{"Working directory", dir},
		{"Log limit", limit},
	}
}

func retries(r *hodei.Retries) string {
	if r == nil || r.Max == 0 {
		return render.None
	}
	return strconv.Itoa(r.Max) + ", the first after " + render.Seconds(&r.BackoffSeconds)
}
