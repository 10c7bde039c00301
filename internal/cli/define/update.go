package define

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newPipelineUpdate(p *session.Flags) *cobra.Command {
	var name, description, slug string
	cmd := p.Command(&cobra.Command{
		Use: "update ID|NAME", Short: "Update the given fields of a pipeline", Args: cobra.ExactArgs(1),
		Example: "  hodei pipeline update demo --name show\n  hodei pipeline update demo --description ''",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.PipelineRef(ctx, args[0])
		if err != nil {
			return err
		}
		req := schemas.UpdatePipelineRequest{ID: id}
		changed := s.Changed
		if changed("name") {
			req.Name = schemas.Patch[string]{Set: true, Value: &name}
		}
		if changed("description") {
			req.Description = schemas.Patch[string]{Set: true, Value: cmdline.Given(description)}
		}
		if changed("slug") {
			req.Slug = schemas.Patch[string]{Set: true, Value: cmdline.Given(slug)}
		}
		return session.Ask(ctx, s, schemas.UpdatePipeline, req, func(p hodei.Pipeline) error { return showPipeline(s, p) })
	})
	cmd.Flags().StringVar(&name, "name", "", "new name")
	cmd.Flags().StringVar(&description, "description", "", "description; '' removes it")
	cmd.Flags().StringVar(&slug, "slug", "", "new slug; '' for none")
	return session.CompleteFirst(cmd, p.Pipelines())
}

// jobFlags are the flags of a job besides its command.
type jobFlags struct {
	Workload
	place                  graphFlags
	name, description, dir string
	file                   string
	priority, retries      int
	backoff                cmdline.Duration
}

func (f *jobFlags) add(flags *pflag.FlagSet) {
	flags.StringVarP(&f.file, "file", "f", "", "file with the job as hodei.yaml has it below its key, YAML or (.json) JSON; - for standard input")
	flags.StringVar(&f.name, "name", "", "name of the job")
	flags.StringVar(&f.description, "description", "", "description")
	flags.IntVar(&f.priority, "priority", hodei.DefaultPriority, "priority in the queue, 0 to 10, higher first")
	flags.StringVar(&f.dir, "working-dir", "", "directory on the worker (default: a temporary one)")
	flags.IntVar(&f.retries, "retries", 0, "number of retries if it does not complete")
	flags.Var(&f.backoff, "backoff", "pause before the first retry; doubles each time")
	f.AddCommand(flags)
	f.AddNeeds(flags)
	f.place.add(flags)
}

func (f *jobFlags) policy() *hodei.Retries {
	if f.retries == 0 && f.backoff == 0 {
		return nil
	}
	return &hodei.Retries{Max: f.retries, BackoffSeconds: f.backoff.Seconds()}
}

// retry applies the given flags to the retries that the job has. It returns nil for none.
func (f *jobFlags) retry(now *hodei.Retries, changed func(string) bool) *hodei.Retries {
	given, retries := cmp.Or(f.policy(), &hodei.Retries{}), *cmp.Or(now, &hodei.Retries{})
	if changed("retries") {
		retries.Max = given.Max
	}
	if changed("backoff") {
		retries.BackoffSeconds = given.BackoffSeconds
	}
	if retries.Max == 0 && (changed("retries") || retries.BackoffSeconds == 0) {
		return nil
	}
	return &retries
}

func newJobUpdate(p *session.Flags) *cobra.Command {
	f := &jobFlags{}
	var unset []string
	var cmd *cobra.Command
	cmd = p.Command(&cobra.Command{
		Use: "update ID|NAME [-- COMMAND ARGS...]", Short: "Update the given fields of a job",
		Long: `Update the given fields of a job. An empty value or 0 clears, --env adds to the
environment and --unset takes from it; --label, --needs, --if and --matrix
replace what there is. Executions that exist keep what they have.

--file replaces the fields that are in the file, among them those without a flag.`,
		Example: `  hodei job update build --timeout 10m --retries 2
  hodei job update build --env PROFILE=debug --unset CI
  hodei job update build -- cargo build --release
  hodei job update test --needs build --matrix go=1.25,1.26 --allow-failure
  echo 'artifacts: { app: { paths: [dist/**] } }' | hodei job update build --file -`,
		Args: cmdline.BeforeDash("ID|NAME"),
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Job(ctx, args[0])
		if err != nil {
			return err
		}
		update := func(req schemas.UpdateJobRequest) error {
			return session.Ask(ctx, s, schemas.UpdateJob, req, func(j hodei.Job) error { return showJob(ctx, s, j) })
		}
		if f.file != "" {
			req := schemas.UpdateJobRequest{ID: id}
			if err := f.read(cmd, s, args[1:], &req); err != nil {
				return err
			}
			f.place.update(&req.PlaceUpdate, func(flag string) bool { return slices.Contains(besideFile, flag) && s.Changed(flag) })
			return update(req)
		}
		command, err := f.Command(args[1:])
		if err != nil {
			return err
		}
		now, err := s.GetJob(ctx, schemas.GetJobRequest{ID: id})
		if err != nil {
			return err
		}
		req, err := f.update(now, command, unset, s.Changed)
		if err != nil {
			return err
		}
		return update(req)
	})
	f.add(cmd.Flags())
	cmd.Flags().StringSliceVar(&unset, "unset", nil, "environment variable to remove; repeatable")
	session.Complete(cmd, "type", p.Types())
	return session.CompleteFirst(cmd, p.Jobs())
}

