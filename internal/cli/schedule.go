package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newSchedule(p *session.Flags) *cobra.Command {
	return cmdline.Noun("schedule", "Schedules: runs and executions by the clock",
		"  hodei schedule create --pipeline shop --cron '0 3 * * 1-5' --timezone Europe/Madrid\n  hodei schedule ls",
		newScheduleCreate(p), newScheduleList(p), newScheduleShow(p), newScheduleNext(p), newScheduleFires(p),
		newSchedulePause(p), newScheduleResume(p), newScheduleTrigger(p), newScheduleBackfill(p), newScheduleRemove(p))
}

func newScheduleCreate(p *session.Flags) *cobra.Command {
	var req schemas.CreateScheduleRequest
	var pipeline, job string
	var every, jitter cmdline.Age
	var params []string
	cmd := p.Command(&cobra.Command{
		Use: "create", Short: "Create a schedule and print its id", Args: cobra.NoArgs,
		Long: `Create a schedule and print its id. Give --pipeline or --job, and one of --cron,
--every and --at. A schedule in hodei.yaml is made by hodei apply.`,
		Example: "  hodei schedule create --pipeline shop --cron '0 3 * * 1-5' --timezone Europe/Madrid -p env=staging\n" +
			"  hodei schedule create --job backup --every 6h --jitter 5m\n" +
			"  hodei schedule create --pipeline shop --at 2027-01-31T08:00:00Z",
	}, func(ctx context.Context, s *session.Session, _ []string) (err error) {
		if (pipeline == "") == (job == "") {
			return cmdline.Usagef("give either --pipeline or --job")
		}
		if pipeline != "" {
			ref, err := s.PipelineRef(ctx, pipeline)
			if err != nil {
				return err
			}
			req.PipelineID = &ref
		} else if req.JobID, err = session.Optional(ctx, job, s.Job); err != nil {
			return err
		}
		if seconds := time.Duration(every).Seconds(); seconds > 0 {
			req.EverySeconds = &seconds
		}
		if seconds := time.Duration(jitter).Seconds(); seconds > 0 {
			req.JitterSeconds = &seconds
		}
		for _, param := range params {
			name, value, ok := strings.Cut(param, "=")
			if !ok {
				return cmdline.Usagef("--param %q: NAME=VALUE is required", param)
			}
			if req.Params == nil {
				req.Params = map[string]hodei.Scalar{}
			}
			req.Params[name] = hodei.Scalar(value)
		}
		return session.Ask(ctx, s, schemas.CreateSchedule, req, func(made hodei.Schedule) error { return s.PrintID(made.ID) })
	})
	f := cmd.Flags()
	f.StringVar(&pipeline, "pipeline", "", "the pipeline to run")
	f.StringVar(&job, "job", "", "the job to execute")
	f.StringVar(&req.Name, "name", "", "a name for people")
	f.StringVar(&req.Cron, "cron", "", "five fields, or a word such as @hourly")
	f.Var(&every, "every", "an interval, such as 15m")
	f.StringVar(&req.At, "at", "", "one time, such as 2027-01-31T08:00:00Z")
	f.StringVar(&req.Timezone, "timezone", "", "the zone of --cron, such as Europe/Madrid (default UTC)")
	f.StringArrayVarP(&params, "param", "p", nil, "a value of a param, NAME=VALUE; may be repeated")
	f.StringVar(&req.Overlap, "overlap", "", "while the run before has not ended: skip, queue, allow or cancel (default skip)")
	f.StringVar(&req.CatchUp, "catch-up", "", "for missed times: none, last or all (default last)")
	f.Var(&jitter, "jitter", "delay each fire by up to so long")
	f.IntVar(&req.PauseAfterFailures, "pause-after-failures", 0, "pause after so many failures in a row; 0: never")
	f.BoolVar(&req.Paused, "paused", false, "start nothing until it is resumed")
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "job", p.Jobs())
	session.Complete(cmd, "overlap", session.Words(hodei.OverlapSkip, hodei.OverlapQueue, hodei.OverlapAllow, hodei.OverlapCancel))
	session.Complete(cmd, "catch-up", session.Words(hodei.CatchUpNone, hodei.CatchUpLast, hodei.CatchUpAll))
	return cmd
}

func newScheduleList(p *session.Flags) *cobra.Command {
	var req schemas.ListSchedulesRequest
	var pipeline string
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List schedules, newest first", Args: cobra.NoArgs,
		Example: "  hodei schedule ls\n  hodei schedule ls --pipeline shop",
	}, func(ctx context.Context, s *session.Session, _ []string) (err error) {
		if req.PipelineID, err = session.Several(ctx, pipeline, s.PipelineRef); err != nil {
			return err
		}
		return session.List(ctx, s, schemas.ListSchedules, req, []string{"id", "name", "of", "times", "next", "last"},
			func(one hodei.Schedule) []string {
				return []string{one.ID.String(), render.Clip(cmp.Or(render.Plain(one.Name), render.None), 30), render.Clip(startedBy(one), 40),
					times(one), nextOf(s, one), lastOf(s, one)}
			})
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "only of this pipeline, or of these, separated by commas")
	addPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "pipeline", p.Pipelines())
	return cmd
}

