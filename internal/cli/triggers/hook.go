package triggers

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func NewHook(p *session.Flags) *cobra.Command {
	return cmdline.Noun("hook", "Hooks: runs for the events of GitHub, Gitea, Forgejo, GitLab and others",
		"  hodei hook create --pipeline shop --kind github --secret HOOK_KEY --branch main\n  hodei hook deliveries shop",
		newHookCreate(p), newHookList(p), newHookShow(p), newHookDeliveries(p), newHookRedeliver(p), newHookApprove(p), newHookReject(p), newHookRemove(p))
}

func newHookCreate(p *session.Flags) *cobra.Command {
	var req schemas.CreateHookRequest
	var pipeline string
	var params cmdline.Pairs
	cmd := p.Command(&cobra.Command{
		Use: "create", Short: "Create a hook and print the path of its URL", Args: cobra.NoArgs,
		Long: `Create a hook and print the path of its URL, which the other system posts to. The
secret is one of hodei secret; the other system signs with its value. A hook in
hodei.yaml is made by hodei apply.`,
		Example: "  hodei hook create --pipeline shop --kind github --secret HOOK_KEY --branch main --branch 'release/*'\n" +
			"  hodei hook create --pipeline deploy --kind gitlab --secret HOOK_KEY --event push --tag 'v*' -p version=checkout_sha\n" +
			"  hodei hook create --pipeline shop --kind generic --secret HOOK_KEY",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		ref, err := s.PipelineRef(ctx, pipeline)
		if err != nil {
			return err
		}
		req.PipelineID = ref
		req.Params = params
		return session.Ask(ctx, s, schemas.CreateHook, req, func(made hodei.Hook) error {
			_, err := fmt.Fprintln(s.Out, made.URL)
			return err
		})
	})
	f := cmd.Flags()
	f.StringVar(&pipeline, "pipeline", "", "the pipeline to run (required)")
	f.StringVar(&req.Kind, "kind", "", "the system that sends: generic, github, gitea (Forgejo too) or gitlab (required)")
	f.StringVar(&req.Secret, "secret", "", "the name of the secret that events are signed with (required)")
	f.StringArrayVar(&req.Events, "event", nil, "an event that starts a run: push, tag or pull_request; may be repeated (default push and pull_request)")
	f.StringArrayVar(&req.Branches, "branch", nil, "a glob of branches, of a pull request its base; may be repeated")
	f.StringArrayVar(&req.Tags, "tag", nil, "a glob of tags, without which tags start nothing; may be repeated")
	f.StringArrayVar(&req.Paths, "path", nil, "a glob of files, one of which must have changed; may be repeated")
	f.VarP(&params, "param", "p", "a param and the place of its value in the event, NAME=PLACE; may be repeated")
	f.StringVar(&req.Forks, "forks", "", "pull requests from forks: ignore, approve or run (default ignore)")
	f.StringVar(&req.Definition, "definition", "", definitionUsage)
	for _, name := range []string{"pipeline", "kind", "secret"} {
		_ = cmd.MarkFlagRequired(name) // the flag exists
	}
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "kind", session.Words(hodei.HookGeneric, hodei.HookGitHub, hodei.HookGitea, hodei.HookGitLab))
	session.Complete(cmd, "event", session.Words(hodei.TriggerPush, hodei.TriggerTag, hodei.TriggerPullRequest))
	session.Complete(cmd, "definition", session.Words(hodei.DefinitionApplied, hodei.DefinitionRepository))
	session.Complete(cmd, "forks", session.Words(hodei.ForksIgnore, hodei.ForksApprove, hodei.ForksRun))
	return cmd
}

const definitionUsage = "source of the definition: applied, or repository for the file in the commit of the run (default applied)"

