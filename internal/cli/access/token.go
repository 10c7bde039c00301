package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func NewToken(p *session.Flags) *cobra.Command {
	return cmdline.Noun("token", "Tokens: who may do what, where --auth is set",
		"  hodei token create --name ci --role developer --expires 30d\n  hodei token ls",
		newTokenCreate(p), newTokenList(p), newTokenRemove(p))
}

func newTokenCreate(p *session.Flags) *cobra.Command {
	var req schemas.CreateTokenRequest
	var role string
	var pipelines []string
	var uses int
	life := cmdline.Duration(schemas.TokenLife)
	cmd := p.Command(&cobra.Command{
		Use: "create", Short: "Create a token and print it, this once", Args: cobra.NoArgs,
		Long: `Create a token and print it, this once: only a hash is recorded.

viewer reads; developer also executes, cancels and reruns; operator also manages
pipelines, jobs, workers and approvals; admin also tokens and the audit log. With
--pipeline all of that is limited to what belongs to these pipelines.

worker lets workers join (hodei worker --join-file), --uses of them, within an hour
unless --expires sets another time, and nothing else. With --approval, an operator
must approve each.`,
		Example: "  hodei token create --name ci --role developer\n  hodei token create --name deploy --role developer --pipeline release\n" +
			"  hodei token create --name grafana --role viewer --expires 365d > token\n" +
			"  hodei token create --name rack-1 --role worker --uses 10 > join-token",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		var err error
		if req.Role = hodei.Role(role); req.Role != hodei.RoleWorker {
			if req.Role, err = hodei.ParseRole(role); err != nil {
				return cmdline.Usagef("--role: %w, or worker", err)
			}
		}
		if s.Changed("uses") {
			req.MaxUses = &uses
		}
		for _, name := range pipelines {
			ref, err := s.PipelineRef(ctx, name)
			if err != nil {
				return err
			}
			req.Pipelines = append(req.Pipelines, ref)
		}
		if req.Role != hodei.RoleWorker || s.Changed("expires") {
			seconds := life.Seconds()
			req.ExpiresInSeconds = &seconds
		}
		return session.Ask(ctx, s, schemas.CreateToken, req, func(t schemas.CreatedToken) error {
			s.Note("%s is for %s and expires at %s; it is not shown again:", t.ID, t.Role, ends(t.ExpiresAt))
			_, err := fmt.Fprintln(s.Out, t.Text)
			return err
		})
	})
	cmd.Flags().StringVar(&req.Name, "name", "", "who or what will use it (required)")
	cmd.Flags().StringVar(&role, "role", "", "viewer, developer, operator, admin or worker (required)")
	cmd.Flags().StringSliceVar(&pipelines, "pipeline", nil, "pipeline to which the token is limited; repeatable (default all)")
	cmd.Flags().Var(&life, "expires", "lifetime, such as 12h or 30d (default 90d, for workers 1h)")
	cmd.Flags().IntVar(&uses, "uses", 1, "how many workers may join, for the role worker")
	cmd.Flags().BoolVar(&req.NeedsApproval, "approval", false, "an operator must approve each worker that joins")
	_ = cmd.MarkFlagRequired("name") // the flags exist
	_ = cmd.MarkFlagRequired("role")
	session.Complete(cmd, "role", session.Words(append(slices.Clone(hodei.Roles), hodei.RoleWorker)...))
	return cmd
}

func newTokenList(p *session.Flags) *cobra.Command {
	var req schemas.ListTokensRequest
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List tokens, newest first", Args: cobra.NoArgs, Example: "  hodei token ls",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		return session.List(ctx, s, schemas.ListTokens, req, []string{"id", "name", "role", "pipelines", "expires", "used", "created by"},
			func(t hodei.Token) []string {
				return []string{t.ID.String(), render.Clip(render.Plain(t.Name), 40), string(t.Role), limitOf(ctx, s, t), ends(t.ExpiresAt), s.Moment(t.LastUsedAt), render.Clip(render.OrNone(t.CreatedBy), 40)}
			})
	})
	session.AddPage(cmd.Flags(), &req.Page)
	return cmd
}

// limitOf lists the pipelines to which a token is limited.
func limitOf(ctx context.Context, s *session.Session, t hodei.Token) string {
	if t.Pipelines == nil {
		return "all"
	}
	var names []string
	for _, id := range t.Pipelines {
		names = append(names, s.PipelineName(ctx, id))
	}
	return render.Clip(strings.Join(names, ", "), 45)
}

// ends is when a token expires.
func ends(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return at.UTC().Format(time.RFC3339)
}

func newTokenRemove(p *session.Flags) *cobra.Command {
	return session.Remove(p, schemas.DeleteToken, "Revoke tokens, and the sessions that began with them",
		"Every part of the system refuses a revoked token within seconds.", "ci",
		(*session.Session).Token, func(id hodei.TokenID) schemas.DeleteTokenRequest { return schemas.DeleteTokenRequest{ID: id} })
}
