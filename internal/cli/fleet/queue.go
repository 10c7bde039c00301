package fleet

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewQueue returns `hodei queue`.
func NewQueue(p *session.Flags) *cobra.Command {
	var req schemas.GetQueueRequest
	cmd := p.Listing(&cobra.Command{
		Use: "queue", Short: "List the executions that wait for a worker, and why", Args: cobra.NoArgs,
		Long: `List the executions that wait for a worker, in scheduling order, each with
the reason why it waits. hodei explain shows how every worker was evaluated for
one of them.`,
		Example: "  hodei queue\n  hodei queue --watch\n  hodei explain exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		return session.Ask(ctx, s, schemas.GetQueue, req, func(q schemas.QueueList) error { return showQueue(ctx, s, q) })
	})
	cmd.Flags().IntVar(&req.Limit, "limit", schemas.DefaultLimit, "number of entries, at most 1000")
	return cmd
}

func showQueue(ctx context.Context, s *session.Session, q schemas.QueueList) error {
	if len(q.Items) == 0 {
		s.Note("queue is empty")
		return nil
	}
	var rows [][]string
	for _, e := range q.Items {
		rows = append(rows, []string{strconv.Itoa(e.Position), e.ExecutionID.String(), s.WaitingName(ctx, e), strconv.Itoa(e.Priority),
			render.Seconds(&e.AgeSeconds), render.Plain(e.Reason)})
	}
	if more := q.Total - len(q.Items); more > 0 {
		defer s.Note("and %d more", more)
	}
	return s.Table([]string{"position", "execution", "name", "priority", "waiting", "reason"}, rows)
}
