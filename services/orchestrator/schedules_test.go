package orchestrator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// schedule creates a schedule of the pipeline.
func (b *bench) schedule(pipeline hodei.PipelineID, spec hodei.ScheduleSpec) hodei.Schedule {
	b.t.Helper()
	ref := hodei.RefTo(pipeline)
	s, err := rpc.Call(b.t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{PipelineID: &ref, ScheduleSpec: spec})
	require.NoError(b.t, err)
	return s
}

func (b *bench) shownSchedule(id hodei.ScheduleID) hodei.Schedule {
	b.t.Helper()
	s, err := rpc.Call(b.t.Context(), b.nc, schemas.GetSchedule, schemas.GetScheduleRequest{ID: id})
	require.NoError(b.t, err)
	return s
}

// fires are those of the schedule, the first planned time first.
func (b *bench) fires(id hodei.ScheduleID) []hodei.Fire {
	b.t.Helper()
	list, err := rpc.Call(b.t.Context(), b.nc, schemas.ListFires, schemas.ListFiresRequest{ID: id, Page: schemas.Page{Limit: 1000}})
	require.NoError(b.t, err)
	slices.Reverse(list.Items)
	return list.Items
}

// waitFires waits until the fires of the schedule are as wanted.
func (b *bench) waitFires(id hodei.ScheduleID, what string, wanted func([]hodei.Fire) bool) (fires []hodei.Fire) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		list, err := rpc.Call(b.t.Context(), b.nc, schemas.ListFires, schemas.ListFiresRequest{ID: id, Page: schemas.Page{Limit: 1000}})
		fires = list.Items
		slices.Reverse(fires)
		return err == nil && wanted(fires) // a test may have ended a connection
	}, time.Minute, 5*time.Millisecond, "%s", what)
	return fires
}

// back moves the next planned time of a schedule into the past, as if nothing had been
// there to fire it.
func (b *bench) back(id hodei.ScheduleID, by time.Duration) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	require.NoError(b.t, err)
	defer conn.Close(b.t.Context())
	tag, err := conn.Exec(b.t.Context(), `UPDATE schedules SET next_at = next_at - $2::interval, anchor = anchor - $2::interval,
		due_at = due_at - $2::interval WHERE id = $1`, id, by)
	require.NoError(b.t, err)
	require.EqualValues(b.t, 1, tag.RowsAffected())
	require.NoError(b.t, b.nc.Publish(schemas.ScheduleSubject, nil))
}

// almost is for a schedule that was moved back before: its next planned time is another
// one, a second later.
const almost = time.Hour - time.Second

func every(d time.Duration) hodei.ScheduleSpec {
	seconds := d.Seconds()
	return hodei.ScheduleSpec{EverySeconds: &seconds}
}

func count(status hodei.FireStatus) func([]hodei.Fire) int {
	return func(fires []hodei.Fire) (n int) {
		for _, f := range fires {
			if f.Status == status {
				n++
			}
		}
		return n
	}
}

var (
	firedOf = count(hodei.FireStarted)
	skipped = count(hodei.FireSkipped)
	waiting = count(hodei.FireWaiting)
)

// TestAScheduleFires each planned time once, with two instances.
func TestAScheduleFires(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.instance()
	pipeline := b.pipeline(schemas.CreateJobRequest{Graph: hodei.Graph{Key: "a"}}) // without a command it ends at once
	spec := every(time.Second)
	spec.Overlap = hodei.OverlapAllow
	spec.CatchUp = hodei.CatchUpAll
	s := b.schedule(pipeline, spec)
	require.Equal(t, s.CreatedAt.Truncate(time.Second).Add(time.Second), *s.NextAt)
	fires := b.waitFires(s.ID, "three fires", func(f []hodei.Fire) bool { return firedOf(f) >= 3 && f[2].Outcome != nil })
	for i, f := range fires {
		require.Equal(t, s.NextAt.Add(time.Duration(i)*time.Second), f.PlannedAt)
		require.Equal(t, hodei.FirePlanned, f.Kind)
		require.False(t, f.DecidedAt.Before(f.PlannedAt), "by the clock of Postgres")
	}
	r := b.shownRun(*fires[0].RunID)
	require.Equal(t, hodei.TriggerSchedule, r.Trigger.Kind)
	require.Equal(t, s.ID, *r.Trigger.ScheduleID)
	require.Equal(t, fires[0].PlannedAt, *r.Trigger.ScheduledAt)
	require.Equal(t, "COMPLETED", *fires[0].Outcome)
	require.Equal(t, 1, *fires[0].RunNumber)
}

