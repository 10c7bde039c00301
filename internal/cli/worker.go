package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newWorkerList(p *session.Flags) *cobra.Command {
	var req schemas.ListWorkersRequest
	var kinds []string
	wanted := states[hodei.WorkerStatus]{of: hodei.WorkerTransitions}
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List workers, newest first", Args: cobra.NoArgs,
		Example: "  hodei worker ls --type rust --status available",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		req.Status, req.Type = wanted.value, kinds
		return session.List(ctx, s, schemas.ListWorkers, req, []string{"id", "name", "type", "status", "free", "labels", "seen", "version"},
			func(w hodei.Worker) []string {
				return []string{w.ID.String(), render.Clip(render.OrNone(w.Name), 40), render.Plain(w.Type), standing(s, w), free(w), render.Clip(render.Labels(w.Labels), 40), s.Seen(w), render.OrNone(w.Version)}
			})
	})
	cmd.Flags().StringSliceVar(&kinds, "type", nil, "only of this type, or of these, separated by commas")
	cmd.Flags().Var(&wanted, "status", "only of this status, or of these, separated by commas")
	addPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "type", p.Types())
	session.Complete(cmd, "status", session.Words(wanted.of.States()...))
	return cmd
}

// standing is the status of a worker, and that it is cordoned.
func standing(s *session.Session, w hodei.Worker) string {
	if w.Cordoned {
		return session.Status(s, w.Status) + " cordoned"
	}
	return session.Status(s, w.Status)
}

func dedicated(w hodei.Worker) string {
	if w.Dedicated {
		return "to its type"
	}
	return render.None
}

func free(w hodei.Worker) string { return fmt.Sprintf("%d/%d", w.Capacity, w.TotalCapacity) }

func newWorkerShow(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "show ID|NAME", Short: "Show a worker", Args: cobra.ExactArgs(1),
		Example: "  hodei worker show builder-1",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Worker(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.GetWorker, schemas.GetWorkerRequest{ID: id}, func(w hodei.Worker) error { return showWorker(s, w) })
	}), p.Workers())
}

func newWorkerCordon(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "cordon ID|NAME", Short: "Cordon a worker: it accepts nothing new and stays connected", Args: cobra.ExactArgs(1),
		Example: "  hodei worker cordon builder-1",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Worker(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.CordonWorker, schemas.CordonWorkerRequest{ID: id}, func(w hodei.Worker) error { return sayWorker(s, w) })
	}), p.Workers())
}

func newWorkerUncordon(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "uncordon ID|NAME", Short: "Uncordon a worker: it accepts work again", Args: cobra.ExactArgs(1),
		Example: "  hodei worker uncordon builder-1",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Worker(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.UncordonWorker, schemas.UncordonWorkerRequest{ID: id}, func(w hodei.Worker) error { return sayWorker(s, w) })
	}), p.Workers())
}

func newWorkerDrain(p *session.Flags) *cobra.Command {
	var deadline time.Duration
	cmd := p.Command(&cobra.Command{
		Use: "drain ID|NAME", Short: "Drain a worker: it finishes its executions and leaves", Args: cobra.ExactArgs(1),
		Example: "  hodei worker drain builder-1\n  hodei worker drain builder-1 --deadline 30m",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Worker(ctx, args[0])
		if err != nil {
			return err
		}
		req := schemas.DrainWorkerRequest{ID: id}
		if seconds := deadline.Seconds(); seconds > 0 {
			req.DeadlineSeconds = &seconds
		}
		return session.Ask(ctx, s, schemas.DrainWorker, req, func(w hodei.Worker) error { return sayWorker(s, w) })
	})
	cmd.Flags().DurationVar(&deadline, "deadline", 0, "when executions that still run are killed (default never)")
	return session.CompleteFirst(cmd, p.Workers())
}

func newWorkerResume(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "resume ID|NAME", Short: "Resume a draining worker", Args: cobra.ExactArgs(1),
		Example: "  hodei worker resume builder-1",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Worker(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.ResumeWorker, schemas.ResumeWorkerRequest{ID: id}, func(w hodei.Worker) error { return sayWorker(s, w) })
	}), p.Workers())
}

func newWorkerTerminate(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "terminate ID|NAME", Short: "Terminate a worker: it kills its executions and leaves", Args: cobra.ExactArgs(1),
		Example: "  hodei worker terminate builder-1",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Worker(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.TerminateWorker, schemas.TerminateWorkerRequest{ID: id}, func(w hodei.Worker) error { return sayWorker(s, w) })
	}), p.Workers())
}

func newWorkerRemove(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(remove(p, schemas.DeleteWorker, "Delete workers that have left",
		"Refused unless the worker is OFFLINE or TERMINATED. Executions keep the id of their worker.", "builder-1",
		(*session.Session).Worker, func(id hodei.WorkerID) schemas.DeleteWorkerRequest { return schemas.DeleteWorkerRequest{ID: id} }), p.Workers())
}

// sayWorker prints the state of a worker after a request.
func sayWorker(s *session.Session, w hodei.Worker) error {
	if w.Cordoned {
		s.Note("%s is %s and cordoned", w.ID, w.Status)
		return nil
	}
	s.Note("%s is %s", w.ID, w.Status)
	return nil
}

func showWorker(s *session.Session, w hodei.Worker) error {
	success := render.None
	if w.SuccessRate != nil {
		success = fmt.Sprintf("%.0f%%", *w.SuccessRate*100)
	}
	return s.Record(
		render.Field{"ID", w.ID.String()},
		render.Field{"Name", render.OrNone(w.Name)},
		render.Field{"Type", render.Plain(w.Type)},
		render.Field{"Labels", render.Labels(w.Labels)},
		render.Field{"Status", standing(s, w)},
		render.Field{"Dedicated", dedicated(w)},
		render.Field{"Free slots", free(w)},
		render.Field{"Running", strconv.Itoa(w.Running)},
		render.Field{"Success", success},
		render.Field{"Ack latency", render.Seconds(w.AckLatencySeconds)},
		render.Field{"Blocked", render.OrNone(w.Blocked)},
		render.Field{"Registered", s.Moment(&w.RegisteredAt)},
		render.Field{"Last seen", s.Moment(w.LastSeenAt)},
		render.Field{"Version", render.OrNone(w.Version)},
	)
}
