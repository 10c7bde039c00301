package postgres_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/postgres"
)

// open returns a migrated, empty record.
func open(t *testing.T) (*postgres.DB, string) {
	t.Helper()
	url := localtest.Migrated(t, postgres.Migrate)
	db, err := postgres.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db, url
}

func spec(script string) hodei.Spec {
	return hodei.Spec{Command: hodei.Command{Shell: script}, Environment: map[string]string{}, Priority: 5, Requirements: hodei.Requirements{Capacity: 1}}
}

// always is later than any time in the tests.
var always = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// running creates an execution and assigns it to the worker.
func running(t *testing.T, db *postgres.DB, worker hodei.WorkerID) hodei.Execution {
	t.Helper()
	e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: spec("true")})
	require.NoError(t, err)
	e, err = db.AssignExecution(t.Context(), e.ID, worker, "shell", "first")
	require.NoError(t, err)
	return e
}

func chunk(id hodei.ExecutionID, first, last int64) postgres.Chunk {
	var b strings.Builder
	for n := first; n <= last; n++ {
		fmt.Fprintf(&b, `{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"line %d","sequence":%d}`+"\n", n, n)
	}
	body := logchunk.Compress([]byte(b.String()))
	return postgres.Chunk{ExecutionID: id, First: first, Last: last, Digest: int64(body.Digest()), Body: body}
}

// allDays are days around any test.
var allDays = postgres.Days{First: time.Now().AddDate(-1, 0, 0), Last: time.Now().AddDate(1, 0, 0)}

// appendLogs appends chunks of the process "first" of a worker, which must all
// be accepted.
func appendLogs(t require.TestingT, db *postgres.DB, worker hodei.WorkerID, chunks ...postgres.Chunk) {
	refused, err := db.AppendLogs(context.Background(), sent(worker, chunks...), allDays)
	require.NoError(t, err)
	for _, why := range refused {
		require.NoError(t, why)
	}
}

func sent(worker hodei.WorkerID, chunks ...postgres.Chunk) []postgres.Chunk {
	for i := range chunks {
		chunks[i].WorkerID, chunks[i].Incarnation = worker, "first"
	}
	return chunks
}