// TestAThousandSchedulesInOneSecond all fire, each once.
func TestAThousandSchedulesInOneSecond(t *testing.T) {
	b := start(t)
	b.instance()
	pipelines := make([]hodei.PipelineID, 20)
	for i := range pipelines {
		pipelines[i] = b.pipeline(schemas.CreateJobRequest{Graph: hodei.Graph{Key: "a"}})
	}
	n := 1000
	if testing.Short() {
		n = 100
	}
	at := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	for i := range n {
		b.schedule(pipelines[i%len(pipelines)], hodei.ScheduleSpec{At: at})
	}
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `UPDATE schedules SET next_at = now(), due_at = now(), spec = jsonb_set(spec, '{at}', to_jsonb(now()))`)
	require.NoError(t, err)
	require.NoError(t, b.nc.Publish(schemas.ScheduleSubject, nil))
	require.Eventually(t, func() bool {
		var fired, runs int
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM schedule_fires WHERE status = 'STARTED'), (SELECT count(*) FROM runs)`).Scan(&fired, &runs))
		require.LessOrEqual(t, fired, n)
		require.Equal(t, fired, runs)
		return fired == n
	}, 2*time.Minute, 20*time.Millisecond)
}

// TestOverlap: what happens when the planned time comes and the run before it has not
// ended.
func TestOverlap(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.manager(&neighbours{stop: func(req schemas.StopExecutionRequest) (hodei.Execution, error) {
		id := req.ID
		e, err := b.db.EndPending(t.Context(), id, hodei.Cancelled, hodei.ReasonCancelled)
		if err == nil {
			err = b.nc.Publish(schemas.RunSubject, nil)
		}
		return e, err
	}})
	of := func(overlap string) hodei.Schedule {
		spec := every(time.Hour)
		spec.Overlap = overlap
		s := b.schedule(b.pipeline(needing("a")), spec)
		b.back(s.ID, time.Hour)
		b.waitFires(s.ID, "the first fire", func(f []hodei.Fire) bool { return firedOf(f) == 1 })
		b.back(s.ID, almost)
		return s
	}
	end := func(f hodei.Fire) { b.finish(*f.RunID, "a", hodei.Outcome{Status: hodei.Completed}) }
	t.Run("skip", func(t *testing.T) {
		s := of("")
		fires := b.waitFires(s.ID, "the second is skipped", func(f []hodei.Fire) bool { return skipped(f) == 1 })
		require.Equal(t, hodei.ReasonOverlap, *fires[len(fires)-1].Reason)
		end(fires[0])
		b.waitFires(s.ID, "the end is counted", func(f []hodei.Fire) bool { return f[0].Outcome != nil })
		b.back(s.ID, almost)
		b.waitFires(s.ID, "the third starts", func(f []hodei.Fire) bool { return firedOf(f) == 2 })
	})
	t.Run("queue", func(t *testing.T) {
		s := of(hodei.OverlapQueue)
		b.waitFires(s.ID, "the second waits", func(f []hodei.Fire) bool { return waiting(f) == 1 })
		b.back(s.ID, almost)
		fires := b.waitFires(s.ID, "the third is skipped", func(f []hodei.Fire) bool { return skipped(f) == 1 })
		end(fires[0])
		b.waitFires(s.ID, "the second starts", func(f []hodei.Fire) bool { return firedOf(f) == 2 && waiting(f) == 0 })
	})
	t.Run("allow", func(t *testing.T) {
		s := of(hodei.OverlapAllow)
		b.waitFires(s.ID, "the second starts", func(f []hodei.Fire) bool { return firedOf(f) == 2 })
	})
	t.Run("cancel", func(t *testing.T) {
		s := of(hodei.OverlapCancel)
		fires := b.waitFires(s.ID, "the second takes the place of the first", func(f []hodei.Fire) bool { return firedOf(f) == 2 && f[0].Outcome != nil })
		require.Equal(t, "CANCELLED", *fires[0].Outcome)
		require.Equal(t, hodei.ReasonSuperseded, *b.shownRun(*fires[0].RunID).Reason)
	})
}

// TestMissedTimes are caught up as the schedule wants it, and recorded.
func TestMissedTimes(t *testing.T) {
	t.Parallel()
	b := start(t)
	pipeline := b.pipeline(schemas.CreateJobRequest{Graph: hodei.Graph{Key: "a"}})
	of := func(catchUp string) (s hodei.Schedule, fires []hodei.Fire) {
		spec := every(10 * time.Minute)
		spec.CatchUp, spec.Overlap = catchUp, hodei.OverlapAllow
		s = b.schedule(pipeline, spec)
		b.back(s.ID, 2*time.Hour+time.Minute) // 12 times have come, 6 of them in the last hour
		return s, b.waitFires(s.ID, catchUp, func(f []hodei.Fire) bool { return len(f) > 0 && b.shownSchedule(s.ID).NextAt.After(time.Now()) })
	}
	planned := func(fires []hodei.Fire) (n int) {
		for _, f := range fires {
			n += f.Count
		}
		return n
	}
	_, last := of(hodei.CatchUpLast)
	require.Equal(t, 1, firedOf(last))
	require.Equal(t, hodei.FireStarted, last[len(last)-1].Status)
	require.Equal(t, 12, planned(last))
	_, all := of(hodei.CatchUpAll)
	require.Equal(t, 6, firedOf(all))
	require.Equal(t, hodei.ReasonMissed, *all[0].Reason)
	require.Equal(t, 12, planned(all))
	_, none := of(hodei.CatchUpNone)
	require.Zero(t, firedOf(none))
	require.Equal(t, 12, planned(none))
}

// TestPauseResumeBackfill: a pause prevents planned times, and a backfill starts them one
// after the other.
func TestPauseResumeBackfill(t *testing.T) {
	t.Parallel()
	b := start(t)
	s := b.schedule(b.pipeline(needing("a")), every(time.Hour))
	first := *s.NextAt
	s, err := rpc.Call(t.Context(), b.nc, schemas.PauseSchedule, schemas.PauseScheduleRequest{ID: s.ID})
	require.NoError(t, err)
	require.True(t, s.Paused)
	require.Nil(t, s.NextAt)
	require.Equal(t, hodei.ReasonPaused, *s.PauseReason)

	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `UPDATE schedules SET anchor = anchor - interval '3 hours', paused_from = paused_from - interval '3 hours'`)
	require.NoError(t, err)
	s, err = rpc.Call(t.Context(), b.nc, schemas.ResumeSchedule, schemas.ResumeScheduleRequest{ID: s.ID})
	require.NoError(t, err)
	require.False(t, s.Paused)
	require.Equal(t, first, *s.NextAt)
	fires := b.fires(s.ID)
	require.Len(t, fires, 1)
	require.Equal(t, hodei.ReasonPaused, *fires[0].Reason)
	require.Equal(t, 3, fires[0].Count, fires)

	back, err := rpc.Call(t.Context(), b.nc, schemas.BackfillSchedule, schemas.BackfillScheduleRequest{ID: s.ID, From: first.Add(-3 * time.Hour)})
	require.NoError(t, err)
	require.Len(t, back.Items, 3)
	for i := range 3 {
		fires = b.waitFires(s.ID, "one at a time", func(f []hodei.Fire) bool { return firedOf(f) == i+1 && waiting(f) == 2-i })
		require.Equal(t, hodei.FireBackfill, fires[i].Kind)
		b.finish(*fires[i].RunID, "a", hodei.Outcome{Status: hodei.Completed})
	}
	back, err = rpc.Call(t.Context(), b.nc, schemas.BackfillSchedule, schemas.BackfillScheduleRequest{ID: s.ID, From: first.Add(-3 * time.Hour)})
	require.NoError(t, err)
	require.Empty(t, back.Items, "what has started does not start again")
	_, err = rpc.Call(t.Context(), b.nc, schemas.BackfillSchedule, schemas.BackfillScheduleRequest{ID: s.ID, From: first.Add(-2000 * time.Hour)})
	require.ErrorIs(t, err, hodei.Invalid)
}

// TestFailuresPause a schedule, and a resume forgets them.
func TestFailuresPause(t *testing.T) {
	t.Parallel()
	b := start(t)
	spec := every(time.Hour)
	spec.PauseAfterFailures, spec.Overlap = 2, hodei.OverlapAllow
	s := b.schedule(b.pipeline(needing("a")), spec)
	for i := range 3 {
		fire, err := rpc.Call(t.Context(), b.nc, schemas.TriggerSchedule, schemas.TriggerScheduleRequest{ID: s.ID})
		require.NoError(t, err)
		require.Equal(t, hodei.FireManual, fire.Kind)
		b.finish(*fire.RunID, "a", hodei.Outcome{Status: []hodei.ExecutionStatus{hodei.Failed, hodei.Completed, hodei.Failed}[i]})
		b.waitFires(s.ID, "it is counted", func(f []hodei.Fire) bool { return f[len(f)-1].Outcome != nil })
		require.False(t, b.shownSchedule(s.ID).Paused)
	}
	fire, err := rpc.Call(t.Context(), b.nc, schemas.TriggerSchedule, schemas.TriggerScheduleRequest{ID: s.ID})
	require.NoError(t, err)
	b.finish(*fire.RunID, "a", hodei.Outcome{Status: hodei.Failed})
	require.Eventually(t, func() bool { return b.shownSchedule(s.ID).Paused }, time.Minute, 5*time.Millisecond)
	require.Equal(t, hodei.ReasonFailures, *b.shownSchedule(s.ID).PauseReason)
	s, err = rpc.Call(t.Context(), b.nc, schemas.ResumeSchedule, schemas.ResumeScheduleRequest{ID: s.ID})
	require.NoError(t, err)
	require.Zero(t, s.Failures)
	require.NotNil(t, s.NextAt)
}

// TestAScheduleOfAJob executes it, and a retry belongs to the same fire.
func TestAScheduleOfAJob(t *testing.T) {
	t.Parallel()
	b := start(t)
	job := b.job(hodei.Spec{Command: shell, Retries: &hodei.Retries{Max: 1}})
	spec := every(time.Hour)
	s, err := rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{JobID: &job.ID, ScheduleSpec: spec})
	require.NoError(t, err)
	require.Equal(t, job.PipelineID, s.PipelineID)
	b.back(s.ID, time.Hour)
	fires := b.waitFires(s.ID, "an execution", func(f []hodei.Fire) bool { return firedOf(f) == 1 })
	first := b.created()
	require.Equal(t, *fires[0].ExecutionID, first.Execution.ID)
	recorded, err := b.db.GetExecution(t.Context(), first.Execution.ID)
	require.NoError(t, err)
	require.Equal(t, fires[0].PlannedAt.Format(time.RFC3339), recorded.Environment["HODEI_SCHEDULED_AT"])
	finish := func(id hodei.ExecutionID, status hodei.ExecutionStatus) {
		worker := postgres.NewID[hodei.WorkerID]()
		_, err := b.db.AssignExecution(t.Context(), id, worker, "shell", "first")
		require.NoError(t, err)
		_, _, err = b.db.FinishExecution(t.Context(), id, worker, hodei.Outcome{Status: status, CompletedAt: time.Now().UTC()})
		require.NoError(t, err)
		require.NoError(t, b.nc.Publish(schemas.RetrySubject, nil))
	}
	finish(first.Execution.ID, hodei.Failed)
	b.back(s.ID, almost)
	b.waitFires(s.ID, "the retry has not ended", func(f []hodei.Fire) bool { return skipped(f) == 1 && *f[len(f)-1].Reason == hodei.ReasonOverlap })
	second := b.created()
	require.Equal(t, first.Execution.ID, *second.Execution.RetryOf)
	finish(second.Execution.ID, hodei.Completed)
	b.waitFires(s.ID, "the end of the retry is the outcome", func(f []hodei.Fire) bool {
		return slices.ContainsFunc(f, func(f hodei.Fire) bool {
			return f.Outcome != nil && *f.Outcome == "COMPLETED" && *f.ExecutionID == second.Execution.ID
		})
	})
	require.Zero(t, b.shownSchedule(s.ID).Failures)
}

// TestWhatCannotStart is recorded with the reason, and the schedule goes on.
func TestWhatCannotStart(t *testing.T) {
	t.Parallel()
	b := start(t)
	job := b.job(hodei.Spec{})
	s, err := rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{JobID: &job.ID, ScheduleSpec: every(time.Hour)})
	require.NoError(t, err)
	b.back(s.ID, time.Hour)
	fires := b.waitFires(s.ID, "the fire", func(f []hodei.Fire) bool { return len(f) == 1 })
	require.Equal(t, hodei.ReasonInvalid, *fires[0].Reason)
	require.Equal(t, "command: required: the job has none", *fires[0].Message)
	require.NotNil(t, b.shownSchedule(s.ID).NextAt)
}

// TestSchedulesOfADefinition keep their identity when the file is applied again.
func TestSchedulesOfADefinition(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply := func(schedules string) schemas.AppliedPipeline {
		t.Helper()
		out, err := rpc.Call(t.Context(), b.nc, schemas.ApplyPipeline, schemas.ApplyPipelineRequest{
			Slug: "shop", Document: "slug: shop\nschedules: " + schedules + "\njobs: {a: {command: x}}\n"})
		require.NoError(t, err)
		return out
	}
	list := func() []hodei.Schedule {
		all, err := rpc.Call(t.Context(), b.nc, schemas.ListSchedules, schemas.ListSchedulesRequest{PipelineID: schemas.Any(hodei.PipelineRef("shop"))})
		require.NoError(t, err)
		slices.Reverse(all.Items)
		return all.Items
	}
	apply(`[{cron: "0 3 * * *", timezone: Europe/Madrid}, {every: 1h}]`)
	before := list()
	require.Len(t, before, 2)
	require.True(t, before[0].Defined)
	other := b.schedule(before[0].PipelineID, hodei.ScheduleSpec{Cron: "@daily"})
	_, err := rpc.Call(t.Context(), b.nc, schemas.PauseSchedule, schemas.PauseScheduleRequest{ID: before[0].ID})
	require.NoError(t, err)

	require.Empty(t, apply(`[{cron: "0 3 * * *", timezone: Europe/Madrid}, {every: 1h}]`).Changes)
	changed := apply(`[{every: 1h, overlap: queue}, {cron: "0 3 * * *", timezone: Europe/Madrid}, {cron: "@weekly"}]`)
	require.NotEmpty(t, changed.Changes)
	after := list()
	require.Len(t, after, 4)
	require.Equal(t, before[0].ID, after[0].ID)
	require.True(t, after[0].Paused, "a user's pause outlives the file")
	require.Equal(t, before[1].ID, after[1].ID)
	require.Equal(t, "queue", after[1].Overlap)
	require.Equal(t, before[1].NextAt, after[1].NextAt)
	require.Equal(t, other.ID, after[2].ID, "what the file does not define stays")
	require.Empty(t, apply(`[{every: 1h, overlap: queue}, {cron: "0 3 * * *", timezone: Europe/Madrid}, {cron: "@weekly"}]`).Changes)
	apply(`[]`)
	require.Equal(t, []hodei.ScheduleID{other.ID}, []hodei.ScheduleID{list()[0].ID})
	require.Len(t, list(), 1)
}

// TestWrongSchedules are refused with the field.
func TestWrongSchedules(t *testing.T) {
	t.Parallel()
	b := start(t)
	id := b.pipeline(needing("a"))
	pipeline, repository := hodei.RefTo(id), hodei.ScheduleSpec{Cron: "@daily", Definition: hodei.DefinitionRepository}
	jobs, _, err := b.db.ListJobs(t.Context(), postgres.JobFilter{PipelineIDs: []hodei.PipelineID{id}}, postgres.Page{Size: 1})
	require.NoError(t, err)
	past := "2020-01-01T00:00:00Z"
	for want, req := range map[string]schemas.CreateScheduleRequest{
		"pipeline_id: either pipeline_id or job_id is required":            {ScheduleSpec: every(time.Hour)},
		"cron: exactly one of cron, every and at is required":              {PipelineID: &pipeline},
		"definition: " + definition.NoSource:                               {PipelineID: &pipeline, ScheduleSpec: repository},
		"definition: a job is executed as it was applied; use pipeline_id": {JobID: &jobs[0].ID, ScheduleSpec: repository},
		"at: lies in the past":                                             {PipelineID: &pipeline, ScheduleSpec: hodei.ScheduleSpec{At: past}},
		"params.x: the pipeline has no parameter of this name":             {PipelineID: &pipeline, ScheduleSpec: hodei.ScheduleSpec{Cron: "@daily", Params: map[string]hodei.Scalar{"x": "1"}}},
		"cron: hour: a value from 0 to 23 is required, not \"x\"":          {PipelineID: &pipeline, ScheduleSpec: hodei.ScheduleSpec{Cron: "0 x * * *"}},
	} {
		_, err := rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, req)
		require.ErrorIs(t, err, hodei.Invalid, want)
		d := hodei.AsError(err).Details
		require.Equal(t, want, fmt.Sprintf("%s: %s", d.Field, d.Issue))
	}
	gone := hodei.RefTo(postgres.NewID[hodei.PipelineID]())
	_, err = rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{PipelineID: &gone, ScheduleSpec: every(time.Hour)})
	require.ErrorIs(t, err, hodei.NotFound)
}

// TestOnlyTheClockOfPostgresCounts: the clock of one instance is seven minutes behind that
// of Postgres, as it is seen through its connections, and that of the test is right.
// Schedules fire when Postgres's time has come.
func TestOnlyTheClockOfPostgresCounts(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	url := localtest.Migrated(t, postgres.Migrate)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `CREATE SCHEMA ahead;
		CREATE FUNCTION ahead.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT pg_catalog.now() + interval '7 minutes' $$;
		CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT pg_catalog.clock_timestamp() + interval '7 minutes' $$`)
	require.NoError(t, err)
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	b := &bench{t: t, nc: nc, url: url + separator + "search_path=ahead,public,pg_catalog"}
	b.db = open(t, b.url)
	b.instance()
	b.instance()
	spec := every(time.Second)
	spec.Overlap, spec.CatchUp = hodei.OverlapAllow, hodei.CatchUpAll
	s := b.schedule(b.pipeline(schemas.CreateJobRequest{Graph: hodei.Graph{Key: "a"}}), spec)
	require.Greater(t, time.Until(*s.NextAt), 5*time.Minute, "by the clock of this machine it is far away")
	for i, f := range b.waitFires(s.ID, "three fires", func(f []hodei.Fire) bool { return firedOf(f) >= 3 }) {
		require.Equal(t, s.NextAt.Add(time.Duration(i)*time.Second), f.PlannedAt)
		require.False(t, f.DecidedAt.Before(f.PlannedAt))
	}
}

// TestAnInstanceStopsAroundAFire: instances come and go all the time, each taking its
// connections with it, and every planned time has one fire and one run.
func TestAnInstanceStopsAroundAFire(t *testing.T) {
	t.Parallel()
	b := start(t)
	spec := every(time.Second)
	spec.Overlap, spec.CatchUp = hodei.OverlapAllow, hodei.CatchUpAll
	pipeline := b.pipeline(schemas.CreateJobRequest{Graph: hodei.Graph{Key: "a"}})
	var all []hodei.Schedule
	for range 5 {
		all = append(all, b.schedule(pipeline, spec))
	}
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for range 8 {
		stop := b.instance()
		// Connections end in the middle of transactions.
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%schedule%'`)
		require.NoError(t, err)
		stop()
	}
	for _, s := range all {
		fires := b.waitFires(s.ID, "five fires", func(f []hodei.Fire) bool { return firedOf(f) >= 5 })
		runs := map[hodei.RunID]bool{}
		for i, f := range fires {
			require.Equal(t, s.NextAt.Add(time.Duration(i)*time.Second), f.PlannedAt, "none is left out")
			require.Equal(t, hodei.FireStarted, f.Status)
			require.False(t, runs[*f.RunID])
			runs[*f.RunID] = true
		}
	}
	var twice int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT FROM runs GROUP BY schedule_id, trigger->>'scheduled_at' HAVING count(*) > 1) d`).Scan(&twice))
	require.Zero(t, twice)
}
