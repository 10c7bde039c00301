package triggers

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

func NewSchedule(p *session.Flags) *cobra.Command {
	return cmdline.Noun("schedule", "Schedules: runs and executions by the clock",
		"  hodei schedule create --pipeline shop --cron '0 3 * * 1-5' --timezone Europe/Madrid\n  hodei schedule ls",
		newScheduleCreate(p), newScheduleList(p), newScheduleShow(p), newScheduleNext(p), newScheduleFires(p),
		newSchedulePause(p), newScheduleResume(p), newScheduleTrigger(p), newScheduleBackfill(p), newScheduleRemove(p))
}

func newScheduleCreate(p *session.Flags) *cobra.Command {
	var req schemas.CreateScheduleRequest
	var pipeline, job string
	var every, jitter cmdline.Duration
	var params cmdline.Pairs
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
		req.EverySeconds, req.JitterSeconds = secondsOf(every), secondsOf(jitter)
		req.Params = params.Scalars()
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
	f.VarP(&params, "param", "p", "a value of a param, NAME=VALUE; may be repeated")
	f.StringVar(&req.Overlap, "overlap", "", "while the run before has not ended: skip, queue, allow or cancel (default skip)")
	f.StringVar(&req.CatchUp, "catch-up", "", "for missed times: none, last or all (default last)")
	f.Var(&jitter, "jitter", "delay each fire by up to so long")
	f.IntVar(&req.PauseAfterFailures, "pause-after-failures", 0, "pause after so many failures in a row; 0: never")
	f.StringVar(&req.Definition, "definition", "", definitionUsage)
	f.BoolVar(&req.Paused, "paused", false, "start nothing until it is resumed")
	session.Complete(cmd, "pipeline", p.Pipelines())
	session.Complete(cmd, "job", p.Jobs())
	session.Complete(cmd, "overlap", session.Words(hodei.OverlapSkip, hodei.OverlapQueue, hodei.OverlapAllow, hodei.OverlapCancel))
	session.Complete(cmd, "definition", session.Words(hodei.DefinitionApplied, hodei.DefinitionRepository))
	session.Complete(cmd, "catch-up", session.Words(hodei.CatchUpNone, hodei.CatchUpLast, hodei.CatchUpAll))
	return cmd
}

// secondsOf returns nil for a flag that was not given.
func secondsOf(d cmdline.Duration) *float64 {
	if d == 0 {
		return nil
	}
	seconds := d.Seconds()
	return &seconds
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
				return []string{one.ID.String(), render.Clip(cmp.Or(render.Plain(one.Name), render.None), 30), render.Clip(startedBy(ctx, s, one), 40),
					times(one), nextOf(s, one), lastOf(s, one)}
			})
	})
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "only of this pipeline, or of these, separated by commas")
	session.AddPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "pipeline", p.Pipelines())
	return cmd
}

// startedBy is what the schedule starts.
func startedBy(ctx context.Context, s *session.Session, one hodei.Schedule) string {
	if one.JobID != nil {
		return s.JobName(ctx, *one.JobID)
	}
	if one.Pipeline != nil {
		return *one.Pipeline
	}
	return s.PipelineName(ctx, one.PipelineID)
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
	return session.One(p, cmd, "ID|NAME", (*session.Session).ScheduleID, ask)
}

func newScheduleShow(p *session.Flags) *cobra.Command {
	return ofSchedule(p, &cobra.Command{Use: "show", Short: "Show a schedule", Example: "  hodei schedule show nightly"},
		func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
			return session.Ask(ctx, s, schemas.GetSchedule, schemas.GetScheduleRequest{ID: id}, func(one hodei.Schedule) error {
				return s.Record(
					render.Field{"ID", one.ID.String()},
					render.Field{"Name", cmp.Or(render.Plain(one.Name), render.None)},
					render.Field{"Starts", startedBy(ctx, s, one)},
					render.Field{"Times", times(one)},
					render.Field{"Overlap", cmp.Or(one.Overlap, hodei.OverlapSkip)},
					render.Field{"Catch up", cmp.Or(one.CatchUp, hodei.CatchUpLast)},
					render.Field{"Definition", cmp.Or(one.Definition, hodei.DefinitionApplied)},
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
	wanted := session.States[hodei.FireStatus]{Of: hodei.FireTransitions}
	cmd := ofSchedule(p, &cobra.Command{
		Use: "fires", Short: "List the planned times of a schedule, each with what it started or why nothing",
		Example: "  hodei schedule fires nightly\n  hodei schedule fires nightly --status skipped",
	}, func(ctx context.Context, s *session.Session, id hodei.ScheduleID) error {
		req.ID, req.Status = id, wanted.Value
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
	session.AddPage(cmd.Flags(), &req.Page)
	session.Complete(cmd, "status", session.Words(wanted.Of.States()...))
	return cmd
}