func TestMigrateTwiceAndAtOnce(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	errs := make(chan error, 4)
	for range 4 {
		go func() { _, err := postgres.Migrate(context.Background(), url); errs <- err }()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
	applied, err := postgres.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.Empty(t, applied)
}

// TestStateChecks compares the CHECK of each status column with the transition
// table in package hodei: both allow the same states.
func TestStateChecks(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	check := func(table string, states []string) {
		var def string
		err := conn.QueryRow(t.Context(), `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1`, table+"_status").Scan(&def)
		require.NoError(t, err)
		var want []string
		for _, s := range states {
			want = append(want, "'"+s+"'::text")
		}
		require.Equal(t, "CHECK ((status = ANY (ARRAY["+strings.Join(want, ", ")+"])))", def)
	}
	check("pipelines", words(hodei.PipelineTransitions.States()))
	check("executions", words(hodei.ExecutionTransitions.States()))
	check("runs", words(hodei.RunTransitions.States()))
	check("run_jobs", words(hodei.RunJobTransitions.States()))
	check("schedule_fires", words(hodei.FireTransitions.States()))
	check("hook_deliveries", words(hodei.DeliveryTransitions.States()))
	check("notifications", words(hodei.NotificationTransitions.States()))
	check("workers", words(hodei.WorkerTransitions.States()))
}

func words[S ~string](states []S) []string {
	var out []string
	for _, s := range states {
		out = append(out, string(s))
	}
	return out
}

func TestPipelineAndJob(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	p, err := db.CreatePipeline(ctx, hodei.Pipeline{Name: "demo"})
	require.NoError(t, err)
	require.Equal(t, hodei.PipelineCreated, p.Status)
	require.Nil(t, p.Description)
	require.Nil(t, p.LastExecution)
	require.Equal(t, time.UTC, p.CreatedAt.Location())

	name, seconds := "build", 1.5
	s := spec("")
	s.Command = hodei.Command{Args: []string{"go", "build"}}
	s.Environment["A"], s.TimeoutSeconds, s.Retries = "b", &seconds, &hodei.Retries{Max: 2}
	job, err := db.CreateJob(ctx, hodei.Job{PipelineID: p.ID, Name: &name, Spec: s})
	require.NoError(t, err)
	require.Equal(t, s, job.Spec)
	require.Equal(t, hodei.Pending, job.Status)

	e, err := db.CreateExecution(ctx, hodei.Execution{JobID: &job.ID, PipelineID: &p.ID, Spec: s})
	require.NoError(t, err)
	p, err = db.GetPipeline(ctx, p.ID)
	require.NoError(t, err)
	require.Equal(t, hodei.PipelineActive, p.Status)
	require.Equal(t, 1, p.JobCount)
	require.Equal(t, e.ID, p.LastExecution.ID)
	job, err = db.GetJob(ctx, job.ID)
	require.NoError(t, err)
	require.Equal(t, e.ID, job.Execution.ID)

	_, err = db.CreateJob(ctx, hodei.Job{PipelineID: postgres.NewID[hodei.PipelineID](), Spec: s})
	require.ErrorIs(t, err, hodei.NotFound)
	_, err = db.GetJob(ctx, postgres.NewID[hodei.JobID]())
	require.ErrorIs(t, err, hodei.NotFound)
}

func TestPagesAreStable(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	for i := range 5 {
		_, err := db.CreatePipeline(ctx, hodei.Pipeline{Name: fmt.Sprint(i)})
		require.NoError(t, err)
	}
	var names []string
	page := postgres.Page{Size: 2}
	for {
		items, next, err := db.ListPipelines(ctx, postgres.Between{}, 0, page)
		require.NoError(t, err)
		for _, p := range items {
			names = append(names, p.Name)
		}
		_, err = db.CreatePipeline(ctx, hodei.Pipeline{Name: "late"}) // must not shift the following pages
		require.NoError(t, err)
		if next == nil {
			break
		}
		page.Cursor = *next
	}
	require.Equal(t, []string{"4", "3", "2", "1", "0"}, names)
	_, _, err := db.ListPipelines(ctx, postgres.Between{}, 0, postgres.Page{Cursor: "nonsense", Size: 2})
	require.ErrorIs(t, err, hodei.Invalid)
}

func TestExecutionTransitionsAreGuarded(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	worker, other := postgres.NewID[hodei.WorkerID](), postgres.NewID[hodei.WorkerID]()
	e := running(t, db, worker)
	require.NotNil(t, e.StartedAt)
	_, err := db.AssignExecution(ctx, e.ID, other, "shell", "x")
	require.ErrorIs(t, err, hodei.Conflict, "only one may win")
	_, err = db.RequeueExecution(ctx, e.ID, other, *e.ScheduledAt)
	require.ErrorIs(t, err, hodei.Conflict, "only its own worker's refusal counts")
	_, err = db.EndPending(ctx, e.ID, hodei.Cancelled, hodei.ReasonCancelled)
	require.ErrorIs(t, err, hodei.Conflict)

	before := *e.ScheduledAt
	_, err = db.RequeueExecution(ctx, e.ID, worker, before)
	require.NoError(t, err)
	_, err = db.AssignExecution(ctx, e.ID, worker, "shell", "x")
	require.NoError(t, err)
	_, err = db.RequeueExecution(ctx, e.ID, worker, before)
	require.ErrorIs(t, err, hodei.Conflict, "an earlier assignment does not count")
	e, err = db.GetExecution(ctx, e.ID)
	require.NoError(t, err)
	e, err = db.RequeueExecution(ctx, e.ID, worker, *e.ScheduledAt)
	require.NoError(t, err)
	require.Nil(t, e.WorkerID)
	require.Nil(t, e.StartedAt)
	pending, err := db.ListWaiting(ctx, time.Now().Add(time.Hour), -1, 10)
	require.NoError(t, err)
	require.Len(t, pending, 1)
	e, err = db.EndPending(ctx, e.ID, hodei.Cancelled, hodei.ReasonCancelled)
	require.NoError(t, err)
	require.NotNil(t, e.CompletedAt)
	_, err = db.RequestCancel(ctx, e.ID)
	require.ErrorIs(t, err, hodei.Conflict)
	_, err = db.AssignExecution(ctx, postgres.NewID[hodei.ExecutionID](), worker, "shell", "x")
	require.ErrorIs(t, err, hodei.NotFound)
}

func TestFinishRequiresTheWholeLog(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	worker := postgres.NewID[hodei.WorkerID]()
	e := running(t, db, worker)
	one, two, three := chunk(e.ID, 1, 3), chunk(e.ID, 4, 4), chunk(e.ID, 5, 9)
	appendLogs(t, db, worker, one, three)
	appendLogs(t, db, worker, one) // a repeat is harmless
	code := 0
	outcome := hodei.Outcome{
		Status: hodei.Completed, ExitCode: &code, StartedAt: e.StartedAt, CompletedAt: e.StartedAt.Add(time.Second),
		Resources: &hodei.Resources{PeakMemoryBytes: 5 << 30, UserCPUSeconds: 0.25, SystemCPUSeconds: 0.001},
		LogCount:  9, LogDigest: (one.Digest + two.Digest + three.Digest) & math.MaxInt64,
	}
	_, whole, err := db.FinishExecution(ctx, e.ID, worker, outcome)
	require.NoError(t, err)
	require.False(t, whole)
	holes, err := db.MissingLogs(ctx, e.ID, 9)
	require.NoError(t, err)
	require.Equal(t, [][2]int64{{4, 4}}, holes)

	appendLogs(t, db, worker, two)
	wrong := outcome
	wrong.LogDigest++
	_, whole, err = db.FinishExecution(ctx, e.ID, worker, wrong)
	require.NoError(t, err)
	require.False(t, whole, "a digest that differs is not the whole log")
	require.Nil(t, e.Resources)
	for range 2 { // the report may arrive twice
		e, whole, err = db.FinishExecution(ctx, e.ID, worker, outcome)
		require.NoError(t, err)
		require.True(t, whole)
		require.Equal(t, hodei.Completed, e.Status)
		require.Equal(t, int64(9), e.LogCount)
		require.Equal(t, outcome.Resources, e.Resources)
		require.InDelta(t, 1, *e.DurationSeconds, 0.001)
	}
	_, _, err = db.FinishExecution(ctx, e.ID, postgres.NewID[hodei.WorkerID](), outcome)
	require.ErrorIs(t, err, hodei.Conflict)

	chunks, err := db.ReadLogs(ctx, e.ID, 3, 9, 1)
	require.NoError(t, err)
	require.Equal(t, []int64{4}, []int64{chunks[0].First})
	require.Len(t, chunks, 1, "the size bounds a read")
	chunks, err = db.ReadLogs(ctx, e.ID, 0, math.MaxInt64, 1<<20)
	require.NoError(t, err)
	require.Equal(t, one.Lines, chunks[0].Lines)
	require.Len(t, chunks, 3)
}

// TestChunksAreReadAsTheyWereWritten: compressed or not, inserted or copied; pages are
// measured by their NDJSON.
func TestChunksAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	worker := postgres.NewID[hodei.WorkerID]()
	e := running(t, db, worker)
	noise := make([]byte, 96<<10) // incompressible
	rand.NewChaCha8([32]byte{}).Read(noise)
	wanted := []postgres.Chunk{chunk(e.ID, 1, 1), chunk(e.ID, 2, 501), {ExecutionID: e.ID, First: 502, Last: 502, Body: logchunk.Compress(noise)}}
	appendLogs(t, db, worker, slices.Clone(wanted[:2])...) // inserted
	appendLogs(t, db, worker, slices.Clone(wanted[2:])...) // copied
	appendLogs(t, db, worker, slices.Clone(wanted)...)     // copied in part
	chunks, err := db.ReadLogs(ctx, e.ID, 0, math.MaxInt64, 1<<20)
	require.NoError(t, err)
	require.Equal(t, wanted, chunks)
	chunks, err = db.ReadLogs(ctx, e.ID, 1, math.MaxInt64, wanted[1].Size)
	require.NoError(t, err)
	require.Equal(t, wanted[1:2], chunks, "the second holds all that was asked for")
	chunks, err = db.ReadLogs(ctx, e.ID, 0, 501, 1<<20)
	require.NoError(t, err)
	require.Equal(t, wanted[:2], chunks, "no further than was asked for")
}

