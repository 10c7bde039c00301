package triggers

import (
	"cmp"
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

func newSchedulePause(p *session.Flags) *cobra.Command {
	return pausing(p, "pause", "Pause a schedule, those of a pipeline, or all: they start nothing", func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
		return session.Ask(ctx, s, schemas.PauseSchedule, schemas.PauseScheduleRequest{ID: id}, func(one hodei.Schedule) error {
			s.Note("%s is paused", one.ID)
			return nil
		})
	}, func(ctx context.Context, s *session.Session, of *hodei.PipelineRef) error {
		return session.Ask(ctx, s, schemas.PauseSchedules, schemas.PauseSchedulesRequest{PipelineID: of}, func(c schemas.ChangedSchedules) error {
			s.Note("%s paused", render.Count(c.Changed, "schedule"))
			return nil
		})
	})
}

func newScheduleResume(p *session.Flags) *cobra.Command {
	return pausing(p, "resume", "Resume a schedule, those of a pipeline, or all", func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
		return session.Ask(ctx, s, schemas.ResumeSchedule, schemas.ResumeScheduleRequest{ID: id}, func(one hodei.Schedule) error {
			s.Note("%s fires next at %s", one.ID, nextOf(s, one))
			return nil
		})
	}, func(ctx context.Context, s *session.Session, of *hodei.PipelineRef) error {
		return session.Ask(ctx, s, schemas.ResumeSchedules, schemas.ResumeSchedulesRequest{PipelineID: of}, func(c schemas.ChangedSchedules) error {
			s.Note("%s resumed", render.Count(c.Changed, "schedule"))
			return nil
		})
	})
}

// pausing is a command for one schedule, those of a pipeline, or all.
func pausing(p *session.Flags, verb, short string, one func(context.Context, *session.Session, hodei.ScheduleID) error,
	several func(context.Context, *session.Session, *hodei.PipelineRef) error) *cobra.Command {
	var pipeline string
	var all bool
	cmd := p.Command(&cobra.Command{
		Use: verb + " [ID|NAME]", Short: short, Args: cobra.MaximumNArgs(1),
		Example: fmt.Sprintf("  hodei schedule %[1]s nightly\n  hodei schedule %[1]s --pipeline shop\n  hodei schedule %[1]s --all", verb),
	}, func(ctx context.Context, s *session.Session, args []string) error {
		given := len(args)
		for _, is := range []bool{pipeline != "", all} {
			if is {
				given++
			}
		}
		if given != 1 {
			return cmdline.Usagef("give one of a schedule, --pipeline and --all")
		}
		if len(args) == 1 {
			id, err := s.ScheduleID(ctx, args[0])
			if err != nil {
				return err
			}
			return one(ctx, s, id)
		}
		of, err := session.Optional(ctx, pipeline, s.PipelineRef)
		if err != nil {
			return err
		}
		return several(ctx, s, of)
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "the schedules of this pipeline")
	cmd.Flags().BoolVar(&all, "all", false, "all schedules")
	session.Complete(cmd, "pipeline", p.Pipelines())
	return cmd
}

func newScheduleTrigger(p *session.Flags) *cobra.Command {
	return ofSchedule(p, &cobra.Command{Use: "trigger", Short: "Start now what a schedule starts", Example: "  hodei schedule trigger nightly"},
		func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
			return session.Ask(ctx, s, schemas.TriggerSchedule, schemas.TriggerScheduleRequest{ID: id}, func(f hodei.Fire) error {
				switch {
				case f.RunID != nil:
					return s.PrintID(f.RunID)
				case f.ExecutionID != nil:
					return s.PrintID(f.ExecutionID)
				}
				return fmt.Errorf("nothing was started: %s", cmp.Or(render.OrNone(f.Message), string(f.Status)))
			})
		})
}

func newScheduleBackfill(p *session.Flags) *cobra.Command {
	var from, to string
	cmd := ofSchedule(p, &cobra.Command{
		Use: "backfill", Short: "Start what a schedule would have started in a range of the past, one after the other",
		Example: "  hodei schedule backfill nightly --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z",
	}, func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
		req := schemas.BackfillScheduleRequest{ID: id}
		var err error
		if req.From, err = time.Parse(time.RFC3339, from); err != nil {
			return cmdline.Usagef("--from: a time such as 2026-11-01T00:00:00Z is required, not %q", from)
		}
		if to != "" {
			end, err := time.Parse(time.RFC3339, to)
			if err != nil {
				return cmdline.Usagef("--to: a time such as 2026-11-08T00:00:00Z is required, not %q", to)
			}
			req.To = &end
		}
		return session.Ask(ctx, s, schemas.BackfillSchedule, req, func(f schemas.Fires) error {
			s.Note("%s will be started", render.Count(len(f.Items), "planned time"))
			return nil
		})
	})
	cmd.Flags().StringVar(&from, "from", "", "the start of the range (required)")
	cmd.Flags().StringVar(&to, "to", "", "the end of the range (default now)")
	_ = cmd.MarkFlagRequired("from") // the flag exists
	return cmd
}

func newScheduleRemove(p *session.Flags) *cobra.Command {
	return session.Remove(p, schemas.DeleteSchedule, "Delete schedules with the record of their fires",
		"Runs and executions that they started continue. A schedule in hodei.yaml is made again when the file is applied with changes.", "nightly",
		(*session.Session).ScheduleID, func(id hodei.ScheduleID) schemas.DeleteScheduleRequest { return schemas.DeleteScheduleRequest{ID: id} })
}
