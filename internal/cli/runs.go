package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/files"
	"github.com/hodei-jobs/hodei/internal/cli/progress"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newRuns(p *session.Flags) *cobra.Command {
	var req schemas.ListRunsRequest
	var pipeline string
	wanted := session.States[hodei.RunStatus]{Of: hodei.RunTransitions}
	cmd := p.Listing(&cobra.Command{
		Use: "runs [PIPELINE]", Short: "List runs of pipelines, newest first", Args: cobra.MaximumNArgs(1),
		Long: `List runs of pipelines, newest first. A run is named by its pipeline and its
number, as release#42, wherever a command takes one.`,
		Example: "  hodei runs release --status failed\n  hodei run show release#42\n  hodei rerun release#42",
	}, func(ctx context.Context, s *session.Session, args []string) (err error) {
		if len(args) == 1 && pipeline != "" {
			return cmdline.Usagef("give PIPELINE or --pipeline, not both")
		} else if len(args) == 1 {
			pipeline = args[0]
		}
		if req.PipelineID, err = session.Several(ctx, pipeline, s.PipelineRef); err != nil {
			return err
		}
		req.Status = wanted.Value
		return session.List(ctx, s, schemas.ListRuns, req, []string{"run", "status", "reason", "trigger", "duration", "age", "id"},
			func(r hodei.Run) []string {
				return []string{session.RunName(r), runStatus(s, r), render.OrNone(r.Reason), string(r.Trigger.Kind), render.Seconds(r.DurationSeconds), s.Age(r.CreatedAt), r.ID.String()}
			})
	})
	flags := cmd.Flags()
	flags.StringVar(&pipeline, "pipeline", "", "only of this pipeline, or of these, separated by commas; by id, slug or name")
	flags.Var(&wanted, "status", "only of this status, or of these, separated by commas")
	session.AddCreated(flags, &req.Created)
	session.AddPage(flags, &req.Page)
	session.CompleteFirst(cmd, p.Pipelines())
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "status", session.Words(wanted.Of.States()...))
	return cmd
}

// runStatus is the state of a run, with its warnings.
func runStatus(s *session.Session, r hodei.Run) string {
	status := session.Status(s, r.Status)
	if r.Warnings > 0 {
		status += " (" + render.Count(r.Warnings, "warning") + ")"
	}
	return status
}

func newRunShow(p *session.Flags) *cobra.Command {
	return p.Command(&cobra.Command{
		Use: "show RUN", Short: "Show a run with its jobs", Args: cobra.ExactArgs(1),
		Example: "  hodei run show release#42",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Run(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.GetRun, schemas.GetRunRequest{ID: id}, func(r hodei.Run) error {
			return showRun(ctx, s, r, files.ReportsOf(ctx, s, r), progress.Waiting(ctx, s, r))
		})
	})
}

func showRun(ctx context.Context, s *session.Session, r hodei.Run, reports []hodei.Artifact, waiting map[string]schemas.QueueEntry) error {
	params := render.Labels(r.Params)
	fields := []render.Field{
		{"Run", session.RunName(r)}, {"ID", r.ID.String()}, {"Pipeline", session.Named(ctx, &r.PipelineID, s.PipelineName)},
		{"Status", runStatus(s, r)}, {"Reason", cmp.Or(render.Plain(r.Why()), render.None)},
		{"Trigger", strings.TrimSpace(string(r.Trigger.Kind) + " " + by(r.Trigger))}, {"Params", params}, {"Ref", render.OrNone(r.Ref)},
		{"Commit", render.OrNone(r.Commit)}, {"Definition", r.Definition}, {"Rerun of", reference(r.RerunOf)}, {"Created", s.Moment(&r.CreatedAt)},
		{"Started", s.Moment(r.StartedAt)}, {"Completed", s.Moment(r.CompletedAt)},
		{"Took", render.Seconds(r.DurationSeconds)},
	}
	if r.Parent != nil {
		fields = append(fields, render.Field{"Started by", render.Plain(session.ParentName(r.Parent))})
	}
	if len(reports) > 0 {
		fields = append(fields, render.Field{"Tests", files.Counts(files.Total(reports))})
	}
	fields = append(fields, callers(r.Trigger.By, r.CancelledBy)...)
	if err := s.Record(fields...); err != nil {
		return err
	}
	var rows [][]string
	for _, j := range r.Jobs {
		why := cmp.Or(render.Plain(waiting[j.Key].Reason), render.Plain(progress.Detail(j)), answered(j.Approval), render.None)
		rows = append(rows, []string{render.Plain(j.Key), session.Status(s, j.Status), took(j), strings.Join(j.Needs, ","), why, executed(j)})
	}
	if err := s.Table([]string{"job", "status", "took", "needs", "why", "execution"}, rows); err != nil {
		return err
	}
	return files.ShowFailures(s, reports)
}

// answered is who approved or rejected the job, and with which comment, "" without an answer.
func answered(a *hodei.Approval) string {
	if a == nil || a.Approved == nil {
		return ""
	}
	text := "approved"
	if !*a.Approved {
		text = "rejected"
	}
	if a.By != nil {
		text += " by " + render.Plain(*a.By)
	}
	if a.Comment != nil {
		text += ": " + render.Plain(*a.Comment)
	}
	return text
}

// executed is the execution of the job, or the run that it has started.
func executed(j hodei.RunJob) string {
	if j.Child != nil {
		return render.Plain(session.ChildName(j.Child))
	}
	return reference(j.LastExecution())
}

// by is the caller who started the run, in the words of a table.
func by(t hodei.RunTrigger) string {
	if t.By == nil {
		return ""
	}
	return "by " + render.Plain(*t.By)
}