// update returns the request that applies the flags to the job.
func (f *jobFlags) update(now hodei.Job, command *hodei.Command, unset []string, changed func(string) bool) (schemas.UpdateJobRequest, error) {
	req := schemas.UpdateJobRequest{ID: now.ID}
	if f.slots < 0 || f.retries < 0 {
		return req, cmdline.Usagef("--slots and --retries must not be negative")
	}
	patchText := func(flag, value string, to *schemas.Patch[string]) {
		if changed(flag) {
			*to = schemas.Patch[string]{Set: true, Value: cmdline.Given(value)}
		}
	}
	patchText("name", f.name, &req.Name)
	patchText("description", f.description, &req.Description)
	patchText("working-dir", f.dir, &req.WorkingDir)
	if command != nil {
		req.Command = schemas.Patch[hodei.Command]{Set: true, Value: command}
	}
	if changed("priority") {
		req.Priority = schemas.Patch[int]{Set: true, Value: &f.priority}
	}
	if changed("timeout") {
		req.TimeoutSeconds.Set = true
		if seconds := f.timeout.Seconds(); seconds > 0 {
			req.TimeoutSeconds.Value = &seconds
		}
	}
	if changed("retries") || changed("backoff") {
		req.Retries = schemas.Patch[hodei.Retries]{Set: true, Value: f.retry(now.Retries, changed)}
	}
	if changed("env") || len(unset) > 0 {
		env := maps.Clone(now.Environment)
		maps.Copy(env, f.Environment)
		for _, name := range unset {
			delete(env, name)
		}
		req.Environment = schemas.Patch[map[string]string]{Set: true, Value: &env}
	}
	f.needs(now, &req, changed)
	f.place.update(&req.PlaceUpdate, changed)
	if gate := req.Approval.Value; gate != nil && now.Approval != nil {
		gate.TimeoutSeconds = now.Approval.TimeoutSeconds
	}
	return req, nil
}

// needs changes what is asked of the worker: a record of its own, which is
// replaced as a whole.
func (f *jobFlags) needs(now hodei.Job, req *schemas.UpdateJobRequest, changed func(string) bool) {
	if !changed("type") && !changed("slots") && !changed("label") {
		return
	}
	needs := now.Requirements
	if changed("type") {
		needs.Type = cmdline.Given(f.kind)
	}
	if changed("slots") {
		needs.Capacity = max(1, f.slots)
	}
	if changed("label") {
		needs.Labels = f.labels
	}
	req.Requirements = schemas.Patch[hodei.Requirements]{Set: true, Value: &needs}
}

func newPipelineRemove(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(session.Remove(p, schemas.DeletePipeline, "Delete pipelines with their jobs and executions", withLive, "demo",
		(*session.Session).Pipeline, func(id hodei.PipelineID) schemas.DeletePipelineRequest {
			return schemas.DeletePipelineRequest{ID: hodei.RefTo(id)}
		}), p.Pipelines())
}

func newJobRemove(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(session.Remove(p, schemas.DeleteJob, "Delete jobs with their executions", withLive, "build",
		(*session.Session).Job, func(id hodei.JobID) schemas.DeleteJobRequest { return schemas.DeleteJobRequest{ID: id} }), p.Jobs())
}

// withLive explains when pipelines and jobs cannot be deleted.
const withLive = "Refused while an execution has not ended."
