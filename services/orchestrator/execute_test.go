package orchestrator

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func decode[T any](t *testing.T, body []byte) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(body, &v))
	return v
}

// TestExecuteIsPlacedInOneStep: where the scheduler places an execution, the
// orchestrator records nothing and asks for nothing else.
func TestExecuteIsPlacedInOneStep(t *testing.T) {
	t.Parallel()
	b := start(t)
	worker, at := postgres.NewID[hodei.WorkerID](), time.Now().UTC()
	n := b.scheduler(&neighbours{place: func(req schemas.PlaceRequest) (schemas.Assignment, error) {
		return schemas.Assignment{ExecutionID: req.ExecutionID, Status: "ASSIGNED", WorkerID: worker, WorkerType: "shell", StartedAt: at}, nil
	}})
	job := b.job(hodei.Spec{Command: shell, Environment: map[string]string{"A": "job", "B": "job"}, Priority: 7})
	command := hodei.Command{Args: []string{"echo", "other"}}
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{
		ID: job.ID, Command: &command, Environment: map[string]string{"A": "call"},
	})
	require.NoError(t, err)
	require.Equal(t, hodei.Running, got.Status)
	require.Equal(t, worker, *got.WorkerID)
	require.Equal(t, "shell", *got.WorkerType)
	require.True(t, at.Equal(*got.StartedAt))
	require.Nil(t, got.EstimatedCompletion, "no run to estimate by")

	placed, scheduled, _ := n.counts()
	require.Equal(t, []int{1, 0}, []int{placed, scheduled})
	req := n.placed[0]
	require.Equal(t, got.ExecutionID, req.ExecutionID)
	require.Equal(t, []any{job.ID, job.PipelineID}, []any{*req.JobID, *req.PipelineID})
	require.Equal(t, command, req.Spec.Command)
	require.Equal(t, map[string]string{"A": "call", "B": "job"}, req.Spec.Environment)
	require.Equal(t, 7, req.Spec.Priority)
	require.Empty(t, b.executions(), "the worker manager records what is placed")
}

func TestAPlacedExecutionIsEstimatedByEarlierRuns(t *testing.T) {
	t.Parallel()
	b := start(t)
	at := time.Now().UTC()
	b.scheduler(&neighbours{place: func(req schemas.PlaceRequest) (schemas.Assignment, error) {
		return schemas.Assignment{ExecutionID: req.ExecutionID, Status: "ASSIGNED", StartedAt: at, WorkerType: "shell"}, nil
	}})
	job := b.job(hodei.Spec{Command: shell})
	b.ended(job, hodei.Completed, 40*time.Second)
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID})
	require.NoError(t, err)
	require.WithinDuration(t, at.Add(40*time.Second), *got.EstimatedCompletion, time.Second)
}

// TestARefusedPlacementIsRecordedAndScheduled, under the id that was to be
// placed.
func TestARefusedPlacementIsRecordedAndScheduled(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{})
	job := b.job(hodei.Spec{Command: shell, Priority: 8})
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, got.Status)
	require.Equal(t, 1, *got.QueuePosition)
	require.Equal(t, "no worker", *got.Reason)

	require.Equal(t, got.ExecutionID, n.placed[0].ExecutionID)
	require.Equal(t, hodei.RefTo(got.ExecutionID), *n.scheduled[0].ExecutionID)
	require.Equal(t, 8, *n.scheduled[0].JobConfig.Priority)
	all := b.executions()
	require.Len(t, all, 1)
	require.Equal(t, got.ExecutionID, all[0].ID)
	require.Equal(t, hodei.Pending, all[0].Status)
	require.Equal(t, got.ExecutionID, b.created().Execution.ID)
}

