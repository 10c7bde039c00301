package triggers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func NewNotify(p *session.Flags) *cobra.Command {
	return cmdline.Noun("notify", "Notifications: messages about runs, and their delivery",
		"  hodei notify test shop\n  hodei notify ls --status FAILED",
		newNotifyList(p), newNotifyShow(p), newNotifyTest(p), newNotifyRedeliver(p))
}

func newNotifyList(p *session.Flags) *cobra.Command {
	var req schemas.ListNotificationsRequest
	var pipeline, run, status string
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List notifications, newest first", Args: cobra.NoArgs,
		Example: "  hodei notify ls --pipeline shop\n  hodei notify ls --status FAILED",
	}, func(ctx context.Context, s *session.Session, _ []string) (err error) {
		if req.PipelineID, err = session.Several(ctx, pipeline, s.PipelineRef); err != nil {
			return err
		}
		if req.RunID, err = session.Optional(ctx, run, s.Run); err != nil {
			return err
		}
		if req.Status, err = session.Several(ctx, status, func(_ context.Context, text string) (hodei.NotificationStatus, error) {
			return hodei.NotificationStatus(text), nil
		}); err != nil {
			return err
		}
		return session.List(ctx, s, schemas.ListNotifications, req, []string{"id", "event", "target", "status", "attempts", "created", "error"},
			func(n hodei.Notification) []string {
				return []string{n.ID.String(), string(n.Event), render.Plain(string(n.Kind) + " " + n.Target), string(n.Status),
					fmt.Sprint(n.Attempts), s.Age(n.CreatedAt), render.OrNone(n.Error)}
			})
	})
	f := cmd.Flags()
	f.StringVar(&pipeline, "pipeline", "", "only of this pipeline, or of these, separated by commas")
	f.StringVar(&run, "run", "", "only about this run, such as shop#42")
	f.StringVar(&status, "status", "", "only in this state, or in one of these, separated by commas")
	session.AddPage(f, &req.Page)
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "status", session.Words(string(hodei.NotificationPending), string(hodei.NotificationDelivered), string(hodei.NotificationFailed)))
	return cmd
}

func newNotifyShow(p *session.Flags) *cobra.Command {
	return session.One(p, &cobra.Command{Use: "show", Short: "Show a notification with its whole error", Example: "  hodei notify show note_0198c5a0"},
		"ID", (*session.Session).Notification, func(ctx context.Context, s *session.Session, id hodei.NotificationID) error {
			return session.Ask(ctx, s, schemas.GetNotification, schemas.GetNotificationRequest{ID: id}, func(n hodei.Notification) error {
				run := render.None // a test has none
				if n.RunID != nil {
					run = n.RunID.String()
				}
				return s.Record(
					render.Field{"ID", n.ID.String()},
					render.Field{"Pipeline", session.Named(ctx, &n.PipelineID, s.PipelineName)},
					render.Field{"Run", run},
					render.Field{"Event", string(n.Event)},
					render.Field{"Target", render.Plain(string(n.Kind) + " " + n.Target)},
					render.Field{"Status", session.Status(s, n.Status)},
					render.Field{"Attempts", fmt.Sprint(n.Attempts)},
					render.Field{"Error", render.OrNone(n.Error)},
					render.Field{"Created", s.Moment(&n.CreatedAt)},
					render.Field{"Attempted", s.Moment(n.AttemptedAt)},
					render.Field{"Next", s.Moment(n.NextAt)},
					render.Field{"Completed", s.Moment(n.CompletedAt)},
				)
			})
		})
}

func newNotifyRedeliver(p *session.Flags) *cobra.Command {
	return p.Command(&cobra.Command{
		Use: "redeliver ID", Short: "Deliver a notification again, or try now", Args: cobra.ExactArgs(1),
		Example: "  hodei notify redeliver note_0198c5a0",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.Notification(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.RedeliverNotification, schemas.RedeliverNotificationRequest{ID: id}, func(n hodei.Notification) error {
			s.Note("%s will be delivered to %s", n.ID, render.Plain(n.Target))
			return nil
		})
	})
}

func newNotifyTest(p *session.Flags) *cobra.Command {
	wait := cmdline.Duration(30 * time.Second)
	cmd := p.Command(&cobra.Command{
		Use: "test PIPELINE", Short: "Send a test message to each target of a pipeline", Args: cobra.ExactArgs(1),
		Long:    "Send a test message to each target of a pipeline, and wait for the outcome.\nOne attempt is made.",
		Example: "  hodei notify test shop",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		ref, err := s.PipelineRef(ctx, args[0])
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.TestNotifications, schemas.TestNotificationsRequest{ID: ref}, func(made schemas.Notifications) error {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(wait))
			defer cancel()
			var failed []string
			for _, n := range made.Items {
				if err := awaitNotification(ctx, s, n); err != nil {
					failed = append(failed, err.Error())
				}
			}
			if len(failed) > 0 {
				return errors.New(strings.Join(failed, "; "))
			}
			return nil
		})
	})
	cmd.Flags().Var(&wait, "wait", "how long to wait")
	return session.CompleteFirst(cmd, p.Pipelines())
}

// awaitNotification waits for the outcome of a test.
func awaitNotification(ctx context.Context, s *session.Session, n hodei.Notification) error {
	name := string(n.Kind) + " " + render.Plain(n.Target)
	for {
		now, err := s.GetNotification(ctx, schemas.GetNotificationRequest{ID: n.ID})
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: not tried yet; see hodei notify ls", name)
		case err != nil:
			return err
		case now.Status == hodei.NotificationDelivered:
			s.Note("%s: delivered", name)
			return nil
		case now.Status == hodei.NotificationFailed && now.Error != nil:
			return fmt.Errorf("%s: %s", name, render.Plain(*now.Error))
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}
