package orchestrator

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// keyed executes the pipeline with a concurrency key.
func (b *bench) keyed(pipeline hodei.PipelineID, c hodei.Concurrency) (hodei.Run, error) {
	b.t.Helper()
	a, err := b.db.CreateRun(b.t.Context(), hodei.Run{PipelineID: pipeline}, func(r *hodei.Run, s hodei.Settings, jobs []hodei.Job) error {
		s.Concurrency = &c
		return run.Expand(r, run.Source{Settings: s, Jobs: jobs})
	}, advance, handNothing)
	require.NoError(b.t, b.nc.Publish(schemas.RunSubject, nil))
	return a.Run, err
}

// handNothing leaves the executions of a run to the record.
func handNothing(context.Context, []hodei.Execution) {}

// three are runs of one pipeline with the same key, of which only one runs at a time.
func (b *bench) three(onConflict string) (pipeline hodei.PipelineID, first, second, third hodei.Run) {
	b.t.Helper()
	pipeline = b.pipeline(needing("build"))
	var all [3]hodei.Run
	for i := range all {
		var err error
		all[i], err = b.keyed(pipeline, hodei.Concurrency{Key: "deploy", OnConflict: onConflict})
		require.NoError(b.t, err)
	}
	return pipeline, all[0], all[1], all[2]
}

// TestConcurrencyQueues: runs with one key run one after the other, oldest first.
func TestConcurrencyQueues(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.instance()
	_, first, second, third := b.three(hodei.ConflictQueue)
	require.Equal(t, hodei.RunRunning, first.Status)
	require.Equal(t, hodei.RunPending, second.Status)
	require.Nil(t, second.StartedAt)
	require.Equal(t, hodei.ReasonConcurrency, *second.Reason)
	require.Equal(t, hodei.ReasonConcurrency, *b.shownRun(second.ID).Reason)
	b.finish(first.ID, "build", completed)
	require.Nil(t, b.waitRun(second.ID, hodei.RunRunning).Reason)
	require.Equal(t, hodei.RunPending, b.shownRun(third.ID).Status)
	b.finish(second.ID, "build", completed)
	b.finish(third.ID, "build", completed)
	b.waitRun(third.ID, hodei.RunCompleted)
}

// TestConcurrencyLimit: as many run at a time as the limit allows.
func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	p := b.pipeline(needing("build"))
	var all []hodei.Run
	for range 5 {
		r, err := b.keyed(p, hodei.Concurrency{Key: "deploy", Limit: 2})
		require.NoError(t, err)
		all = append(all, r)
	}
	require.Equal(t, hodei.RunRunning, all[1].Status)
	require.Equal(t, hodei.RunPending, all[2].Status)
	b.finish(all[0].ID, "build", completed)
	b.finish(all[1].ID, "build", completed)
	b.waitRun(all[2].ID, hodei.RunRunning)
	b.waitRun(all[3].ID, hodei.RunRunning)
	require.Equal(t, hodei.RunPending, b.shownRun(all[4].ID).Status)
}

// TestConcurrencyRejects a run whose key is taken; nothing is recorded of it.
func TestConcurrencyRejects(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	p := b.pipeline(needing("build"))
	reject := hodei.Concurrency{Key: "deploy", OnConflict: hodei.ConflictReject}
	first, err := b.keyed(p, reject)
	require.NoError(t, err)
	_, err = b.keyed(p, reject)
	require.ErrorIs(t, err, hodei.Rejected)
	b.finish(first.ID, "build", completed)
	b.waitRun(first.ID, hodei.RunCompleted)
	again, err := b.keyed(p, reject)
	require.NoError(t, err)
	require.Equal(t, 2, again.Number)
}

// TestConcurrencyCancelsWaiting: a new run takes the place of those that wait.
func TestConcurrencyCancelsWaiting(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	_, first, second, third := b.three(hodei.ConflictCancelWaiting)
	gone := b.waitRun(second.ID, hodei.RunCancelled)
	require.Equal(t, hodei.ReasonSuperseded, *gone.Reason)
	require.Equal(t, hodei.JobCancelled, gone.Jobs[0].Status)
	b.finish(first.ID, "build", completed)
	b.finish(third.ID, "build", completed)
	b.waitRun(third.ID, hodei.RunCompleted)
}

// TestConcurrencyCancelsRunning: a new run cancels the one that runs, and starts once
// that has ended.
func TestConcurrencyCancelsRunning(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.manager(&neighbours{stop: func(req schemas.StopExecutionRequest) (hodei.Execution, error) {
		e, err := b.db.EndPending(t.Context(), req.ID, hodei.Cancelled, hodei.ReasonCancelled)
		_ = b.nc.Publish(schemas.RunSubject, nil)
		return e, err
	}})
	_, first, second, third := b.three(hodei.ConflictCancelRunning)
	b.waitRun(first.ID, hodei.RunCancelled)
	b.waitRun(second.ID, hodei.RunCancelled)
	b.finish(third.ID, "build", completed)
	b.waitRun(third.ID, hodei.RunCompleted)
}

// TestARunWaitsForNoKeyOfOneThatWaitsForIt: it would wait for ever. Only two definitions that
// are applied at the same moment let a pipeline start itself.
func TestARunWaitsForNoKeyOfOneThatWaitsForIt(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.define(smoke, "slug: self\nconcurrency: { key: own }\njobs: { a: { pipeline: { slug: smoke, params: { env: prod } } } }\n")
	a := b.uncreated("self")
	draft := hodei.Run{PipelineID: a.PipelineID, Parent: &hodei.ParentRun{RunID: a.Run.ID}, Trigger: hodei.RunTrigger{Kind: hodei.TriggerPipeline}}
	_, _, err := b.db.CreateChild(t.Context(), draft, a.Calls[0], func(r *hodei.Run, s hodei.Settings, jobs []hodei.Job) error {
		return run.Expand(r, run.Source{Settings: s, Jobs: jobs})
	}, advance, handNothing)
	require.ErrorIs(t, err, hodei.Rejected)
	require.ErrorContains(t, err, `The concurrency key "own" is taken by a run that waits for this one`)
}
