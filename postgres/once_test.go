package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// creates returns a request that creates a pipeline and then returns fail.
func creates(db *postgres.DB, fail error) func(context.Context) ([]byte, int, error) {
	return func(ctx context.Context) ([]byte, int, error) {
		p, err := db.CreatePipeline(ctx, hodei.Pipeline{Name: "once"})
		if err != nil || fail != nil {
			return nil, 0, errors.Join(err, fail)
		}
		return []byte(p.ID.String()), 201, nil
	}
}

func pipelines(t *testing.T, db *postgres.DB) int {
	t.Helper()
	items, _, err := db.ListPipelines(t.Context(), postgres.Between{}, 0, postgres.Page{Size: 100})
	require.NoError(t, err)
	return len(items)
}

func TestOnce(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	ctx := t.Context()
	first, status, err := db.Once(ctx, "op", "k", []byte("body"), creates(db, nil))
	require.NoError(t, err)
	require.Equal(t, 201, status)
	again, status, err := db.Once(ctx, "op", "k", []byte("body"), creates(db, nil))
	require.NoError(t, err)
	require.Equal(t, 201, status)
	require.Equal(t, first, again)
	require.Equal(t, 1, pipelines(t, db))
	_, _, err = db.Once(ctx, "op", "k", []byte("other"), creates(db, nil))
	require.ErrorIs(t, err, hodei.Conflict)
	_, _, err = db.Once(ctx, "other", "k", []byte("body"), creates(db, nil))
	require.NoError(t, err, "a key belongs to its operation")

	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`)
	require.NoError(t, err)
	later, _, err := db.Once(ctx, "op", "k", []byte("other"), creates(db, nil))
	require.NoError(t, err, "a day later the key is free")
	require.NotEqual(t, first, later)
	require.NoError(t, db.ForgetKeys(ctx))
	var left int
	require.NoError(t, conn.QueryRow(ctx, `SELECT count(*) FROM idempotency_keys`).Scan(&left))
	require.Equal(t, 1, left)
}

// TestOnceContinuesAfterACrash: a repeat continues an attempt that died after it had
// created its record.
func TestOnceContinuesAfterACrash(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	_, _, err := db.Once(t.Context(), "op", "k", nil, creates(db, errors.New("died")))
	require.ErrorContains(t, err, "died")
	_, status, err := db.Once(t.Context(), "op", "k", nil, creates(db, nil))
	require.NoError(t, err)
	require.Equal(t, 201, status)
	require.Equal(t, 1, pipelines(t, db))
}

// TestOnceForgetsRefusals: a failed request may be repeated.
func TestOnceForgetsRefusals(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	_, _, err := db.Once(t.Context(), "op", "k", []byte("bad"), func(context.Context) ([]byte, int, error) {
		return nil, 0, hodei.InvalidField("x", "wrong")
	})
	require.ErrorIs(t, err, hodei.Invalid)
	_, _, err = db.Once(t.Context(), "op", "k", []byte("good"), creates(db, nil))
	require.NoError(t, err)
}

func TestOnceConcurrently(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	replies := make(chan string, 8)
	for range cap(replies) {
		go func() {
			body, _, err := db.Once(context.Background(), "op", "k", nil, creates(db, nil))
			if err != nil {
				body = []byte(err.Error())
			}
			replies <- string(body)
		}()
	}
	first := <-replies
	for range cap(replies) - 1 {
		require.Equal(t, first, <-replies)
	}
	require.Equal(t, 1, pipelines(t, db))
}

func TestUpdateAndDelete(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := t.Context()
	text := "text"
	p, err := db.CreatePipeline(ctx, hodei.Pipeline{Name: "p", Description: &text})
	require.NoError(t, err)
	p, err = db.UpdatePipeline(ctx, p.ID, func(p *hodei.Pipeline) { p.Name, p.Description = "q", nil })
	require.NoError(t, err)
	require.Equal(t, "q", p.Name)
	require.Nil(t, p.Description)
	require.True(t, p.UpdatedAt.After(p.CreatedAt))
	job, err := db.CreateJob(ctx, hodei.Job{PipelineID: p.ID, Spec: spec("true")})
	require.NoError(t, err)
	job, err = db.UpdateJob(ctx, job.ID, func(j *hodei.Job) error { j.Priority = 9; return nil })
	require.NoError(t, err)
	require.Equal(t, 9, job.Priority)
	_, err = db.UpdateJob(ctx, job.ID, func(*hodei.Job) error { return hodei.InvalidField("x", "wrong") })
	require.ErrorIs(t, err, hodei.Invalid)

	e, err := db.CreateExecution(ctx, hodei.Execution{JobID: &job.ID, PipelineID: &p.ID, Spec: spec("true")})
	require.NoError(t, err)
	require.ErrorIs(t, db.DeleteJob(ctx, job.ID), hodei.Conflict)
	require.ErrorIs(t, db.DeletePipeline(ctx, p.ID), hodei.Conflict)
	_, err = db.EndPending(ctx, e.ID, hodei.Cancelled, hodei.ReasonCancelled)
	require.NoError(t, err)
	require.NoError(t, db.DeletePipeline(ctx, p.ID))
	for _, err := range []error{
		second(db.GetPipeline(ctx, p.ID)), second(db.GetJob(ctx, job.ID)), second(db.GetExecution(ctx, e.ID)),
		db.DeletePipeline(ctx, p.ID), db.DeleteJob(ctx, job.ID),
	} {
		require.ErrorIs(t, err, hodei.NotFound)
	}
}

func second[T any](_ T, err error) error { return err }

// TestOneKeyCreatesOneRun: a request that waits while another one with its key creates the run
// returns that run, even if it would be refused otherwise, and the key stays.
func TestOneKeyCreatesOneRun(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	p, err := db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "once"})
	require.NoError(t, err)
	reached, goOn := make(chan struct{}), make(chan struct{})
	var first sync.Once
	execute := func(ctx context.Context) ([]byte, int, error) {
		a, err := db.CreateRun(ctx, hodei.Run{PipelineID: p.ID}, func(r *hodei.Run, _ hodei.Settings, _ []hodei.Job) error {
			first.Do(func() { close(reached); <-goOn })
			r.Definition, r.Params, r.Jobs = hodei.DefinitionApplied, map[string]string{}, []hodei.RunJob{}
			r.Plan.Concurrency = &hodei.Concurrency{Key: "k", OnConflict: hodei.ConflictReject}
			return nil
		}, func(*hodei.Run, []hodei.Execution, time.Time) postgres.Steps { return postgres.Steps{} }, func(context.Context, []hodei.Execution) {})
		return []byte(a.ID.String()), 201, err
	}
	replies := make(chan string, 3)
	request := func() {
		body, _, err := db.Once(context.Background(), "pipelines.execute", "k", nil, execute)
		if err != nil {
			body = []byte(err.Error())
		}
		replies <- string(body)
	}
	go request()
	<-reached
	go request()
	conn := connect(t, url)
	require.Eventually(t, func() (waits bool) {
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) > 0 FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waits))
		return waits
	}, time.Minute, time.Millisecond, "the second request waits for the first")
	close(goOn)
	id := <-replies
	require.Equal(t, id, <-replies)
	request()
	require.Equal(t, id, <-replies)
	runs, _, err := db.ListRuns(t.Context(), postgres.RunFilter{}, postgres.Page{Size: 10})
	require.NoError(t, err)
	require.Len(t, runs, 1)
}