// startedBy is what the schedule starts.
func startedBy(one hodei.Schedule) string {
	if one.JobID != nil {
		return one.JobID.String()
	}
	if one.Pipeline != nil {
		return *one.Pipeline
	}
	return one.PipelineID.String()
}

// times are the times of a schedule as the file has them.
func times(one hodei.Schedule) string {
	switch {
	case one.EverySeconds != nil:
		return "every " + time.Duration(*one.EverySeconds*float64(time.Second)).String()
	case one.At != "":
		return "at " + render.Plain(one.At)
	}
	return render.Plain(strings.TrimSpace(one.Cron + " " + one.Timezone))
}

func nextOf(s *session.Session, one hodei.Schedule) string {
	if one.Paused {
		return "paused"
	}
	if one.NextAt == nil {
		return render.None
	}
	return one.NextAt.Format(time.RFC3339)
}

func lastOf(s *session.Session, one hodei.Schedule) string {
	if one.LastFire == nil {
		return render.None
	}
	return fireStatus(s, *one.LastFire)
}

// fireStatus is the outcome of a fire if it has one, or else its status and reason.
func fireStatus(s *session.Session, f hodei.Fire) string {
	switch {
	case f.Outcome != nil:
		return session.Status(s, hodei.RunStatus(*f.Outcome))
	case f.Reason != nil:
		return session.Status(s, f.Status) + " " + string(*f.Reason)
	}
	return session.Status(s, f.Status)
}

// ofSchedule is a command about one schedule, whose id is given to ask.
func ofSchedule(p *session.Flags, cmd *cobra.Command, ask func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error) *cobra.Command {
	cmd.Use, cmd.Args = cmd.Use+" ID|NAME", cobra.ExactArgs(1)
	return p.Command(cmd, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.ScheduleID(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, id)
	})
}

func newScheduleShow(p *session.Flags) *cobra.Command {
	return ofSchedule(p, &cobra.Command{Use: "show", Short: "Show a schedule", Example: "  hodei schedule show nightly"},
		func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
			return session.Ask(ctx, s, schemas.GetSchedule, schemas.GetScheduleRequest{ID: id}, func(one hodei.Schedule) error {
				return s.Record(
					render.Field{"ID", one.ID.String()},
					render.Field{"Name", cmp.Or(render.Plain(one.Name), render.None)},
					render.Field{"Starts", startedBy(one)},
					render.Field{"Times", times(one)},
					render.Field{"Overlap", cmp.Or(one.Overlap, hodei.OverlapSkip)},
					render.Field{"Catch up", cmp.Or(one.CatchUp, hodei.CatchUpLast)},
					render.Field{"Next", nextOf(s, one)},
					render.Field{"Last", lastOf(s, one)},
					render.Field{"Failures", strconv.Itoa(one.Failures)},
					render.Field{"Created", s.Moment(&one.CreatedAt)},
				)
			})
		})
}

func newScheduleNext(p *session.Flags) *cobra.Command {
	req := schemas.NextFiresRequest{N: 5}
	cmd := ofSchedule(p, &cobra.Command{Use: "next", Short: "Print the next planned times of a schedule", Example: "  hodei schedule next nightly -n 10"},
		func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
			req.ID = id
			return session.Ask(ctx, s, schemas.NextFires, req, func(next schemas.PlannedTimes) error {
				for _, at := range next.Items {
					if _, err := fmt.Fprintln(s.Out, at.Format(time.RFC3339)); err != nil {
						return err
					}
				}
				return nil
			})
		})
	cmd.Flags().IntVarP(&req.N, "number", "n", 5, "number of planned times, at most 1000")
	return cmd
}

func newScheduleFires(p *session.Flags) *cobra.Command {
	var req schemas.ListFiresRequest
	wanted := states[hodei.FireStatus]{of: hodei.FireTransitions}
	cmd := ofSchedule(p, &cobra.Command{
		Use: "fires", Short: "List the planned times of a schedule, each with what it started or why nothing",
		Example: "  hodei schedule fires nightly\n  hodei schedule fires nightly --status skipped",
	}, func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
		req.ID, req.Status = id, wanted.value
		return session.List(ctx, s, schemas.ListFires, req, []string{"planned", "kind", "status", "run", "message"}, func(f hodei.Fire) []string {
			started := render.None
			if f.RunID != nil {
				started = "#" + strconv.Itoa(*f.RunNumber)
			} else if f.ExecutionID != nil {
				started = f.ExecutionID.String()
			}
			message := render.OrNone(f.Message)
			if f.Count > 1 {
				message = render.Count(f.Count, "planned time")
			}
			return []string{f.PlannedAt.Format(time.RFC3339), string(f.Kind), fireStatus(s, f), started, message}
		})
	})
	cmd.Flags().Var(&wanted, "status", "only of this status, or of these, separated by commas")
	addPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "status", session.Words(wanted.of.States()...))
	return cmd
}

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

// pausing is a command about one schedule, those of a pipeline, or all.
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
	return remove(p, schemas.DeleteSchedule, "Delete schedules with the record of their fires",
		"What they started goes on. A schedule in hodei.yaml is made again when the file is applied with changes.", "nightly",
		(*session.Session).ScheduleID, func(id hodei.ScheduleID) schemas.DeleteScheduleRequest { return schemas.DeleteScheduleRequest{ID: id} })
}
