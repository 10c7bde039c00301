package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newWorkerList() *cobra.Command {
	var req schemas.ListWorkersRequest
	var kinds []string
	wanted := state[hodei.WorkerStatus]{of: hodei.WorkerTransitions}
	cmd := p.listing(&cobra.Command{
		Use: "ls", Short: "List workers, newest first", Args: cobra.NoArgs,
		Example: "  hodei worker ls --type rust --status available",
	}, func(ctx context.Context, s *session, _ []string) error {
		req.Status, req.Type = wanted.value, kinds
		return list(ctx, s, schemas.ListWorkers, req, []string{"id", "name", "type", "status", "free", "labels", "seen", "version"},
			func(w hodei.Worker) []string {
				return []string{w.ID.String(), clipped(or(w.Name), 40), plain(w.Type), status(s, w.Status), free(w), clipped(labels(w.Labels), 40), s.seen(w), or(w.Version)}
			})
	})
	cmd.Flags().StringSliceVar(&kinds, "type", nil, "only of this type, or of these, separated by commas")
	cmd.Flags().Var(&wanted, "status", "only of this status, or of these, separated by commas")
	addPage(cmd.Flags(), &req.Page)
	complete(cmd, "type", p.types())
	complete(cmd, "status", words(wanted.of.States()...))
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
	return completeFirst(p.command(&cobra.Command{
		Use: "show ID|NAME", Short: "Show a worker", Args: cobra.ExactArgs(1),
		Example: "  hodei worker show builder-1",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.worker(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.GetWorker, schemas.GetWorkerRequest{ID: id}, s.showWorker)
	}), p.workers())
}

func (p *people) newWorkerDrain() *cobra.Command {
	var deadline time.Duration
	cmd := p.command(&cobra.Command{
		Use: "drain ID|NAME", Short: "Have a worker take nothing new, finish what it runs, and leave", Args: cobra.ExactArgs(1),
		Example: "  hodei worker drain builder-1\n  hodei worker drain builder-1 --deadline 30m",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.worker(ctx, args[0])
		if err != nil {
			return err
		}
		req := schemas.DrainWorkerRequest{ID: id}
		if seconds := deadline.Seconds(); seconds > 0 {
			req.DeadlineSeconds = &seconds
		}
		return ask(ctx, s, schemas.DrainWorker, req, s.sayWorker)
	})
	cmd.Flags().DurationVar(&deadline, "deadline", 0, "when what still runs is killed (default never)")
	return completeFirst(cmd, p.workers())
}

func (p *people) newWorkerResume() *cobra.Command {
	return completeFirst(p.command(&cobra.Command{
		Use: "resume ID|NAME", Short: "Have a draining worker take work again", Args: cobra.ExactArgs(1),
		Example: "  hodei worker resume builder-1",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.worker(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.ResumeWorker, schemas.ResumeWorkerRequest{ID: id}, s.sayWorker)
	}), p.workers())
}

func (p *people) newWorkerTerminate() *cobra.Command {
	return completeFirst(p.command(&cobra.Command{
		Use: "terminate ID|NAME", Short: "Have a worker kill what it runs, and leave", Args: cobra.ExactArgs(1),
		Example: "  hodei worker terminate builder-1",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.worker(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.TerminateWorker, schemas.TerminateWorkerRequest{ID: id}, s.sayWorker)
	}), p.workers())
}

func (p *people) newWorkerRemove() *cobra.Command {
	return completeFirst(remove(p, schemas.DeleteWorker, "Remove workers that have left",
		"One that is neither OFFLINE nor TERMINATED is refused. Executions keep the id of their worker.", "builder-1",
		(*session).worker, func(id hodei.WorkerID) schemas.DeleteWorkerRequest { return schemas.DeleteWorkerRequest{ID: id} }), p.workers())
}

// sayWorker says how a worker stands that was told something.
func (s *session) sayWorker(w hodei.Worker) error {
	s.say("%s is %s", w.ID, w.Status)
	return nil
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
		field{"Blocked", or(w.Blocked)},
		field{"Registered", s.moment(&w.RegisteredAt)},
		field{"Last seen", s.moment(w.LastSeenAt)},
		field{"Version", or(w.Version)},
	)
}