func newHookList(p *session.Flags) *cobra.Command {
	var req schemas.ListHooksRequest
	var pipeline string
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List hooks, newest first", Args: cobra.NoArgs,
		Example: "  hodei hook ls\n  hodei hook ls --pipeline shop",
	}, func(ctx context.Context, s *session.Session, _ []string) (err error) {
		if req.PipelineID, err = session.Several(ctx, pipeline, s.PipelineRef); err != nil {
			return err
		}
		return session.List(ctx, s, schemas.ListHooks, req, []string{"id", "pipeline", "kind", "secret", "starts", "refused"},
			func(h hodei.Hook) []string {
				refused := render.None
				if h.RefusedAt != nil {
					refused = s.Age(*h.RefusedAt)
				}
				return []string{h.ID.String(), ofPipeline(ctx, s, h), h.Kind, render.Plain(h.Secret), render.Clip(startsRuns(h), 50), refused}
			})
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "only of this pipeline, or of these, separated by commas")
	session.AddPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "pipeline", p.Pipelines())
	return cmd
}

func ofPipeline(ctx context.Context, s *session.Session, h hodei.Hook) string {
	if h.Pipeline != nil {
		return *h.Pipeline
	}
	return s.PipelineName(ctx, h.PipelineID)
}

// startsRuns lists the events for which the hook starts runs.
func startsRuns(h hodei.Hook) string {
	if h.Kind == hodei.HookGeneric {
		return "any"
	}
	parts := []string{cmp.Or(strings.Join(h.Events, " "), "push pull_request")}
	for _, f := range []struct {
		name  string
		globs []string
	}{{"branches", h.Branches}, {"tags", h.Tags}, {"paths", h.Paths}} {
		if len(f.globs) > 0 {
			parts = append(parts, f.name+": "+strings.Join(f.globs, " "))
		}
	}
	return render.Plain(strings.Join(parts, "; "))
}

// ofHook is a command for one hook; ask receives its id.
func ofHook(p *session.Flags, cmd *cobra.Command, ask func(ctx context.Context, s *session.Session, id hodei.HookID) error) *cobra.Command {
	return session.One(p, cmd, "ID|PIPELINE", (*session.Session).HookID, ask)
}

func newHookShow(p *session.Flags) *cobra.Command {
	return ofHook(p, &cobra.Command{Use: "show", Short: "Show a hook", Example: "  hodei hook show shop"},
		func(ctx context.Context, s *session.Session, id hodei.HookID) error {
			return session.Ask(ctx, s, schemas.GetHook, schemas.GetHookRequest{ID: id}, func(h hodei.Hook) error {
				return s.Record(
					render.Field{"ID", h.ID.String()},
					render.Field{"Pipeline", ofPipeline(ctx, s, h)},
					render.Field{"Kind", h.Kind},
					render.Field{"URL", h.URL},
					render.Field{"Secret", render.Plain(h.Secret)},
					render.Field{"Starts", startsRuns(h)},
					render.Field{"Forks", cmp.Or(h.Forks, hodei.ForksIgnore)},
					render.Field{"Definition", cmp.Or(h.Definition, hodei.DefinitionApplied)},
					render.Field{"Refused", s.Moment(h.RefusedAt)},
					render.Field{"Why", render.OrNone(h.Refusal)},
					render.Field{"Created", s.Moment(&h.CreatedAt)},
				)
			})
		})
}

func newHookDeliveries(p *session.Flags) *cobra.Command {
	var req schemas.ListDeliveriesRequest
	wanted := session.States[hodei.DeliveryStatus]{Of: hodei.DeliveryTransitions}
	cmd := ofHook(p, &cobra.Command{
		Use: "deliveries", Short: "List the events that a hook has received, each with its run or the reason why there is none",
		Example: "  hodei hook deliveries shop\n  hodei hook deliveries shop --status blocked",
	}, func(ctx context.Context, s *session.Session, id hodei.HookID) error {
		req.ID, req.Status = id, wanted.Value
		return session.List(ctx, s, schemas.ListDeliveries, req, []string{"id", "received", "event", "ref", "status", "run", "message"}, func(d hodei.Delivery) []string {
			number := render.None
			if d.RunNumber != nil {
				number = "#" + strconv.Itoa(*d.RunNumber)
			}
			return []string{d.ID.String(), s.Age(d.ReceivedAt), cmp.Or(render.Plain(d.Event), render.None), render.OrNone(d.Ref), deliveryStatus(s, d), number, render.OrNone(d.Message)}
		})
	})
	cmd.Flags().Var(&wanted, "status", "only of this status, or of these, separated by commas")
	session.AddPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "status", session.Words(wanted.Of.States()...))
	return cmd
}