func TestLostExecutionKeepsItsLogUpToTheFirstHole(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	worker := postgres.NewID[hodei.WorkerID]()
	e := running(t, db, worker)
	appendLogs(t, db, worker, chunk(e.ID, 1, 3), chunk(e.ID, 4, 5), chunk(e.ID, 7, 9))
	kept, err := db.LoseExecutions(ctx, worker, "second", always, nil)
	require.NoError(t, err)
	require.Empty(t, kept, "what another incarnation runs is not lost")
	kept, err = db.LoseExecutions(ctx, worker, "first", always, []hodei.ExecutionID{e.ID})
	require.NoError(t, err)
	require.Empty(t, kept, "nor is what is just being offered")
	kept, err = db.LoseExecutions(ctx, worker, "first", e.ScheduledAt.Add(-time.Microsecond), nil)
	require.NoError(t, err)
	require.Empty(t, kept, "nor what it was given since")
	lost, err := db.LoseExecutions(ctx, worker, "first", always, nil)
	require.NoError(t, err)
	require.Len(t, lost, 1)
	require.Equal(t, hodei.Failed, lost[0].Status)
	require.Equal(t, hodei.ReasonWorkerLost, *lost[0].Reason)
	require.Equal(t, int64(5), lost[0].LogCount)
	_, _, err = db.FinishExecution(ctx, e.ID, worker, hodei.Outcome{Status: hodei.Completed, CompletedAt: time.Now()})
	require.ErrorIs(t, err, hodei.Conflict, "an end is final")
}

