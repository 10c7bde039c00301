package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// rivalActs are the operations on an execution. Each returns CONFLICT if it
// changed nothing.
func rivalActs(ctx context.Context, db *postgres.DB, id hodei.ExecutionID) map[string]func() error {
	worker := postgres.NewID[hodei.WorkerID]()
	return map[string]func() error{
		"assign": func() error {
			_, err := db.AssignExecution(ctx, id, worker, "shell", "first")
			return err
		},
		"requeue": func() error {
			now, err := db.GetExecution(ctx, id)
			if err != nil || now.ScheduledAt == nil {
				return hodei.Errorf(hodei.Conflict, "not assigned")
			}
			_, err = db.RequeueExecution(ctx, id, worker, *now.ScheduledAt)
			return err
		},
		"complete": func() error {
			_, finished, err := db.FinishExecution(ctx, id, worker, hodei.Outcome{Status: hodei.Completed, CompletedAt: time.Now()})
			if err == nil && !finished {
				return hodei.Errorf(hodei.Conflict, "lines are missing")
			}
			return err
		},
		"lose": func() error {
			lost, err := db.LoseExecutions(ctx, worker, "first", always, nil)
			if err == nil && len(lost) == 0 {
				return hodei.Errorf(hodei.Conflict, "nothing ran")
			}
			return err
		},
		"cancel": func() error {
			_, err := db.EndPending(ctx, id, hodei.Cancelled, hodei.ReasonCancelled)
			return err
		},
	}
}

// TestConcurrentChangesAreLegalTransitions: with concurrent operations on one execution, every
// step is a legal transition, and exactly one caller succeeds for each.
func TestConcurrentChangesAreLegalTransitions(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	ctx := t.Context()
	require.NoError(t, db.CreateLogDay(ctx, time.Now()))
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	_, err = conn.Exec(ctx, `CREATE TABLE steps (n bigserial PRIMARY KEY, id uuid, before text, after text);
		CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO steps (id, before, after) VALUES (NEW.id, OLD.status, NEW.status); RETURN NULL; END $$;
		CREATE TRIGGER step AFTER UPDATE OF status ON executions FOR EACH ROW EXECUTE FUNCTION step();`)
	require.NoError(t, err)
	names := rapid.SampledFrom([]string{"assign", "requeue", "complete", "lose", "cancel"})
	rapid.Check(t, func(rt *rapid.T) {
		e, err := db.CreateExecution(ctx, hodei.Execution{Spec: spec("true")})
		require.NoError(rt, err)
		acts := rivalActs(ctx, db, e.ID)
		rivals := rapid.SliceOfN(rapid.SliceOfN(names, 1, 4), 2, 4).Draw(rt, "rivals")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won, completed := 0, 0
		for _, acting := range rivals {
			wg.Go(func() {
				for _, name := range acting {
					err := acts[name]()
					mu.Lock()
					if err == nil {
						won++
						if name == "complete" {
							completed++
						}
					} else if !errors.Is(err, hodei.Conflict) {
						rt.Errorf("%s: %v", name, err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		rows, err := conn.Query(ctx, `SELECT before, after FROM steps WHERE id = $1 ORDER BY n`, e.ID)
		require.NoError(rt, err)
		type step struct{ Before, After hodei.ExecutionStatus }
		steps, err := pgx.CollectRows(rows, pgx.RowToStructByPos[step])
		require.NoError(rt, err)
		at, ends := hodei.Pending, 0
		for _, s := range steps {
			require.Equal(rt, at, s.Before)
			require.True(rt, hodei.ExecutionTransitions.Allows(s.Before, s.After), "%v", s)
			if at = s.After; at == hodei.Completed {
				ends++
			}
		}
		// Completed more than once is the same end, reported again.
		require.Equal(rt, len(steps), won-max(0, completed-ends), "%v", steps)
		require.LessOrEqual(rt, ends, 1)
	})
}