// TestAPlacementWithoutAnAnswerIsFound: the worker manager had committed it
// when the answer was lost.
func TestAPlacementWithoutAnAnswerIsFound(t *testing.T) {
	t.Parallel()
	b := start(t)
	worker := postgres.NewID[hodei.WorkerID]()
	n := b.scheduler(&neighbours{place: func(req schemas.PlaceRequest) (schemas.Assignment, error) {
		_, err := b.db.StartExecution(t.Context(), hodei.Execution{
			ID: req.ExecutionID, JobID: req.JobID, PipelineID: req.PipelineID, Spec: req.Spec,
		}, worker, "shell", "first")
		if err != nil {
			return schemas.Assignment{}, err
		}
		return schemas.Assignment{}, hodei.Errorf(hodei.Unavailable, "The connection broke")
	}})
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: b.job(hodei.Spec{Command: shell}).ID})
	require.NoError(t, err)
	require.Equal(t, hodei.Running, got.Status)
	require.Equal(t, worker, *got.WorkerID)
	_, scheduled, _ := n.counts()
	require.Zero(t, scheduled)
	require.Len(t, b.executions(), 1)
}

// TestExecuteThatWaitsForNoWorkerIsNotPlaced: it is recorded and queued.
func TestExecuteThatWaitsForNoWorkerIsNotPlaced(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{})
	got, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{
		ID: b.job(hodei.Spec{Command: shell}).ID, Waiting: schemas.Waiting{WaitSeconds: new(float64)},
	})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, got.Status)
	placed, scheduled, _ := n.counts()
	require.Equal(t, []int{0, 1}, []int{placed, scheduled})
	require.Zero(t, *n.scheduled[0].WaitSeconds)
}

func TestExecuteNeedsACommandAndAJob(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{})
	_, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: b.job(hodei.Spec{}).ID})
	require.ErrorIs(t, err, hodei.Invalid)
	require.ErrorContains(t, err, "command")
	_, err = rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: postgres.NewID[hodei.JobID]()})
	require.ErrorIs(t, err, hodei.NotFound)
	_, err = rpc.Call(t.Context(), b.nc, schemas.Execute, schemas.ExecuteRequest{})
	require.ErrorIs(t, err, hodei.Invalid)
	placed, scheduled, _ := n.counts()
	require.Zero(t, placed+scheduled)
	require.Empty(t, b.executions())
}

// TestAnApprovalIsForItsRun: a job that waits for one is not started in another way.
func TestAnApprovalIsForItsRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{})
	gate := needing("deploy")
	gate.Approval = &hodei.Gate{Message: "deploy?"}
	r := b.execute(b.pipeline(gate))
	job := *b.waitJob(r.ID, "deploy", hodei.JobBlocked).JobID
	_, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job})
	require.ErrorIs(t, err, hodei.Conflict)
	placed, scheduled, _ := n.counts()
	require.Zero(t, placed+scheduled)
	require.Empty(t, b.executions())

	s, err := rpc.Call(t.Context(), b.nc, schemas.CreateSchedule, schemas.CreateScheduleRequest{JobID: &job, ScheduleSpec: every(time.Hour)})
	require.NoError(t, err)
	b.back(s.ID, time.Hour)
	fires := b.waitFires(s.ID, "the fire", func(f []hodei.Fire) bool { return len(f) == 1 })
	require.Equal(t, hodei.FireSkipped, fires[0].Status)
	require.Contains(t, *fires[0].Message, "approval")

	_, err = rpc.Call(t.Context(), b.nc, schemas.ApproveRun, schemas.ApproveRunRequest{RunAnswer: schemas.RunAnswer{ID: hodei.RefTo(r.ID), Key: "deploy"}})
	require.NoError(t, err)
	b.finish(r.ID, "deploy", hodei.Outcome{Status: hodei.Failed})
	ended := b.waitJob(r.ID, "deploy", hodei.JobFailed)
	_, err = rpc.Call(t.Context(), b.nc, schemas.RetryExecution, schemas.RetryExecutionRequest{ID: hodei.RefTo(*ended.ExecutionID)})
	require.ErrorIs(t, err, hodei.Conflict)
	require.Len(t, b.executions(), 1)
}

