package postgres_test

import (
	"bytes"
	"context"
	"io/fs"
	"math"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/postgres"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	_, err := connect(t, url).Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
	require.NoError(t, err)
	applied, err := db.Migrate(t.Context())
	require.ErrorIs(t, err, hodei.Conflict)
	require.Regexp(t, `^the database schema is version 99999 and this hodei knows versions up to \d+: start a newer hodei$`, err.Error())
	require.Empty(t, applied)
}

// migrationFiles returns the migrations with names that picks accepts.
func migrationFiles(t *testing.T, picks func(name string) bool) fstest.MapFS {
	t.Helper()
	entries, err := fs.ReadDir(postgres.Migrations, "migrations")
	require.NoError(t, err)
	files := fstest.MapFS{}
	for _, e := range entries {
		if picks(e.Name()) {
			body, err := fs.ReadFile(postgres.Migrations, "migrations/"+e.Name())
			require.NoError(t, err)
			files[e.Name()] = &fstest.MapFile{Data: body}
		}
	}
	return files
}

// TestInterruptedIndex: an index is built during writes, and the next start
// repeats an interrupted build.
func TestInterruptedIndex(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	db, err := postgres.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.MigrateWith(t.Context(), migrationFiles(t, func(name string) bool { return name < "0009" }))
	require.NoError(t, err)

	// An open transaction that has written to the table delays the build.
	writer, other := connect(t, url), connect(t, url)
	tx, err := writer.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `DELETE FROM executions`)
	require.NoError(t, err)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	interrupted := make(chan error, 1)
	go func() { _, err := db.Migrate(ctx); interrupted <- err }()
	exists := func(want string) bool {
		var found bool
		require.NoError(t, other.QueryRow(t.Context(), want).Scan(&found))
		return found
	}
	const building = ` FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%'`
	require.Eventually(t, func() bool { return exists(`SELECT count(*) > 0` + building) }, time.Minute, 10*time.Millisecond, "the build waits")
	_, err = other.Exec(t.Context(), `SET lock_timeout = '20s'`)
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), `UPDATE executions SET status = status`)
	require.NoError(t, err, "others write meanwhile")
	interrupt()
	require.Error(t, <-interrupted)
	require.Eventually(t, func() bool { return exists(`SELECT count(*) = 0` + building) }, time.Minute, 10*time.Millisecond, "the build is cancelled")
	require.NoError(t, tx.Rollback(t.Context()))
	require.Eventually(t, func() bool {
		return exists(`SELECT count(*) = 1 FROM pg_index WHERE indexrelid = to_regclass('executions_ended') AND NOT indisvalid`)
	}, time.Minute, 10*time.Millisecond, "the interrupted build leaves an invalid index")

	applied, err := db.Migrate(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 9, applied[0])
	require.True(t, exists(`SELECT count(*) = 1 FROM pg_index WHERE indexrelid = to_regclass('executions_ended') AND indisvalid`))
}

