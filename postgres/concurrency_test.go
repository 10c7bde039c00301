package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// keyed is a record with the runs of one pipeline, which share a concurrency key.
type keyed struct {
	db       *postgres.DB
	conn     *pgx.Conn
	pipeline hodei.PipelineID
}

func openKeyed(t *testing.T) keyed {
	t.Helper()
	db, url := open(t)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	p, err := db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "shop"})
	require.NoError(t, err)
	return keyed{db: db, conn: conn, pipeline: p.ID}
}

// create creates a run with the key. A held one has a time that is still to come.
func (r keyed) create(t require.TestingT, c hodei.Concurrency, held bool) hodei.RunID {
	draft := hodei.Run{PipelineID: r.pipeline, Params: map[string]string{}, Definition: hodei.DefinitionApplied}
	if held {
		draft.NotBefore = new(time.Now().Add(time.Hour))
	}
	a, err := r.db.CreateRun(context.Background(), draft, func(run *hodei.Run, _ hodei.Settings, _ []hodei.Job) error {
		run.Plan.Concurrency = &c
		return nil
	}, endStopping, func(context.Context, []hodei.Execution) {})
	require.NoError(t, err)
	return a.ID
}

// endStopping ends runs that are to be cancelled.
func endStopping(r *hodei.Run, _ []hodei.Execution, now time.Time) postgres.Steps {
	if r.Plan.Stopping != nil {
		r.Status, r.Reason, r.CompletedAt = hodei.RunCancelled, r.Plan.Stopping, &now
	}
	return postgres.Steps{}
}

// advance advances all runs in one batch; those that were held have their time.
func (r keyed) advance(t require.TestingT, advance postgres.Advance) {
	_, err := r.conn.Exec(context.Background(), `UPDATE runs SET due_at = now(), not_before = least(not_before, now()) WHERE completed_at IS NULL`)
	require.NoError(t, err)
	_, _, err = r.db.AdvanceRuns(context.Background(), advance, func(context.Context, []hodei.Execution) {})
	require.NoError(t, err)
}

func (r keyed) status(t require.TestingT, id hodei.RunID) hodei.RunStatus {
	run, err := r.db.GetRun(context.Background(), id)
	require.NoError(t, err)
	return run.Status
}

// TestOneBatchKeepsTheConcurrencyLimit: of held and waiting runs that are due at the same
// moment, no more run than the limit allows, and in the end all of them have run.
func TestOneBatchKeepsTheConcurrencyLimit(t *testing.T) {
	t.Parallel()
	r := openKeyed(t)
	rapid.Check(t, func(t *rapid.T) {
		_, err := r.conn.Exec(context.Background(), `DELETE FROM runs`) // of a check that failed
		require.NoError(t, err)
		c := hodei.Concurrency{Key: "deploy", Limit: rapid.IntRange(1, 2).Draw(t, "limit")}
		held := rapid.SliceOfN(rapid.Bool(), 1, 6).Draw(t, "held")
		left := map[hodei.RunID]bool{}
		for _, held := range held {
			left[r.create(t, c, held)] = true
		}
		for range 4 * len(held) {
			r.advance(t, func(run *hodei.Run, _ []hodei.Execution, now time.Time) postgres.Steps {
				if run.StartedAt != nil && run.StartedAt.Before(now) { // it ran in the record
					run.Status, run.CompletedAt = hodei.RunCompleted, &now
				}
				return postgres.Steps{}
			})
			running := 0
			for id := range left {
				switch r.status(t, id) {
				case hodei.RunRunning:
					running++
				case hodei.RunCompleted:
					delete(left, id)
				}
			}
			require.LessOrEqual(t, running, c.Limit)
			if len(left) == 0 {
				return
			}
		}
		t.Fatalf("%d runs never ran", len(left))
	})
}

