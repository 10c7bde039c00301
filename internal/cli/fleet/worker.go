package fleet

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newList(p *session.Flags) *cobra.Command {
	var req schemas.ListWorkersRequest
	var kinds []string
	wanted := session.States[hodei.WorkerStatus]{Of: hodei.WorkerTransitions}
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List workers, newest first", Args: cobra.NoArgs,
		Example: "  hodei worker ls --type rust --status available\n  hodei worker ls --created-after 1h",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		req.Status, req.Type = wanted.Value, kinds
		return session.List(ctx, s, schemas.ListWorkers, req, []string{"id", "name", "type", "status", "free", "labels", "seen", "version"},
			func(w hodei.Worker) []string {
				return []string{w.ID.String(), render.Clip(render.OrNone(w.Name), 40), render.Plain(w.Type), standing(s, w), free(w), render.Clip(render.Labels(w.Labels), 40), s.Seen(w), render.OrNone(w.Version)}
			})
	})
	cmd.Flags().StringSliceVar(&kinds, "type", nil, "only of this type, or of these, separated by commas")
	cmd.Flags().Var(&wanted, "status", "only of this status, or of these, separated by commas")
	session.AddCreated(cmd.Flags(), &req.Created)
	session.AddPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "type", p.Types())
	session.Complete(cmd, "status", session.Words(wanted.Of.States()...))
	return cmd
}

// standing returns the status of a worker, and whether it is cordoned.
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

// command asks for one operation on one worker, and prints the worker of its reply.
func command[Req any](p *session.Flags, use, short string, op schemas.Operation[Req, hodei.Worker], req func(hodei.WorkerID) Req, show func(*session.Session, hodei.Worker) error) *cobra.Command {
	return session.CompleteFirst(session.One(p, &cobra.Command{
		Use: use, Short: short, Example: "  hodei worker " + use + " builder-1",
	}, "ID|NAME", (*session.Session).Worker, func(ctx context.Context, s *session.Session, id hodei.WorkerID) error {
		return session.Ask(ctx, s, op, req(id), func(w hodei.Worker) error { return show(s, w) })
	}), p.Workers())
}

func newShow(p *session.Flags) *cobra.Command {
	return command(p, "show", "Show a worker", schemas.GetWorker,
		func(id hodei.WorkerID) schemas.GetWorkerRequest { return schemas.GetWorkerRequest{ID: id} }, showWorker)
}

func newCordon(p *session.Flags) *cobra.Command {
	return command(p, "cordon", "Cordon a worker: it accepts nothing new and stays connected", schemas.CordonWorker,
		func(id hodei.WorkerID) schemas.CordonWorkerRequest { return schemas.CordonWorkerRequest{ID: id} }, noteWorker)
}

func newUncordon(p *session.Flags) *cobra.Command {
	return command(p, "uncordon", "Uncordon a worker: it accepts work again", schemas.UncordonWorker,
		func(id hodei.WorkerID) schemas.UncordonWorkerRequest { return schemas.UncordonWorkerRequest{ID: id} }, noteWorker)
}

func newDrain(p *session.Flags) *cobra.Command {
	var deadline cmdline.Duration
	cmd := session.One(p, &cobra.Command{
		Use: "drain", Short: "Drain a worker: it finishes its executions and leaves",
		Example: "  hodei worker drain builder-1\n  hodei worker drain builder-1 --deadline 30m",
	}, "ID|NAME", (*session.Session).Worker, func(ctx context.Context, s *session.Session, id hodei.WorkerID) error {
		req := schemas.DrainWorkerRequest{ID: id}
		if seconds := deadline.Seconds(); seconds > 0 {
			req.DeadlineSeconds = &seconds
		}
		return session.Ask(ctx, s, schemas.DrainWorker, req, func(w hodei.Worker) error { return noteWorker(s, w) })
	})
	cmd.Flags().Var(&deadline, "deadline", "when executions that still run are killed, such as 30m or 1d (default never)")
	return session.CompleteFirst(cmd, p.Workers())
}