// took is how long the job's last execution ran.
func took(j hodei.RunJob) string {
	if j.StartedAt == nil || j.CompletedAt == nil {
		return render.None
	}
	seconds := j.CompletedAt.Sub(*j.StartedAt).Seconds()
	return render.Seconds(&seconds)
}

func newPipelineExecute(p *session.Flags) *cobra.Command {
	var params cmdline.Pairs
	req := schemas.ExecutePipelineRequest{Trigger: hodei.TriggerManual}
	cmd := p.Command(&cobra.Command{
		Use: "execute ID|NAME", Short: "Execute a pipeline and print the name of its run", Args: cobra.ExactArgs(1),
		Example: "  hodei pipeline execute release --param env=prod\n  hodei pipeline execute release --only build,test",
	}, func(ctx context.Context, s *session.Session, args []string) (err error) {
		if req.ID, err = s.PipelineRef(ctx, args[0]); err != nil {
			return err
		}
		req.Params = params.Scalars()
		return session.Ask(ctx, s, schemas.ExecutePipeline, req, func(r hodei.Run) error { return printRun(s, r) })
	})
	cmd.Flags().Var(&params, "param", "value of a parameter, as env=prod; may be repeated")
	cmd.Flags().StringSliceVar(&req.Only, "only", nil, "keys of the jobs that are wanted; what they need beside counts as succeeded")
	return session.CompleteFirst(cmd, p.Pipelines())
}

// printRun prints the name of a run, for other commands to take.
func printRun(s *session.Session, r hodei.Run) error {
	_, err := fmt.Fprintln(s.Out, session.RunName(r))
	return err
}

func newRerun(p *session.Flags) *cobra.Command {
	var all, detach, quiet bool
	var jobs []string
	cmd := p.Command(&cobra.Command{
		Use: "rerun RUN", Short: "Repeat the jobs of a run that did not succeed, and follow the new run", Args: cobra.ExactArgs(1),
		Annotations: session.LineOutput,
		Long: `Repeat a run that has ended: its jobs that did not succeed, or those named, with
everything downstream of them. The others keep their results and outputs. The new run is
followed as by hodei run.`,
		Example: "  hodei rerun release#42\n  hodei rerun release#42 --job test\n  hodei rerun release#42 --all --detach",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		if all && len(jobs) > 0 {
			return cmdline.Usagef("--all and --job exclude each other")
		}
		id, err := s.Run(ctx, args[0])
		if err != nil {
			return err
		}
		req := schemas.RerunRunRequest{ID: id, Jobs: jobs}
		if all {
			req.Jobs = schemas.Selection{"all"}
		}
		return startRun(ctx, s, schemas.RerunRun, req, detach, quiet)
	})
	cmd.Flags().BoolVar(&all, "all", false, "repeat every job")
	cmd.Flags().StringArrayVar(&jobs, "job", nil, "key of a job to repeat; may be repeated")
	addFollowing(cmd, &detach, &quiet)
	return cmd
}

func newApprove(p *session.Flags) *cobra.Command {
	return replying(p, "approve", "Approve a job that waits for it: it starts", schemas.ApproveRun, func(a schemas.RunAnswer) schemas.ApproveRunRequest {
		return schemas.ApproveRunRequest{RunAnswer: a}
	})
}

func newReject(p *session.Flags) *cobra.Command {
	return replying(p, "reject", "Reject a job that waits for an approval: it fails", schemas.RejectRun, func(a schemas.RunAnswer) schemas.RejectRunRequest {
		return schemas.RejectRunRequest{RunAnswer: a}
	})
}

// replying is the command that answers a job in a run, named release#42/deploy. The
// job may be left out where only one waits.
func replying[Req any](p *session.Flags, verb, short string, op schemas.Operation[Req, hodei.Run], request func(schemas.RunAnswer) Req) *cobra.Command {
	var comment string
	cmd := p.Command(&cobra.Command{
		Use: verb + " RUN[/JOB]", Short: short, Args: cobra.ExactArgs(1),
		Long:    short + ".\n\nThe job may be left out where only one job of the run waits for an approval.",
		Example: "  hodei " + verb + " release#42/deploy --comment 'seen on staging'",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		name, key, named := strings.Cut(args[0], "/")
		id, err := s.Run(ctx, name)
		if err != nil {
			return err
		}
		if !named {
			if key, err = blocked(ctx, s, id); err != nil {
				return err
			}
		}
		answer := schemas.RunAnswer{ID: id, Key: key, Comment: cmdline.Given(comment)}
		return session.Ask(ctx, s, op, request(answer), func(r hodei.Run) error {
			for _, j := range r.Jobs {
				if j.Key == key {
					s.Note("%s/%s is %s", session.RunName(r), key, j.Status)
				}
			}
			return nil
		})
	})
	cmd.Flags().StringVar(&comment, "comment", "", "recorded with the answer")
	return cmd
}

// blocked is the key of the only job that waits for an approval.
func blocked(ctx context.Context, s *session.Session, id hodei.RunRef) (string, error) {
	r, err := s.GetRun(ctx, schemas.GetRunRequest{ID: id})
	if err != nil {
		return "", err
	}
	var keys []string
	for _, j := range r.Jobs {
		if j.Status == hodei.JobBlocked {
			keys = append(keys, j.Key)
		}
	}
	switch len(keys) {
	case 0:
		return "", hodei.Errorf(hodei.Conflict, "no job of %s waits for an approval", session.RunName(r))
	case 1:
		return keys[0], nil
	}
	return "", cmdline.Usagef("several jobs wait for an approval: name one, as %s/%s; the others are %s", session.RunName(r), keys[0], strings.Join(keys[1:], ", "))
}