// TestAHeldRunSupersedesOneOfItsBatch: the request to cancel the running one is not lost.
func TestAHeldRunSupersedesOneOfItsBatch(t *testing.T) {
	t.Parallel()
	r := openKeyed(t)
	c := hodei.Concurrency{Key: "deploy", OnConflict: hodei.ConflictCancelRunning}
	running, held := r.create(t, c, false), r.create(t, c, true)
	r.advance(t, endStopping)
	require.Equal(t, hodei.RunRunning, r.status(t, running))
	_, err := r.conn.Exec(t.Context(), `UPDATE runs SET due_at = now() WHERE id = $1`, held)
	require.NoError(t, err)
	for range 3 { // the held one is admitted, the running one ends, and the held one starts
		if _, _, err := r.db.AdvanceRuns(t.Context(), endStopping, func(context.Context, []hodei.Execution) {}); err != nil {
			require.ErrorIs(t, err, hodei.NotFound)
		}
	}
	require.Equal(t, hodei.RunCancelled, r.status(t, running))
	require.Equal(t, hodei.RunRunning, r.status(t, held))
}

// TestAHeldRunDoesNotHideTheNext: a run ends while the run that waits for its key is locked, so
// only wakeNext makes that due. A held run that is older is not next.
func TestAHeldRunDoesNotHideTheNext(t *testing.T) {
	t.Parallel()
	r := openKeyed(t)
	c := hodei.Concurrency{Key: "deploy"}
	r.create(t, c, true)
	running, next := r.create(t, c, false), r.create(t, c, false)
	_, err := r.conn.Exec(t.Context(), `UPDATE runs SET due_at = now() WHERE id = $1`, running)
	require.NoError(t, err)
	lock, err := r.conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), `SELECT FROM runs WHERE id = $1 FOR UPDATE`, next)
	require.NoError(t, err)
	advanced := make(chan error, 1)
	go func() {
		_, _, err := r.db.AdvanceRuns(t.Context(), func(run *hodei.Run, _ []hodei.Execution, now time.Time) postgres.Steps {
			run.Status, run.CompletedAt = hodei.RunCompleted, &now
			return postgres.Steps{}
		}, func(context.Context, []hodei.Execution) {})
		advanced <- err
	}()
	require.Eventually(t, func() bool { return r.status(t, running) == hodei.RunCompleted }, time.Minute, time.Millisecond)
	require.NoError(t, lock.Commit(t.Context()))
	require.NoError(t, <-advanced)
	var due bool
	require.NoError(t, r.conn.QueryRow(t.Context(), `SELECT due_at <= now() FROM runs WHERE id = $1`, next).Scan(&due))
	require.True(t, due)
}

// TestAConcurrencyKeyBelongsToItsPipeline: a run neither waits for nor cancels a run of another
// pipeline with the same key, also where both are advanced in one batch.
func TestAConcurrencyKeyBelongsToItsPipeline(t *testing.T) {
	t.Parallel()
	r := openKeyed(t)
	p, err := r.db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "other"})
	require.NoError(t, err)
	other := r
	other.pipeline = p.ID
	c := hodei.Concurrency{Key: "deploy", OnConflict: hodei.ConflictCancelRunning}
	theirs := other.create(t, c, false)
	waiting := other.create(t, hodei.Concurrency{Key: "deploy"}, false)
	require.Equal(t, hodei.RunPending, r.status(t, waiting))
	mine := r.create(t, c, false)
	require.Equal(t, hodei.RunRunning, r.status(t, mine), "it waits for a run of another pipeline")
	held := r.create(t, c, true)
	_, err = r.conn.Exec(t.Context(), `UPDATE runs SET due_at = CASE WHEN id = ANY($1) THEN now() END, not_before = least(not_before, now())`,
		[]hodei.RunID{theirs, held})
	require.NoError(t, err)
	_, _, err = r.db.AdvanceRuns(t.Context(), endStopping, func(context.Context, []hodei.Execution) {})
	require.NoError(t, err)
	var cancelled bool
	require.NoError(t, r.conn.QueryRow(t.Context(), `SELECT cancel_requested_at IS NOT NULL FROM runs WHERE id = $1`, mine).Scan(&cancelled))
	require.True(t, cancelled, "the held run is admitted beside a run of another pipeline")
	for range 3 {
		r.advance(t, endStopping)
	}
	require.Equal(t, hodei.RunCancelled, r.status(t, mine), "a run of its own pipeline cancels it")
	require.Equal(t, hodei.RunRunning, r.status(t, held))
	require.Equal(t, hodei.RunRunning, r.status(t, theirs), "a run of another pipeline cancelled it")
	require.Equal(t, hodei.RunPending, r.status(t, waiting), "a run of another pipeline replaced it, or let it start")
}