var (
	createdIndex = regexp.MustCompile(`(?i)CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+) ON (?:ONLY )?(\w+)`)
	createdTable = regexp.MustCompile(`(?i)CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
)

// TestIndexesAreBuiltWithoutBlocking: a migration that adds an index to an
// existing table builds it concurrently, after dropping the index of an
// interrupted build.
func TestIndexesAreBuiltWithoutBlocking(t *testing.T) {
	t.Parallel()
	// No release had 0007 and earlier migrations separately.
	files := migrationFiles(t, func(name string) bool { return name > "0008" && strings.HasSuffix(name, ".sql") })
	require.NotEmpty(t, files)
	for name, file := range files {
		sql, own := string(file.Data), map[string]bool{}
		for _, m := range createdTable.FindAllStringSubmatch(sql, -1) {
			own[m[1]] = true
		}
		for _, m := range createdIndex.FindAllStringSubmatch(sql, -1) {
			if own[m[3]] {
				continue
			}
			require.NotEmpty(t, m[1], "%s builds the index %s without CONCURRENTLY: writers wait for it", name, m[2])
			require.Contains(t, sql, "-- +goose NO TRANSACTION", name)
			require.Contains(t, sql, "DROP INDEX CONCURRENTLY IF EXISTS "+m[2]+";", "%s: an interrupted build leaves an invalid index", name)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	require.NoError(t, db.Check(t.Context()))

	admin := connect(t, url)
	database := pgx.Identifier{admin.Config().Database}.Sanitize()
	for _, c := range []struct {
		name, breaks, mends string
		code                hodei.Code
	}{
		{"Postgres cannot write", `ALTER DATABASE ` + database + ` SET temp_file_limit = '100kB'`,
			`ALTER DATABASE ` + database + ` RESET temp_file_limit`, hodei.Unavailable},
		{"the schema is another one", `ALTER TABLE executions RENAME COLUMN attempt TO attempts`,
			`ALTER TABLE executions RENAME COLUMN attempts TO attempt`, hodei.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := admin.Exec(t.Context(), c.breaks)
			require.NoError(t, err)
			fresh, err := postgres.Open(t.Context(), url, 4) // settings of a database apply to new connections
			require.NoError(t, err)
			defer fresh.Close()
			err = fresh.Check(t.Context())
			require.Error(t, err)
			require.Equal(t, c.code, hodei.AsError(err).Code)
			_, err = admin.Exec(t.Context(), c.mends)
			require.NoError(t, err)
		})
	}
}

// TestShortagesAreUnavailable: a shortage on the machine of Postgres is
// UNAVAILABLE, not an internal error.
func TestShortagesAreUnavailable(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	admin := connect(t, url)
	for _, sqlstate := range []string{"53100", "53200", "53300", "53400", "58030", "57P01", "57P02", "57P03", "57P04", "08006", "25006"} {
		_, err := admin.Exec(t.Context(), `
			CREATE OR REPLACE FUNCTION lack() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION USING ERRCODE = '`+sqlstate+`', MESSAGE = 'could not extend file "base/1"'; END $$`)
		require.NoError(t, err)
		_, err = admin.Exec(t.Context(), `CREATE OR REPLACE TRIGGER lack BEFORE INSERT ON executions EXECUTE FUNCTION lack()`)
		require.NoError(t, err)
		_, err = db.CreateExecution(t.Context(), hodei.Execution{Spec: spec("true")})
		require.ErrorIs(t, err, hodei.Unavailable, sqlstate)
		require.NotContains(t, hodei.AsError(err).Message, "base/1")
	}
}

func TestTheDatabaseURLIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://app:S3cret@h:port/db", "postgres://app:S3/cret@h/db", "postgres://app:%S3cret@h/db",
		"host=h password='S3cret' port=x", "postgres://app@h/db?password=S3cret&port=x", "postgres://app:S3cret@127.0.0.1:1/db",
	} {
		_, err := postgres.Open(t.Context(), url, 1)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "S3", url)
	}
}

// TestSpecIsOneDocument: jobs and executions of an older version keep their
// specification when the migration converts its columns to one document. An
// interrupted migration is repeated.
func TestSpecIsOneDocument(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	db, err := postgres.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.MigrateWith(t.Context(), migrationFiles(t, func(name string) bool { return name < "0021" }))
	require.NoError(t, err)

	conn := connect(t, url)
	pipeline, worker := postgres.NewID[hodei.PipelineID](), postgres.NewID[hodei.WorkerID]()
	_, err = conn.Exec(t.Context(), `INSERT INTO pipelines (id, name, status) VALUES ($1, 'old', 'ACTIVE')`, pipeline)
	require.NoError(t, err)
	full := hodei.Spec{
		Command: hodei.Command{Args: []string{"make", `"quoted" <&>`}}, Environment: map[string]string{"A": "ä\n", "B": ""},
		Priority: 10, Requirements: hodei.Requirements{Type: new("gpu"), Capacity: 3, Labels: map[string]string{"zone": "b"}},
		TimeoutSeconds: new(0.1), Retries: &hodei.Retries{Max: 3, BackoffSeconds: 1.5}, WorkingDir: new("/srv/ä"), LogLimit: new(int64(hodei.MaxSequence)),
	}
	bare := hodei.Spec{Environment: map[string]string{}} // of a job that has no command yet
	old := func(sql string, s hodei.Spec, args ...any) {
		t.Helper()
		args = append(args, s.Command, s.Environment, s.Priority, s.Requirements, s.TimeoutSeconds, s.Retries, s.WorkingDir, s.LogLimit)
		_, err := conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	jobs, waiting, held := map[hodei.JobID]hodei.Spec{}, map[hodei.ExecutionID]hodei.Spec{}, map[hodei.ExecutionID]hodei.Spec{}
	for _, s := range []hodei.Spec{full, bare} {
		job, pending, running := postgres.NewID[hodei.JobID](), postgres.NewID[hodei.ExecutionID](), postgres.NewID[hodei.ExecutionID]()
		old(`INSERT INTO jobs (id, pipeline_id, command, environment, priority, requirements, timeout_seconds, retries, working_dir, log_limit)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, s, job, pipeline)
		old(`INSERT INTO executions (id, job_id, pipeline_id, status, attempt, log_day, command, environment, priority, requirements,
				timeout_seconds, retries, working_dir, log_limit)
			VALUES ($1, $2, $3, 'PENDING', 1, current_date, $4, $5, $6, $7, $8, $9, $10, $11)`, s, pending, job, pipeline)
		old(`INSERT INTO executions (id, worker_id, status, worker_incarnation, attempt, log_day, scheduled_at, started_at, command, environment,
				priority, requirements, timeout_seconds, retries, working_dir, log_limit)
			VALUES ($1, $2, 'RUNNING', 'first', 1, current_date, now(), now(), $3, $4, $5, $6, $7, $8, $9, $10)`, s, running, worker)
		jobs[job], waiting[pending], held[running] = s, s, s
	}

	applied, err := db.MigrateWith(t.Context(), migrationFiles(t, func(name string) bool { return name < "0022" }))
	require.NoError(t, err)
	require.Equal(t, []int64{21}, applied)
	// As if the process had been killed before it recorded the version.
	_, err = conn.Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id >= 21`)
	require.NoError(t, err)
	_, err = db.Migrate(t.Context())
	require.NoError(t, err)

	for id, want := range jobs {
		job, err := db.GetJob(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, job.Spec)
		job, err = db.UpdateJob(t.Context(), id, func(j *hodei.Job) error { j.Priority = 7; return nil })
		require.NoError(t, err)
		want.Priority = 7
		require.Equal(t, want, job.Spec)
	}
	for id, want := range waiting {
		e, err := db.GetExecution(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, e.Spec)
	}
	head, err := db.ListWaiting(t.Context(), always, -1, 10)
	require.NoError(t, err)
	require.Len(t, head, 2)
	require.Equal(t, full.Requirements, head[0].Requirements)
	require.Equal(t, 10, head[0].Priority)
	require.Zero(t, head[1].Priority)

	// A held execution counts, and ends like one that this version created.
	w, err := db.RegisterWorker(t.Context(), hodei.Worker{Name: new("w"), Type: "shell", Labels: map[string]string{}, TotalCapacity: 9}, "first")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE executions SET worker_id = $1 WHERE status = 'RUNNING'`, w.ID)
	require.NoError(t, err)
	now, err := db.GetWorker(t.Context(), w.ID)
	require.NoError(t, err)
	require.Equal(t, 9-3-1, now.Capacity, "an execution takes a slot at least")
	for id, want := range held {
		e, _, err := db.FinishExecution(t.Context(), id, w.ID, hodei.Outcome{Status: hodei.Failed, CompletedAt: time.Now()})
		require.NoError(t, err)
		require.Equal(t, want, e.Spec)
		require.Equal(t, want.Retries != nil, e.RetryAt != nil)
	}

	var columns []string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT array_agg(column_name::text) FROM information_schema.columns
		WHERE table_name = ANY('{jobs,executions}') AND column_name = ANY('{command,environment,requirements,timeout_seconds,retries,working_dir,log_limit}')`).Scan(&columns))
	require.Empty(t, columns)
}

// TestOneLogFormat: chunks of an older version that are zstd frames of NDJSON remain;
// those in the format that nothing reads any more are deleted.
func TestOneLogFormat(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	db, err := postgres.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.MigrateWith(t.Context(), migrationFiles(t, func(name string) bool { return name < "0029" }))
	require.NoError(t, err)
	conn := connect(t, url)
	old, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<20), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	require.NoError(t, err)
	kept, flooded := postgres.NewID[hodei.ExecutionID](), postgres.NewID[hodei.ExecutionID]()
	require.NoError(t, db.CreateLogDay(t.Context(), kept.Day()))
	for _, id := range []hodei.ExecutionID{kept, flooded} {
		_, err = conn.Exec(t.Context(), `INSERT INTO executions (id, status, attempt, log_day, spec) VALUES ($1, 'PENDING', 1, $2,
			'{"command": ["x"], "environment": {}, "priority": 0, "requirements": {}}')`, id, id.Day())
		require.NoError(t, err)
	}
	insert := func(id hodei.ExecutionID, first int64, lines []byte, size int) {
		t.Helper()
		_, err := conn.Exec(t.Context(), `INSERT INTO execution_logs (day, execution_id, first_sequence, last_sequence, digest, lines, size)
			VALUES ($1, $2, $3, $3, 0, $4, $5)`, id.Day(), id, first, lines, size)
		require.NoError(t, err)
	}
	want := []int64{1}
	insert(kept, 1, []byte("{}\n"), 0)
	for i, size := range []int{512, 65791, 65792, 100_000, 1 << 20} {
		ndjson := bytes.Repeat([]byte("{}\n"), size)[:size]
		insert(kept, int64(i+2), old.EncodeAll(ndjson, nil), size)
		insert(flooded, int64(i+2), old.EncodeAll(append([]byte{1}, ndjson...), nil), 2*size)
		want = append(want, int64(i+2))
	}
	insert(flooded, 1, []byte("x"), 7) // no frame at all

	_, err = db.Migrate(t.Context())
	require.NoError(t, err)
	chunks, err := db.ReadLogs(t.Context(), kept, 0, math.MaxInt64, 10<<20)
	require.NoError(t, err)
	var got []int64
	for _, c := range chunks {
		ndjson, err := c.NDJSON()
		require.NoError(t, err)
		require.Equal(t, c.Len(), len(ndjson))
		got = append(got, c.First)
	}
	require.Equal(t, want, got)
	chunks, err = db.ReadLogs(t.Context(), flooded, 0, math.MaxInt64, 10<<20)
	require.NoError(t, err)
	require.Empty(t, chunks)
	for id, damaged := range map[hodei.ExecutionID]bool{kept: false, flooded: true} {
		e, err := db.GetExecution(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, damaged, e.LogDamaged)
	}
}
