package postgres

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// The statements of every execution have one general plan by keys, on an empty
// table and on a full one.
func TestBeginningsAndEndsArePlannedOnce(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), localtest.Migrated(t, Migrate), 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	worker := NewID[hodei.WorkerID]()
	for range 8 { // Postgres considers a general plan after five custom plans
		e, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: hodei.Spec{
			Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Requirements: hodei.Requirements{Capacity: 1},
		}})
		require.NoError(t, err)
		_, err = db.AssignExecution(t.Context(), e.ID, worker, "shell", "first")
		require.NoError(t, err)
		_, finished, err := db.FinishExecution(t.Context(), e.ID, worker, hodei.Outcome{Status: hodei.Completed, CompletedAt: time.Now()})
		require.NoError(t, err)
		require.True(t, finished)
	}
	var generic, custom int64
	for _, conn := range db.known.AcquireAllIdle(t.Context()) {
		var g, c int64
		require.NoError(t, conn.QueryRow(t.Context(),
			`SELECT sum(generic_plans)::bigint, sum(custom_plans)::bigint FROM pg_prepared_statements WHERE statement LIKE $1`,
			"%UPDATE executions%").Scan(&g, &c))
		generic, custom = generic+g, custom+c
		conn.Release()
	}
	require.EqualValues(t, 24, generic)
	require.Zero(t, custom)
	requireReadByKey(t, db)
	_, err = db.pool.Exec(t.Context(), `ANALYZE executions`) // from now on Postgres knows that the table is small
	require.NoError(t, err)
	requireReadByKey(t, db)
}

var byID = regexp.MustCompile(`Index Cond: \(id = ([ao])\.id\)`)

// requireReadByKey requires that the assignment and the end look up each execution by its id.
func requireReadByKey(t *testing.T, db *DB) {
	seen := map[string]bool{}
	for _, conn := range db.known.AcquireAllIdle(t.Context()) {
		defer conn.Release()
		rows, err := conn.Query(t.Context(), `SELECT name, repeat(', NULL', cardinality(parameter_types)) AS args
			FROM pg_prepared_statements WHERE statement LIKE $1`, "%UPDATE executions e %")
		require.NoError(t, err)
		statements, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Args string }])
		require.NoError(t, err)
		for _, s := range statements {
			rows, err := conn.Query(t.Context(), `EXPLAIN EXECUTE `+s.Name+`(`+s.Args[2:]+`)`, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			by := byID.FindStringSubmatch(strings.Join(lines, "\n"))
			require.NotNil(t, by, strings.Join(lines, "\n"))
			seen[by[1]] = true
		}
	}
	require.Len(t, seen, 2)
}

// TestListsOfOneIDReadItsIndex: the indexes leave out executions without a job, a pipeline or a worker.
func TestListsOfOneIDReadItsIndex(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), localtest.Migrated(t, Migrate), 1)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	for index, f := range map[string]ExecutionFilter{
		"executions_of_job":      {JobIDs: []hodei.JobID{NewID[hodei.JobID]()}},
		"executions_of_pipeline": {PipelineIDs: []hodei.PipelineID{NewID[hodei.PipelineID]()}},
		"executions_of_worker":   {WorkerIDs: []hodei.WorkerID{NewID[hodei.WorkerID]()}},
	} {
		var definition string
		require.NoError(t, db.pool.QueryRow(t.Context(), `SELECT indexdef FROM pg_indexes WHERE indexname = $1 AND schemaname = current_schema()`, index).Scan(&definition))
		require.Contains(t, definition, "IS NOT NULL", index)
		rows, err := db.pool.Query(t.Context(), `EXPLAIN SELECT `+listedColumns+` FROM `+f.from()+` ORDER BY e.id DESC LIMIT $7`,
			nil, f.JobIDs, f.PipelineIDs, f.WorkerIDs, f.States, f.RetryOf, 10, f.Created.From, f.Created.To, f.RunIDs)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Contains(t, strings.Join(plan, "\n"), index)
	}
}

// TestARecoveryReadsOneRun: the one before it of its ref, or none.
func TestARecoveryReadsOneRun(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), localtest.Migrated(t, Migrate), 1)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	p, err := db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "p"})
	require.NoError(t, err)
	_, err = db.pool.Exec(t.Context(), `INSERT INTO runs (id, pipeline_id, number, status, trigger, params, plan, definition, ref, completed_at)
		SELECT gen_random_uuid(), $1, n, 'COMPLETED', '{}', '{}', '{}', 'applied', (ARRAY['old', NULL])[n % 2 + 1], now() FROM generate_series(1, 2000) n`, p.ID)
	require.NoError(t, err)
	for _, statistics := range []string{`SELECT`, `ANALYZE runs`} {
		_, err = db.pool.Exec(t.Context(), statistics)
		require.NoError(t, err)
		for _, ref := range []*string{new("new"), new("old"), nil} {
			b := &pgx.Batch{}
			queueAnnounced(b, []announced{{run: hodei.Run{ID: NewID[hodei.RunID](), PipelineID: p.ID, Ref: ref}, recovered: true}})
			rows, err := db.pool.Query(t.Context(), `EXPLAIN (ANALYZE, TIMING OFF) `+b.QueuedQueries[0].SQL, b.QueuedQueries[0].Arguments...)
			require.NoError(t, err)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			plan := strings.Join(lines, "\n")
			require.Regexp(t, `Scan using runs_of_ref on runs .*\(actual rows=[01](\.00)? `, plan)
			require.NotRegexp(t, `Rows Removed by Filter: \d\d`, plan)
		}
	}
}
