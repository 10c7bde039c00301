package orchestrator

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// freed is a record of one pipeline, whose runs share a key, and no orchestrator: the test
// decides when each of them looks.
type freed struct {
	*postgres.DB
	t        *testing.T
	pipeline hodei.PipelineID
}

func newFreed(t *testing.T) *freed {
	db := open(t, localtest.Migrated(t, postgres.Migrate))
	p, err := db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "freed"})
	require.NoError(t, err)
	_, err = db.CreateJob(t.Context(), hodei.Job{PipelineID: p.ID, Spec: hodei.Spec{Command: shell, Environment: map[string]string{}}})
	require.NoError(t, err)
	return &freed{db, t, p.ID}
}

// create creates a run with the key; while is called before the commit, when the runs with the
// key have been counted.
func (f *freed) create(while func()) hodei.Run {
	f.t.Helper()
	a, err := f.CreateRun(f.t.Context(), hodei.Run{PipelineID: f.pipeline}, func(r *hodei.Run, s hodei.Settings, jobs []hodei.Job) error {
		s.Concurrency = &hodei.Concurrency{Key: "k"}
		return run.Expand(r, run.Source{Settings: s, Jobs: jobs})
	}, func(r *hodei.Run, ends []hodei.Execution, now time.Time) postgres.Steps {
		if while != nil {
			while()
		}
		return advance(r, ends, now)
	}, handNothing)
	require.NoError(f.t, err)
	return a.Run
}

// end ends the run in the background and returns when that is committed.
func (f *freed) end(id hodei.RunID) (finished <-chan error) {
	f.t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := f.AdvanceRun(context.WithoutCancel(f.t.Context()), id, func(r *hodei.Run, ends []hodei.Execution, now time.Time) (postgres.Steps, error) {
			for i := range r.Jobs {
				r.Jobs[i].Status, r.Jobs[i].CompletedAt = hodei.JobCompleted, &now
			}
			return postgres.Steps(run.Advance(r, ends, now, nil)), nil
		}, handNothing)
		done <- err
	}()
	require.Eventually(f.t, func() bool {
		r, err := f.GetRun(f.t.Context(), id)
		require.NoError(f.t, err)
		return r.Status == hodei.RunCompleted
	}, time.Minute, time.Millisecond)
	return done
}

// requireDue fails unless a run is to be looked at now.
func (f *freed) requireDue() {
	f.t.Helper()
	wait, err := f.NextRun(f.t.Context(), time.Minute)
	require.NoError(f.t, err)
	require.Zero(f.t, wait, "the run that waits is due")
}

// TestAKeyFreedWhileARunIsCreated: a run that counted the one before it, which ends before the
// new one is committed, is looked at at once.
func TestAKeyFreedWhileARunIsCreated(t *testing.T) {
	t.Parallel()
	f := newFreed(t)
	first := f.create(nil)
	var finished <-chan error
	second := f.create(func() { finished = f.end(first.ID) })
	require.NoError(t, <-finished)
	require.Equal(t, hodei.RunPending, second.Status)
	f.requireDue()
}

// TestAKeyFreedWhileARunIsLookedAt: likewise a run that is being looked at.
func TestAKeyFreedWhileARunIsLookedAt(t *testing.T) {
	t.Parallel()
	f := newFreed(t)
	first, second := f.create(nil), f.create(nil)
	var finished <-chan error
	a, err := f.AdvanceRun(t.Context(), second.ID, func(r *hodei.Run, ends []hodei.Execution, now time.Time) (postgres.Steps, error) {
		finished = f.end(first.ID)
		return postgres.Steps(run.Advance(r, ends, now, nil)), nil
	}, handNothing)
	require.NoError(t, err)
	require.NoError(t, <-finished)
	require.Equal(t, hodei.RunPending, a.Status)
	f.requireDue()
}
