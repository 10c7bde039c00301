package orchestrator

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
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
	b.finishAsleep(r, key, outcome)
	require.NoError(b.t, b.nc.Publish(schemas.RunSubject, nil))
}

// finishAsleep is finish without the wake-up.
func (b *bench) finishAsleep(r hodei.RunID, key string, outcome hodei.Outcome) {
	b.t.Helper()
	j := b.waitJob(r, key, hodei.JobPending)
	worker := postgres.NewID[hodei.WorkerID]()
	_, err := b.db.AssignExecution(b.t.Context(), *j.ExecutionID, worker, "shell", "first")
	require.NoError(b.t, err)
	outcome.CompletedAt = time.Now().UTC()
	_, whole, err := b.db.FinishExecution(b.t.Context(), *j.ExecutionID, worker, outcome)
	require.NoError(b.t, err)
	require.True(b.t, whole)
}

func (b *bench) shownRun(id hodei.RunID) hodei.Run {
	b.t.Helper()
	r, err := rpc.Call(b.t.Context(), b.nc, schemas.GetRun, schemas.GetRunRequest{ID: hodei.RefTo(id)})
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

// TestRunEvents: a run and its jobs announce their changes, each with the run.
func TestRunEvents(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	events, err := b.nc.SubscribeSync(schemas.RunEventSubjects)
	require.NoError(t, err)
	gate := needing("gate", "build")
	gate.Approval = &hodei.Gate{Message: "go on?"}
	r := b.execute(b.pipeline(needing("build"), gate, needing("last", "gate")))
	var got []string
	until := func(last string) { // the events of a step precede those of what a user does next
		for len(got) == 0 || got[len(got)-1] != last {
			msg, err := events.NextMsg(30 * time.Second)
			require.NoError(t, err, "%v", got)
			e := decode[schemas.RunEvent](t, msg.Data)
			require.Equal(t, r.ID, e.Run.ID)
			require.Equal(t, schemas.EventSubject(e.Type, r.ID), msg.Subject)
			text := strings.TrimPrefix(e.Type, "io.hodei.v1.run.")
			if e.Job != nil {
				text += " " + e.Job.Key + " " + string(e.Job.Status)
			}
			got = append(got, text)
		}
	}
	until("job build PENDING")
	b.finish(r.ID, "build", completed)
	until("blocked gate BLOCKED")
	j := b.waitJob(r.ID, "gate", hodei.JobBlocked)
	require.Equal(t, "go on?", j.Approval.Message)
	_, err = rpc.Call(t.Context(), b.nc, schemas.RejectRun, schemas.RejectRunRequest{RunAnswer: schemas.RunAnswer{ID: hodei.RefTo(r.ID), Key: "gate"}})
	require.NoError(t, err)
	until("failed")
	b.waitRun(r.ID, hodei.RunFailed)
	require.Equal(t, []string{
		"created", "started", "job build PENDING", "job build COMPLETED", "blocked gate BLOCKED",
		"job gate FAILED", "job last SKIPPED", "failed",
	}, got)
}

// TestACancelledRunEnds: what waits is cancelled with the run, and what runs is asked to
// end until it has.
func TestACancelledRunEnds(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	n := b.manager(&neighbours{stop: func(req schemas.StopExecutionRequest) (hodei.Execution, error) {
		e, err := b.db.EndPending(t.Context(), req.ID, hodei.Cancelled, hodei.ReasonCancelled)
		_ = b.nc.Publish(schemas.RunSubject, nil)
		return e, err
	}})
	clean := needing("clean")
	clean.Finally = true
	r := b.execute(b.pipeline(needing("build"), needing("test", "build"), clean))
	cancelled, err := rpc.Call(t.Context(), b.nc, schemas.CancelRun, schemas.CancelRunRequest{ID: hodei.RefTo(r.ID)})
	require.NoError(t, err)
	require.NotNil(t, cancelled.CancelRequestedAt)
	b.finish(r.ID, "clean", completed)
	r = b.waitRun(r.ID, hodei.RunCancelled)
	require.Equal(t, map[string]hodei.RunJobStatus{"build": hodei.JobCancelled, "test": hodei.JobCancelled, "clean": hodei.JobCompleted}, states(r.Jobs))
	require.Len(t, n.stopped, 1)
	_, err = rpc.Call(t.Context(), b.nc, schemas.CancelRun, schemas.CancelRunRequest{ID: hodei.RefTo(r.ID)})
	require.ErrorIs(t, err, hodei.Conflict)
}

// TestARetryBelongsToTheRun: the job waits for the last attempt.
func TestARetryBelongsToTheRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	flaky := needing("flaky")
	flaky.Retries = &hodei.Retries{Max: 2}
	r := b.execute(b.pipeline(flaky, needing("next", "flaky")))
	first := b.waitJob(r.ID, "flaky", hodei.JobPending)
	b.finish(r.ID, "flaky", hodei.Outcome{Status: hodei.Failed})
	require.NoError(t, b.nc.Publish(schemas.RetrySubject, nil))
	require.Eventually(t, func() bool { return b.shownRun(r.ID).Jobs[0].Attempt == 2 }, time.Minute, time.Millisecond)
	require.Equal(t, hodei.JobWaiting, b.shownRun(r.ID).Jobs[1].Status)
	require.NotEqual(t, *first.ExecutionID, *b.shownRun(r.ID).Jobs[0].ExecutionID)
	b.finish(r.ID, "flaky", completed)
	b.finish(r.ID, "next", completed)
	r = b.waitRun(r.ID, hodei.RunCompleted)
	require.Equal(t, 2, r.Jobs[0].Attempt)
}

