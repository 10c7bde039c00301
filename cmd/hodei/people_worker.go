package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newWorkerList() *cobra.Command {
	var req schemas.ListWorkersRequest
	var kind string
	wanted := state[hodei.WorkerStatus]{of: hodei.WorkerTransitions}
	cmd := p.command(&cobra.Command{
		Use: "ls", Short: "List workers, newest first", Args: cobra.NoArgs,
		Example: "  hodei worker ls --type rust --status available",
	}, func(ctx context.Context, s *session, _ []string) error {
		req.Status, req.Type = set(wanted.value), set(kind)
		return list(ctx, s, schemas.ListWorkers, req, []string{"id", "name", "type", "status", "free", "labels", "seen", "version"},
			func(w hodei.Worker) []string {
				return []string{w.ID.String(), clipped(or(w.Name), 40), plain(w.Type), status(s, w.Status), free(w), clipped(labels(w.Labels), 40), s.seen(w), or(w.Version)}
			})
	})
	cmd.Flags().StringVar(&kind, "type", "", "only of this type")
	cmd.Flags().Var(&wanted, "status", "only of this status")
	addPage(cmd.Flags(), &req.Page)
	return cmd
}

func free(w hodei.Worker) string { return fmt.Sprintf("%d/%d", w.Capacity, w.TotalCapacity) }

func (s *session) seen(w hodei.Worker) string {
	if w.LastSeenAt == nil {
		return none
	}
	return s.age(*w.LastSeenAt)
}

func (p *people) newWorkerShow() *cobra.Command {
	return p.command(&cobra.Command{
		Use: "show ID|NAME", Short: "Show a worker", Args: cobra.ExactArgs(1),
		Example: "  hodei worker show builder-1",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.worker(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.GetWorker, schemas.GetWorkerRequest{ID: id}, s.showWorker)
	})
}

func (s *session) showWorker(w hodei.Worker) error {
	success := none
	if w.SuccessRate != nil {
		success = fmt.Sprintf("%.0f%%", *w.SuccessRate*100)
	}
	return s.record(
		field{"ID", w.ID.String()},
		field{"Name", or(w.Name)},
		field{"Type", plain(w.Type)},
		field{"Labels", labels(w.Labels)},
		field{"Status", status(s, w.Status)},
		field{"Free slots", free(w)},
		field{"Running", strconv.Itoa(w.Running)},
		field{"Success", success},
		field{"Accepts in", took(w.AckLatencySeconds)},
		field{"Registered", s.moment(&w.RegisteredAt)},
		field{"Last seen", s.moment(w.LastSeenAt)},
		field{"Version", or(w.Version)},
	)
}

func (p *people) newQueue() *cobra.Command {
	var req schemas.GetQueueRequest
	cmd := p.command(&cobra.Command{
		Use: "queue", Short: "List the executions that wait for a worker, and why", Args: cobra.NoArgs,
		Example: "  hodei queue --limit 10",
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