// TestCallersSetNoVariableOfHodei in a job, an ad hoc command or an execute.
func TestCallersSetNoVariableOfHodei(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	job := b.job(hodei.Spec{Command: shell})
	forged := map[string]string{"HODEI_BRANCH": "main"}
	refused := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, hodei.Invalid)
		require.Equal(t, "environment.HODEI_BRANCH", hodei.AsError(err).Details.Field)
	}
	request := schemas.RunRequest{Command: &shell, Environment: forged}
	_, err := rpc.Call(t.Context(), b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID, Environment: forged})
	refused(err)
	_, err = rpc.Call(t.Context(), b.nc, schemas.Execute, schemas.ExecuteRequest{RunRequest: request})
	refused(err)
	_, err = rpc.Call(t.Context(), b.nc, schemas.CreateJob, schemas.CreateJobRequest{PipelineID: hodei.RefTo(job.PipelineID), RunRequest: request})
	refused(err)
	_, err = rpc.Call(t.Context(), b.nc, schemas.UpdateJob, schemas.UpdateJobRequest{ID: job.ID, Environment: schemas.Patch[map[string]string]{Set: true, Value: &forged}})
	refused(err)
	_, err = rpc.Call(t.Context(), b.nc, schemas.ExecutePipeline, schemas.ExecutePipelineRequest{ID: hodei.RefTo(job.PipelineID), Environment: forged})
	refused(err)
	require.Empty(t, b.executions())
}

// TestARepeatedExecuteIsTheSame: with an idempotency key it is recorded once.
func TestARepeatedExecuteIsTheSame(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	job := b.job(hodei.Spec{Command: shell})
	ctx := rpc.WithIdempotencyKey(t.Context(), "one")
	first, err := rpc.Call(ctx, b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID})
	require.NoError(t, err)
	again, err := rpc.Call(ctx, b.nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: job.ID})
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Len(t, b.executions(), 1)
}

func TestAdHocIsRecordedAndQueued(t *testing.T) {
	t.Parallel()
	b := start(t)
	n := b.scheduler(&neighbours{})
	got, err := rpc.Call(t.Context(), b.nc, schemas.Execute, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &shell}})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, got.Status)
	require.Equal(t, got.ID, b.created().Execution.ID)
	_, scheduled, _ := n.counts()
	require.Zero(t, scheduled, "the scheduler takes it in from its event")
	e, err := rpc.Call(t.Context(), b.nc, schemas.GetExecution, schemas.GetExecutionRequest{ID: hodei.RefTo(got.ID)})
	require.NoError(t, err)
	require.Nil(t, e.JobID)
	require.Equal(t, shell, e.Command)
	require.Equal(t, hodei.DefaultPriority, e.Priority)
}

// TestAnAcknowledgementIsNoSignal: a publisher can have JetStream send it to any subject.
func TestAnAcknowledgementIsNoSignal(t *testing.T) {
	t.Parallel()
	b := start(t)
	require.NoError(t, b.nc.Publish(schemas.QueueFullSubject, []byte(`{"stream":"KV_WORKERS","seq":7}`)))
	require.NoError(t, b.nc.Flush())
	require.Never(t, func() bool {
		_, err := rpc.Call(t.Context(), b.nc, schemas.Execute, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &shell}})
		return err != nil
	}, 100*time.Millisecond, 10*time.Millisecond)
}

// TestAFullQueueRefuses what would only be queued, and records nothing of it.
func TestAFullQueueRefuses(t *testing.T) {
	t.Parallel()
	b := start(t)
	recorded := 0
	refused := func() bool {
		require.NoError(t, b.nc.Publish(schemas.QueueFullSubject, nil))
		_, err := rpc.Call(t.Context(), b.nc, schemas.Execute, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &shell}})
		if err == nil {
			recorded++
			return false
		}
		require.ErrorIs(t, err, hodei.Rejected)
		return true
	}
	require.Eventually(t, refused, time.Minute, time.Millisecond)
	require.Len(t, b.executions(), recorded)
}
