package orchestrator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// pipeline makes a pipeline of the jobs, each described as over REST.
func (b *bench) pipeline(jobs ...schemas.CreateJobRequest) hodei.PipelineID {
	b.t.Helper()
	p, err := rpc.Call(b.t.Context(), b.nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "test"})
	require.NoError(b.t, err)
	for _, job := range jobs {
		job.PipelineID = hodei.RefTo(p.ID)
		_, err := rpc.Call(b.t.Context(), b.nc, schemas.CreateJob, job)
		require.NoError(b.t, err)
	}
	return p.ID
}

// needing is a job that needs others.
func needing(key string, needs ...string) schemas.CreateJobRequest {
	job := schemas.CreateJobRequest{Graph: hodei.Graph{Key: key}}
	job.Command = &shell
	for _, need := range needs {
		job.Needs = append(job.Needs, hodei.Need{Job: need})
	}
	return job
}

func (b *bench) execute(pipeline hodei.PipelineID) hodei.Run {
	b.t.Helper()
	r, err := rpc.Call(b.t.Context(), b.nc, schemas.ExecutePipeline, schemas.ExecutePipelineRequest{ID: hodei.RefTo(pipeline)})
	require.NoError(b.t, err)
	return r
}

// finish has the job's execution run to its end and wakes the orchestrators, as the
// worker manager does.
func (b *bench) finish(r hodei.RunID, key string, outcome hodei.Outcome) {
	b.t.Helper()
	j := b.waitJob(r, key, hodei.JobPending)
	worker := postgres.NewID[hodei.WorkerID]()
	_, err := b.db.AssignExecution(b.t.Context(), *j.ExecutionID, worker, "shell", "first")
	require.NoError(b.t, err)
	outcome.CompletedAt = time.Now().UTC()
	_, whole, err := b.db.FinishExecution(b.t.Context(), *j.ExecutionID, worker, outcome)
	require.NoError(b.t, err)
	require.True(b.t, whole)
	require.NoError(b.t, b.nc.Publish(schemas.RunSubject, nil))
}

func (b *bench) shownRun(id hodei.RunID) hodei.Run {
	b.t.Helper()
	r, err := rpc.Call(b.t.Context(), b.nc, schemas.GetRun, schemas.GetRunRequest{ID: id})
	require.NoError(b.t, err)
	return r
}

// waitJob waits until the job is in the state.
func (b *bench) waitJob(id hodei.RunID, key string, status hodei.RunJobStatus) (found hodei.RunJob) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		for _, j := range b.shownRun(id).Jobs {
			if j.Key == key && j.Status == status {
				found = j
				return true
			}
		}
		return false
	}, time.Minute, 2*time.Millisecond, "%s is not %s", key, status)
	return found
}

// waitRun waits until the run is in the state.
func (b *bench) waitRun(id hodei.RunID, status hodei.RunStatus) (r hodei.Run) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		r = b.shownRun(id)
		return r.Status == status
	}, time.Minute, 2*time.Millisecond, "the run is not %s", status)
	return r
}

var completed = hodei.Outcome{Status: hodei.Completed}

// TestARunFollowsTheNeeds: a job starts when what it needs has completed, and the run
// ends with the last one. Executions carry their run.
func TestARunFollowsTheNeeds(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	p := b.pipeline(needing("build"), needing("test", "build"), needing("lint"), needing("deploy", "test", "lint"))
	r := b.execute(p)
	require.Equal(t, hodei.RunRunning, r.Status)
	require.Equal(t, 1, r.Number)
	require.Equal(t, hodei.TriggerAPI, r.Trigger.Kind)
	require.Len(t, r.Jobs, 4)
	for i, want := range []hodei.RunJobStatus{hodei.JobPending, hodei.JobWaiting, hodei.JobPending, hodei.JobWaiting} {
		require.Equal(t, want, r.Jobs[i].Status, r.Jobs[i].Key)
	}
	e, err := b.db.GetExecution(t.Context(), *r.Jobs[0].ExecutionID)
	require.NoError(t, err)
	require.Equal(t, r.ID, *e.RunID)
	require.Equal(t, 1, *e.RunNumber)
	require.Equal(t, "build", *e.JobKey)
	require.Equal(t, "true", e.Environment["CI"])
	require.Equal(t, r.ID.String(), e.Environment["HODEI_RUN_ID"])

	b.finish(r.ID, "build", hodei.Outcome{Status: hodei.Completed, Outputs: map[string]string{"version": "7"}})
	b.finish(r.ID, "test", completed)
	require.Equal(t, hodei.JobWaiting, b.shownRun(r.ID).Jobs[3].Status)
	b.finish(r.ID, "lint", completed)
	b.finish(r.ID, "deploy", completed)
	r = b.waitRun(r.ID, hodei.RunCompleted)
	require.Equal(t, map[string]string{"version": "7"}, r.Jobs[0].Outputs)
	require.NotNil(t, r.DurationSeconds)
	require.Len(t, b.executions(), 4)
	require.Equal(t, 2, b.execute(p).Number)
}