func TestLogDays(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	today := time.Now()
	for range 2 {
		require.NoError(t, db.CreateLogDay(ctx, today))
	}
	worker := postgres.NewID[hodei.WorkerID]()
	e := running(t, db, worker)
	appendLogs(t, db, worker, chunk(e.ID, 1, 2))
	e, err := db.GetExecution(ctx, e.ID)
	require.NoError(t, err)
	require.Equal(t, int64(2), e.LogCount)
	require.True(t, e.LogsAvailable)
	dropped, err := db.DropLogDays(ctx, today, today)
	require.NoError(t, err)
	require.Zero(t, dropped, "today is kept")
	for _, far := range []time.Time{today.AddDate(0, 0, 1), today.AddDate(80, 0, 0), time.Date(10889, 8, 2, 0, 0, 0, 0, time.UTC)} {
		require.NoError(t, db.CreateLogDay(ctx, far))
	}
	dropped, err = db.DropLogDays(ctx, today, today)
	require.NoError(t, err)
	require.Equal(t, 3, dropped, "the future is outside the range too")
	dropped, err = db.DropLogDays(ctx, today.AddDate(0, 0, 1), today.AddDate(0, 0, 2))
	require.NoError(t, err)
	require.Equal(t, 1, dropped)
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	w, err := db.RegisterWorker(ctx, hodei.Worker{Type: "rust", Labels: map[string]string{"zone": "a"}, TotalCapacity: 5}, "first")
	require.NoError(t, err)
	require.Equal(t, hodei.WorkerAvailable, w.Status)
	require.Equal(t, 5, w.Capacity)
	again, err := db.RegisterWorker(ctx, hodei.Worker{ID: w.ID, Type: "rust", Labels: map[string]string{}, TotalCapacity: 6}, "second")
	require.NoError(t, err)
	require.Equal(t, w.ID, again.ID)
	require.Empty(t, w.Before)
	require.Equal(t, "first", again.Before)
	current, err := db.LeaveWorker(ctx, w.ID, "first", hodei.WorkerOffline)
	require.NoError(t, err)
	require.False(t, current, "the second incarnation is here")
	current, err = db.LeaveWorker(ctx, w.ID, "second", hodei.WorkerTerminated)
	require.NoError(t, err)
	require.True(t, current)
	_, err = db.ChangeWorker(ctx, w.ID, hodei.WorkerDraining)
	require.ErrorIs(t, err, hodei.Conflict)
	list, _, err := db.ListWorkers(ctx, postgres.WorkerFilter{Types: []string{"rust"}}, postgres.Page{Size: 10})
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = db.RegisterWorker(ctx, hodei.Worker{ID: postgres.NewID[hodei.WorkerID](), Type: "x", Labels: map[string]string{}, TotalCapacity: 1}, "")
	require.ErrorIs(t, err, hodei.NotFound)
}

// Exit codes of commands, cancellations and timeouts do not count against a
// worker.
func TestSuccessRate(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	w, err := db.RegisterWorker(ctx, hodei.Worker{Type: "shell", Labels: map[string]string{}, TotalCapacity: 5}, "first")
	require.NoError(t, err)
	rate := func() *float64 {
		got, err := db.GetWorker(ctx, w.ID)
		require.NoError(t, err)
		return got.SuccessRate
	}
	end := func(status hodei.ExecutionStatus, reason hodei.Reason) {
		e, err := db.CreateExecution(ctx, hodei.Execution{Spec: hodei.Spec{
			Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Requirements: hodei.Requirements{Capacity: 1},
		}})
		require.NoError(t, err)
		_, err = db.AssignExecution(ctx, e.ID, w.ID, "shell", "first")
		require.NoError(t, err)
		_, _, err = db.FinishExecution(ctx, e.ID, w.ID, hodei.Outcome{Status: status, Reason: &reason, CompletedAt: time.Now().UTC()})
		require.NoError(t, err)
	}
	require.Nil(t, rate())
	end(hodei.Failed, hodei.ReasonExitCode)
	end(hodei.Failed, hodei.ReasonSignal)
	end(hodei.TimedOut, hodei.ReasonTimeout)
	require.Equal(t, 1.0, *rate())
	end(hodei.Failed, hodei.ReasonStartFailed)
	require.Equal(t, 0.75, *rate())
	for _, reason := range []hodei.Reason{hodei.ReasonWorkerLost, hodei.ReasonStartFailed} {
		require.True(t, reason.OfWorker())
	}
}

func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "postgres://127.0.0.1:1/none", 1)
	require.ErrorContains(t, err, "connect to Postgres")
}