func deliveryStatus(s *session.Session, d hodei.Delivery) string {
	if d.Reason != nil {
		return session.Status(s, d.Status) + " " + string(*d.Reason)
	}
	return session.Status(s, d.Status)
}

// ofDelivery is a command for one delivery. It prints the run that the delivery starts.
func ofDelivery(p *session.Flags, cmd *cobra.Command, ask func(ctx context.Context, s *session.Session, hook hodei.HookID, id hodei.DeliveryID,
	show func(hodei.Delivery) error) error) *cobra.Command {
	cmd.Use, cmd.Args = cmd.Use+" HOOK|PIPELINE DELIVERY", cobra.ExactArgs(2)
	return p.Command(cmd, func(ctx context.Context, s *session.Session, args []string) error {
		hook, err := s.HookID(ctx, args[0])
		if err != nil {
			return err
		}
		id, err := s.DeliveryID(ctx, hook, args[1])
		if err != nil {
			return err
		}
		return ask(ctx, s, hook, id, func(d hodei.Delivery) error {
			if d.RunID != nil {
				return s.PrintID(d.RunID)
			}
			return fmt.Errorf("nothing was started: %s", cmp.Or(render.OrNone(d.Message), string(d.Status)))
		})
	})
}

func newHookRedeliver(p *session.Flags) *cobra.Command {
	return ofDelivery(p, &cobra.Command{
		Use: "redeliver", Short: "Receive an event again, as the hook is now, and print the run", Example: "  hodei hook redeliver shop dlv_0192",
	}, func(ctx context.Context, s *session.Session, hook hodei.HookID, id hodei.DeliveryID, show func(hodei.Delivery) error) error {
		return session.Ask(ctx, s, schemas.Redeliver, schemas.RedeliverRequest{ID: hook, DeliveryID: id}, show)
	})
}

func newHookApprove(p *session.Flags) *cobra.Command {
	return ofDelivery(p, &cobra.Command{
		Use: "approve", Short: "Start the run of a pull request from a fork, with secrets, and print it", Example: "  hodei hook approve shop dlv_0192",
	}, func(ctx context.Context, s *session.Session, hook hodei.HookID, id hodei.DeliveryID, show func(hodei.Delivery) error) error {
		return session.Ask(ctx, s, schemas.ApproveDelivery, schemas.ApproveDeliveryRequest{ID: hook, DeliveryID: id}, show)
	})
}

func newHookReject(p *session.Flags) *cobra.Command {
	return ofDelivery(p, &cobra.Command{
		Use: "reject", Short: "Refuse a pull request from a fork, which then starts nothing", Example: "  hodei hook reject shop dlv_0192",
	}, func(ctx context.Context, s *session.Session, hook hodei.HookID, id hodei.DeliveryID, _ func(hodei.Delivery) error) error {
		return session.Ask(ctx, s, schemas.RejectDelivery, schemas.RejectDeliveryRequest{ID: hook, DeliveryID: id}, func(d hodei.Delivery) error {
			_, err := fmt.Fprintln(s.Out, d.ID)
			return err
		})
	})
}

func newHookRemove(p *session.Flags) *cobra.Command {
	return session.Remove(p, schemas.DeleteHook, "Delete hooks with the record of their deliveries",
		"Runs that they started continue. A hook in hodei.yaml is made again, with another URL, when the file is applied with changes.", "shop",
		(*session.Session).HookID, func(id hodei.HookID) schemas.DeleteHookRequest { return schemas.DeleteHookRequest{ID: id} })
}
