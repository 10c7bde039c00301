package access

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func NewAudit(p *session.Flags) *cobra.Command {
	var req schemas.ListAuditRequest
	var token string
	var operations, outcomes, records []string
	cmd := p.Listing(&cobra.Command{
		Use: "audit", Short: "List who did what, newest first; needs the role admin", Args: cobra.NoArgs,
		Long: `List the requests that changed something or were refused, newest first: who asked
for what, when, from where and with which outcome. Only a server with --auth records them.`,
		Example: "  hodei audit --created-after 24h\n  hodei audit --outcome FORBIDDEN,UNAUTHENTICATED --watch\n  hodei audit --by ci --operation jobs.execute -o json",
	}, func(ctx context.Context, s *session.Session, _ []string) (err error) {
		if req.TokenID, err = session.Several(ctx, token, s.Token); err != nil {
			return err
		}
		req.Operation, req.Outcome, req.ResourceID = operations, outcomes, records
		return session.List(ctx, s, schemas.ListAudit, req, []string{"at", "name", "operation", "record", "outcome", "from", "request"},
			func(r hodei.AuditRecord) []string {
				return []string{
					r.At.UTC().Format(time.RFC3339), render.Clip(render.Plain(r.Name), 30), r.Operation, render.Clip(render.OrNone(r.ResourceID), 46), r.Outcome,
					render.Plain(r.Address), render.Plain(r.RequestID),
				}
			})
	})
	flags := cmd.Flags()
	flags.StringVar(&token, "by", "", "only of this token, or of these, separated by commas: names or ids")
	flags.StringVar(&req.Name, "name", "", "only of callers with this name")
	flags.StringSliceVar(&operations, "operation", nil, "only these operations, such as jobs.execute")
	flags.StringSliceVar(&records, "record", nil, "only changes of the records with these ids")
	flags.StringSliceVar(&outcomes, "outcome", nil, "only these outcomes: OK, or codes of errors")
	session.AddCreated(flags, &req.Created)
	session.AddPage(flags, &req.Page)
	return cmd
}