// TestRerun repeats what failed and what follows from it, with the outputs of the rest.
func TestRerun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	r := b.execute(b.pipeline(needing("build"), needing("test", "build"), needing("ship", "test")))
	_, err := rpc.Call(t.Context(), b.nc, schemas.RerunRun, schemas.RerunRunRequest{ID: hodei.RefTo(r.ID)})
	require.ErrorIs(t, err, hodei.Conflict)
	b.finish(r.ID, "build", hodei.Outcome{Status: hodei.Completed, Outputs: map[string]string{"v": "1"}})
	b.finish(r.ID, "test", hodei.Outcome{Status: hodei.Failed})
	r = b.waitRun(r.ID, hodei.RunFailed)
	require.Equal(t, hodei.ReasonNeeds, *r.Jobs[2].Reason)
	again, err := rpc.Call(t.Context(), b.nc, schemas.RerunRun, schemas.RerunRunRequest{ID: hodei.RefTo(r.ID)})
	require.NoError(t, err)
	require.Equal(t, r.ID, *again.RerunOf)
	require.Equal(t, hodei.TriggerRerun, again.Trigger.Kind)
	require.Equal(t, *r.Jobs[0].ExecutionID, *again.Jobs[0].ReusedExecutionID)
	require.Equal(t, map[string]string{"v": "1"}, again.Jobs[0].Outputs)
	b.finish(again.ID, "test", completed)
	b.finish(again.ID, "ship", completed)
	again = b.waitRun(again.ID, hodei.RunCompleted)
	e, err := b.db.GetExecution(t.Context(), *again.Jobs[1].ExecutionID)
	require.NoError(t, err)
	require.JSONEq(t, `{"build":{"status":"COMPLETED","reason":null,"outputs":{"v":"1"}}}`, e.Environment["HODEI_NEEDS"])
}

// TestARetryByHandTakesThePlaceInTheRun of the one that is due, so that the run does not
// wait for that for ever; a job whose retry a run waits for is not deleted.
func TestARetryByHandTakesThePlaceInTheRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	flaky := needing("flaky")
	flaky.Retries = &hodei.Retries{Max: 2, BackoffSeconds: 3600}
	r := b.execute(b.pipeline(flaky))
	first := b.waitJob(r.ID, "flaky", hodei.JobPending)
	b.finish(r.ID, "flaky", hodei.Outcome{Status: hodei.Failed})
	_, err := rpc.Call(t.Context(), b.nc, schemas.DeleteJob, schemas.DeleteJobRequest{ID: *first.JobID})
	require.ErrorIs(t, err, hodei.Conflict)
	e, err := rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(*first.ExecutionID)})
	require.NoError(t, err)
	require.Equal(t, r.ID, *e.RunID)
	require.Equal(t, e.ID, *b.shownRun(r.ID).Jobs[0].ExecutionID)
	b.finish(r.ID, "flaky", completed)
	b.waitRun(r.ID, hodei.RunCompleted)
}

// TestARetryByHandGetsNoSecretsOfAFork: the run of a fork has none, nor has the retry of its
// execution, which has no run.
func TestARetryByHandGetsNoSecretsOfAFork(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	job := needing("build")
	job.Secrets = []hodei.SecretRef{{Name: "KEY"}}
	for noSecrets, want := range map[bool]int{true: 0, false: 1} {
		a, err := b.db.CreateRun(t.Context(), hodei.Run{PipelineID: b.pipeline(job)}, func(r *hodei.Run, s hodei.Settings, jobs []hodei.Job) error {
			return run.Expand(r, run.Source{Settings: s, Jobs: jobs, NoSecrets: noSecrets})
		}, advance, handNothing)
		require.NoError(t, err)
		past := b.waitJob(a.Run.ID, "build", hodei.JobPending)
		b.finish(a.Run.ID, "build", hodei.Outcome{Status: hodei.Failed})
		b.waitRun(a.Run.ID, hodei.RunFailed)
		e, err := rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(*past.ExecutionID)})
		require.NoError(t, err)
		require.Nil(t, e.RunID)
		require.Len(t, e.Secrets, want)
	}
}

// TestAWithdrawnRetryEndsTheJob.
func TestAWithdrawnRetryEndsTheJob(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	flaky := needing("flaky")
	flaky.Retries = &hodei.Retries{Max: 2, BackoffSeconds: 3600}
	r := b.execute(b.pipeline(flaky))
	first := b.waitJob(r.ID, "flaky", hodei.JobPending)
	b.finish(r.ID, "flaky", hodei.Outcome{Status: hodei.Failed})
	_, err := b.db.RequestCancel(t.Context(), *first.ExecutionID)
	require.NoError(t, err)
	b.waitRun(r.ID, hodei.RunFailed)
}