func newResume(p *session.Flags) *cobra.Command {
	return command(p, "resume", "Resume a draining worker", schemas.ResumeWorker,
		func(id hodei.WorkerID) schemas.ResumeWorkerRequest { return schemas.ResumeWorkerRequest{ID: id} }, noteWorker)
}

func newTerminate(p *session.Flags) *cobra.Command {
	return command(p, "terminate", "Terminate a worker: it kills its executions and leaves", schemas.TerminateWorker,
		func(id hodei.WorkerID) schemas.TerminateWorkerRequest { return schemas.TerminateWorkerRequest{ID: id} }, noteWorker)
}

func newRemove(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(session.Remove(p, schemas.DeleteWorker, "Delete workers that have left",
		"Refused unless the worker is OFFLINE or TERMINATED. Executions keep the id of their worker.", "builder-1",
		(*session.Session).Worker, func(id hodei.WorkerID) schemas.DeleteWorkerRequest { return schemas.DeleteWorkerRequest{ID: id} }), p.Workers())
}

// noteWorker prints the state of a worker after a request.
func noteWorker(s *session.Session, w hodei.Worker) error {
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

func newKeys(p *session.Flags) *cobra.Command {
	var req schemas.ListWorkerKeysRequest
	cmd := p.Listing(&cobra.Command{
		Use: "keys", Short: "List the workers that have joined with a token, newest first", Args: cobra.NoArgs, Example: "  hodei worker keys",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		return session.List(ctx, s, schemas.ListWorkerKeys, req, []string{"worker", "name", "state", "address", "joined", "approved by", "key"},
			func(k hodei.WorkerKey) []string {
				return []string{k.WorkerID.String(), render.OrNone(&k.Name), admission(k), render.Plain(k.Address), s.Moment(&k.JoinedAt), render.OrNone(k.ApprovedBy), k.PublicKey}
			})
	})
	session.AddPage(cmd.Flags(), &req.Page)
	return cmd
}

// admission returns whether a worker may connect.
func admission(k hodei.WorkerKey) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ApprovedAt == nil:
		return "waits"
	}
	return "admitted"
}

func newApprove(p *session.Flags) *cobra.Command {
	return session.One(p, &cobra.Command{
		Use: "approve", Short: "Approve a worker that has joined",
		Example: "  hodei worker keys\n  hodei worker approve worker_01a2b3c4-d5e6-7f80-9182-a3b4c5d6e7f8",
	}, "ID|NAME", (*session.Session).WorkerKey, func(ctx context.Context, s *session.Session, id hodei.WorkerID) error {
		return session.Ask(ctx, s, schemas.ApproveWorker, schemas.ApproveWorkerRequest{ID: id}, func(k hodei.WorkerKey) error {
			s.Note("%s is %s", k.WorkerID, admission(k))
			return nil
		})
	})
}

func newRevoke(p *session.Flags) *cobra.Command {
	return session.One(p, &cobra.Command{
		Use: "revoke", Short: "Revoke the key of a worker that has joined",
		Long:    "Revoke the key of a worker that has joined. NATS ends its connection and never admits the key again.",
		Example: "  hodei worker revoke worker_01a2b3c4-d5e6-7f80-9182-a3b4c5d6e7f8",
	}, "ID|NAME", (*session.Session).WorkerKey, func(ctx context.Context, s *session.Session, id hodei.WorkerID) error {
		return session.Ask(ctx, s, schemas.RevokeWorker, schemas.RevokeWorkerRequest{ID: id}, func(k hodei.WorkerKey) error {
			s.Note("%s is %s", k.WorkerID, admission(k))
			return nil
		})
	})
}

// NewWorkerCommands returns the commands that `hodei worker` has besides the role.
func NewWorkerCommands(p *session.Flags) []*cobra.Command {
	return []*cobra.Command{
		newList(p), newShow(p), newCordon(p), newUncordon(p), newDrain(p), newResume(p), newTerminate(p), newRemove(p), newKeys(p), newApprove(p), newRevoke(p),
	}
}
