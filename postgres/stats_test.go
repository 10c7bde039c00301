package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// history inserts n executions, one a second, the last of them now. Each waited
// for 1 s and ran for 2 s, and every fourth failed.
func history(t *testing.T, url string, n int) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), `INSERT INTO executions (id, status, spec, attempt, log_day,
			created_at, scheduled_at, started_at, completed_at, worker_id)
		SELECT gen_random_uuid(), CASE WHEN i % 4 = 3 THEN 'FAILED' ELSE 'COMPLETED' END, '{"command": "true", "environment": {}, "priority": 5, "requirements": {}}', 1, current_date,
			now() - make_interval(secs => i + 3), now() - make_interval(secs => i + 2), now() - make_interval(secs => i + 2),
			now() - make_interval(secs => i), gen_random_uuid()
		FROM generate_series(0, $1 - 1) i`, n)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `VACUUM ANALYZE executions`)
	require.NoError(t, err)
	return conn
}

func TestStats(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	from := time.Now().UTC().Truncate(time.Minute).Add(-9 * time.Minute)
	empty, err := db.Stats(t.Context(), from, time.Minute, 10)
	require.NoError(t, err)
	require.Len(t, empty.Buckets, 10)
	require.Equal(t, from, empty.Buckets[0].BeginsAt)
	require.Nil(t, empty.QueuedSeconds)
	require.Nil(t, empty.DurationSeconds)
	require.Zero(t, empty.Outcomes)

	history(t, url, 3600)
	running(t, db, postgres.NewID[hodei.WorkerID]())
	for range 3 {
		_, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: spec("true")})
		require.NoError(t, err)
	}
	s, err := db.Stats(t.Context(), from, time.Minute, 10)
	require.NoError(t, err)
	require.Equal(t, 3, s.Pending)
	require.Equal(t, 1, s.Running)
	require.Equal(t, 600, s.WindowSeconds)
	sum := hodei.Outcomes{}
	for _, b := range s.Buckets[1:9] { // whole minutes, one execution a second
		require.Equal(t, 60, b.Completed+b.Failed)
		require.Equal(t, 15, b.Failed)
	}
	for _, b := range s.Buckets {
		sum.Add(b.Outcomes)
	}
	require.Equal(t, sum, s.Outcomes)
	require.InDelta(t, 1, s.QueuedSeconds.P50, 0.01)
	require.InDelta(t, 2, s.DurationSeconds.P95, 0.01)
	require.InDelta(t, 2, s.DurationSeconds.Max, 0.01)
}

// The console's frequent queries use an index, whatever the size of the record.
func TestStatsReadLittle(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	conn := history(t, url, 200_000) // 3600 of them ended in the last hour
	for _, query := range []string{
		`SELECT date_bin('1 minute', completed_at, now()), count(*) FROM executions WHERE completed_at >= now() - interval '1 hour' GROUP BY 1`,
		`SELECT created_at, started_at, completed_at FROM executions WHERE completed_at >= now() - interval '1 hour' ORDER BY completed_at DESC LIMIT 2000`,
		`SELECT count(*) FROM executions WHERE status = 'PENDING'`,
		`SELECT count(*) FROM executions WHERE status = 'RUNNING'`,
		`SELECT * FROM executions WHERE retry_of = gen_random_uuid()`,
	} {
		rows, err := conn.Query(t.Context(), "EXPLAIN "+query)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.NotContains(t, strings.Join(plan, "\n"), "Seq Scan on executions", query)
	}
}

func TestRecentAndRetries(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	p, err := db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "p"})
	require.NoError(t, err)
	j, err := db.CreateJob(t.Context(), hodei.Job{PipelineID: p.ID, Spec: spec("true")})
	require.NoError(t, err)
	var first hodei.Execution
	var ids []hodei.ExecutionID
	for i := range 5 {
		draft := hodei.Execution{JobID: &j.ID, PipelineID: &p.ID, Spec: spec("true")}
		if i == 4 {
			draft.RetryOf = &first.ID
		}
		e, err := db.CreateExecution(t.Context(), draft)
		require.NoError(t, err)
		if i == 0 {
			first = e
		}
		ids = append([]hodei.ExecutionID{e.ID}, ids...)
	}
	of := func(recent []hodei.ExecutionSummary) (got []hodei.ExecutionID) {
		for _, e := range recent {
			got = append(got, e.ID)
		}
		return got
	}
	p, err = db.GetPipelineWith(t.Context(), p.ID, 3)
	require.NoError(t, err)
	require.Equal(t, ids[:3], of(p.Recent))
	pipelines, _, err := db.ListPipelines(t.Context(), postgres.Between{}, 9, postgres.Page{Size: 5})
	require.NoError(t, err)
	require.Equal(t, ids, of(pipelines[0].Recent))
	pipelines, _, err = db.ListPipelines(t.Context(), postgres.Between{}, 0, postgres.Page{Size: 5})
	require.NoError(t, err)
	require.Nil(t, pipelines[0].Recent)
	j, err = db.GetJobWith(t.Context(), j.ID, 2)
	require.NoError(t, err)
	require.Equal(t, ids[:2], of(j.Recent))
	jobs, _, err := db.ListJobs(t.Context(), postgres.JobFilter{Recent: 1}, postgres.Page{Size: 5})
	require.NoError(t, err)
	require.Equal(t, ids[:1], of(jobs[0].Recent))
	again, _, err := db.ListExecutions(t.Context(), postgres.ExecutionFilter{RetryOf: &first.ID}, postgres.Page{Size: 5})
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, ids[0], again[0].ID)
}
