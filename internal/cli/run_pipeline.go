package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/define"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// runOptions are the flags of run that are about pipelines.
type runOptions struct {
	cmd    *cobra.Command
	file   string
	params cmdline.Pairs
	only   []string
	ref    string
	source string
}

func (r *runOptions) add(flags *pflag.FlagSet) {
	flags.StringVarP(&r.file, "file", "f", "", "apply the pipeline in this file first, as hodei.yaml, and run it")
	flags.VarP(&r.params, "param", "p", "value of a parameter of the pipeline; may be repeated")
	flags.StringSliceVar(&r.only, "only", nil, "only these jobs of the pipeline, by key; what they need beside counts as succeeded")
	flags.StringVar(&r.ref, "ref", "", "branch, tag or commit of the pipeline's source")
	flags.StringVar(&r.source, "source", "", "upload this directory and run it in place of the pipeline's source; in a git repository without the ignored files")
}

// given reports whether a flag was used that only pipelines have.
func (r *runOptions) given() bool {
	return len(r.params) > 0 || len(r.only) > 0 || r.ref != "" || r.source != ""
}

// args accepts what run takes: a name, or a file.
func (r *runOptions) args(cmd *cobra.Command, args []string) error {
	if r.source != "" && r.ref != "" {
		return cmdline.Usagef("--source uploads a directory; leave --ref out")
	}
	if r.file == "" {
		return cmdline.BeforeDash("PIPELINE or JOB")(cmd, args)
	}
	if len(args) > 0 {
		return cmdline.Usagef("-f names the pipeline; leave %q out", args[0])
	}
	return nil
}

// pipeline is the pipeline that is meant, nil if it must be a job. A job of the same name
// makes the name ambiguous.
func (r *runOptions) pipeline(ctx context.Context, s *session.Session, args []string) (*hodei.PipelineRef, error) {
	if r.file != "" {
		return define.Apply(ctx, s, r.cmd, r.file)
	}
	if len(args) > 1 || strings.HasPrefix(args[0], hodei.JobID{}.Prefix()+"_") {
		return nil, nil // a job with another command
	}
	ref, err := s.PipelineRef(ctx, args[0])
	switch {
	case errors.Is(err, hodei.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case r.given():
		return &ref, nil
	}
	if job, err := s.NamedJob(ctx, args[0]); err == nil && !strings.HasPrefix(args[0], hodei.PipelineID{}.Prefix()+"_") {
		return nil, cmdline.Usagef("%q is a pipeline, %s, and a job, %s; give the id of the one to run", args[0], ref, job)
	}
	return &ref, nil
}

func (r *runOptions) run(ctx context.Context, s *session.Session, pipeline hodei.PipelineRef, w *define.Workload, detach, quiet bool) error {
	req := schemas.ExecutePipelineRequest{
		ID: pipeline, Params: r.params.Scalars(), Environment: w.Environment, Only: r.only, Ref: cmdline.Given(r.ref), Trigger: hodei.TriggerManual,
		Delayed: schemas.Delayed{NotBefore: w.NotBefore.At},
	}
	if r.source != "" {
		var err error
		if req.Source, err = upload(ctx, s, pipeline, r.source); err != nil {
			return err
		}
	}
	return startRun(ctx, s, schemas.ExecutePipeline, req, detach, quiet)
}
