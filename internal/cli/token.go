package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newToken(p *session.Flags) *cobra.Command {
	return cmdline.Noun("token", "Tokens: who may do what, where --auth is set",
		"  hodei token create --name ci --role developer --expires 30d\n  hodei token ls",
		newTokenCreate(p), newTokenList(p), newTokenRemove(p))
}

func newTokenCreate(p *session.Flags) *cobra.Command {
	var req schemas.CreateTokenRequest
	var role string
	life := cmdline.Age(schemas.TokenLife)
	cmd := p.Command(&cobra.Command{
		Use: "create", Short: "Create a token and print it, this once", Args: cobra.NoArgs,
		Long: `Create a token and print it, this once: only a hash is recorded.

viewer reads; developer also executes, cancels and reruns; operator also manages
pipelines, jobs, workers and approvals; admin also tokens and the audit log.`,
		Example: "  hodei token create --name ci --role developer\n" +
			"  hodei token create --name grafana --role viewer --expires 365d > token",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		var err error
		if req.Role, err = hodei.ParseRole(role); err != nil {
			return cmdline.Usagef("--role: %w", err)
		}
		seconds := time.Duration(life).Seconds()
		req.ExpiresInSeconds = &seconds
		return session.Ask(ctx, s, schemas.CreateToken, req, func(t schemas.CreatedToken) error {
			s.Note("%s is for %s and expires at %s; it is not shown again:", t.ID, t.Role, ends(t.ExpiresAt))
			_, err := fmt.Fprintln(s.Out, t.Text)
			return err
		})
	})
	cmd.Flags().StringVar(&req.Name, "name", "", "who or what will use it (required)")
	cmd.Flags().StringVar(&role, "role", "", "viewer, developer, operator or admin (required)")
	cmd.Flags().Var(&life, "expires", "its life, such as 12h or 30d")
	cmdline.CommandLineOnly(cmd.Flags(), cmdline.Connection...)
	_ = cmd.MarkFlagRequired("name") // the flags exist
	_ = cmd.MarkFlagRequired("role")
	session.Complete(cmd, "role", session.Words(hodei.Roles...))
	return cmd
}

func newTokenList(p *session.Flags) *cobra.Command {
	var req schemas.ListTokensRequest
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List tokens, newest first", Args: cobra.NoArgs, Example: "  hodei token ls",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		return session.List(ctx, s, schemas.ListTokens, req, []string{"id", "name", "role", "expires", "used", "created by"},
			func(t hodei.Token) []string {
				return []string{t.ID.String(), render.Clip(render.Plain(t.Name), 40), string(t.Role), ends(t.ExpiresAt), s.Moment(t.LastUsedAt), render.Clip(render.OrNone(t.CreatedBy), 40)}
			})
	})
	addPage(cmd.Flags(), &req.Page)
	return cmd
}

// ends is when a token expires.
func ends(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return at.UTC().Format(time.RFC3339)
}

func newTokenRemove(p *session.Flags) *cobra.Command {
	return remove(p, schemas.DeleteToken, "Revoke tokens, and the sessions that began with them",
		"Every part of the system refuses a revoked token within seconds.", "ci",
		(*session.Session).Token, func(id hodei.TokenID) schemas.DeleteTokenRequest { return schemas.DeleteTokenRequest{ID: id} })
}
