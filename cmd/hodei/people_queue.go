package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newQueue() *cobra.Command {
	var req schemas.GetQueueRequest
	cmd := p.listing(&cobra.Command{
		Use: "queue", Short: "List the executions that wait for a worker, and why", Args: cobra.NoArgs,
		Long: `List the executions that wait for a worker, in the order in which they will be
tried, each with why it waits. hodei explain tells of one what every worker was
thought of.`,
		Example: "  hodei queue\n  hodei queue --watch\n  hodei explain exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e",
	}, func(ctx context.Context, s *session, _ []string) error {
		return ask(ctx, s, schemas.GetQueue, req, s.showQueue)
	})
	cmd.Flags().IntVar(&req.Limit, "limit", schemas.DefaultLimit, "how many to list, at most 1000")
	return cmd
}

func (s *session) showQueue(q schemas.QueueList) error {
	if len(q.Items) == 0 {
		s.say("nothing waits")
		return nil
	}
	var rows [][]string
	for _, e := range q.Items {
		rows = append(rows, []string{strconv.Itoa(e.Position), e.ExecutionID.String(), strconv.Itoa(e.Priority), took(&e.AgeSeconds), plain(e.Reason)})
	}
	if more := q.Total - len(q.Items); more > 0 {
		defer s.say("and %d more", more)
	}
	return s.table([]string{"position", "execution", "priority", "waiting", "reason"}, rows)
}
