package client

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// CreatePipeline creates a pipeline.
func (c *Client) CreatePipeline(ctx context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
	return call(ctx, c, schemas.CreatePipeline, req)
}

// GetPipeline returns a pipeline, or NOT_FOUND.
func (c *Client) GetPipeline(ctx context.Context, req schemas.GetPipelineRequest) (hodei.Pipeline, error) {
	return call(ctx, c, schemas.GetPipeline, req)
}

// PipelineID returns the id of the pipeline with this slug, or NOT_FOUND. It
// returns an id unchanged.
func (c *Client) PipelineID(ctx context.Context, ref hodei.PipelineRef) (hodei.PipelineID, error) {
	if id, isID := ref.ID(); isID {
		return id, nil
	}
	p, err := c.GetPipeline(ctx, schemas.GetPipelineRequest{ID: ref})
	return p.ID, err
}

// RunID returns the id of a run such as "release#42", or NOT_FOUND. It returns an id
// unchanged.
func (c *Client) RunID(ctx context.Context, ref hodei.RunRef) (hodei.RunID, error) {
	if id, isID := ref.ID(); isID {
		return id, nil
	}
	r, err := c.GetRun(ctx, schemas.GetRunRequest{ID: ref})
	return r.ID, err
}

// ExecutionID returns the id of an execution such as "release#42/test", or NOT_FOUND. It
// returns an id unchanged.
func (c *Client) ExecutionID(ctx context.Context, ref hodei.ExecutionRef) (hodei.ExecutionID, error) {
	if id, isID := ref.ID(); isID {
		return id, nil
	}
	e, err := c.GetExecution(ctx, schemas.GetExecutionRequest{ID: ref})
	return e.ID, err
}

// ListPipelines returns a page of pipelines, newest first.
func (c *Client) ListPipelines(ctx context.Context, req schemas.ListPipelinesRequest) (schemas.List[hodei.Pipeline], error) {
	return call(ctx, c, schemas.ListPipelines, req)
}

// ApplyPipeline creates or changes a pipeline and its jobs by a definition. Its error
// lists every problem of one that is not valid.
func (c *Client) ApplyPipeline(ctx context.Context, req schemas.ApplyPipelineRequest) (schemas.AppliedPipeline, error) {
	return call(ctx, c, schemas.ApplyPipeline, req)
}

// GetDefinition returns the definition of a pipeline, or NOT_FOUND.
func (c *Client) GetDefinition(ctx context.Context, req schemas.GetDefinitionRequest) (schemas.PipelineDocument, error) {
	return call(ctx, c, schemas.GetDefinition, req)
}

// CreateJob creates a job in a pipeline, or returns NOT_FOUND if there is none.
func (c *Client) CreateJob(ctx context.Context, req schemas.CreateJobRequest) (hodei.Job, error) {
	return call(ctx, c, schemas.CreateJob, req)
}

// GetJob returns a job, or NOT_FOUND.
func (c *Client) GetJob(ctx context.Context, req schemas.GetJobRequest) (hodei.Job, error) {
	return call(ctx, c, schemas.GetJob, req)
}

// ListJobs returns a page of jobs, newest first.
func (c *Client) ListJobs(ctx context.Context, req schemas.ListJobsRequest) (schemas.List[hodei.Job], error) {
	return call(ctx, c, schemas.ListJobs, req)
}

// ExecuteJob executes a job. The reply is RUNNING if a worker has accepted it,
// PENDING if none could within wait_seconds, or the error REJECTED if queueing
// was disabled.
func (c *Client) ExecuteJob(ctx context.Context, req schemas.ExecuteJobRequest) (schemas.StartedExecution, error) {
	return call(ctx, c, schemas.ExecuteJob, req)
}

// GetExecution returns an execution, or NOT_FOUND.
func (c *Client) GetExecution(ctx context.Context, req schemas.GetExecutionRequest) (hodei.Execution, error) {
	return call(ctx, c, schemas.GetExecution, req)
}

// ListExecutions returns a page of executions, newest first.
func (c *Client) ListExecutions(ctx context.Context, req schemas.ListExecutionsRequest) (schemas.List[hodei.Execution], error) {
	return call(ctx, c, schemas.ListExecutions, req)
}

// CancelExecution requests the end of an execution, or returns CONFLICT if it
// has ended. Wait returns when it has.
func (c *Client) CancelExecution(ctx context.Context, req schemas.CancelExecutionRequest) (hodei.Execution, error) {
	return call(ctx, c, schemas.CancelExecution, req)
}

// Schedule finds a worker for an execution, or with DryRun only explains the
// choice.
func (c *Client) Schedule(ctx context.Context, req schemas.ScheduleRequest) (schemas.Decision, error) {
	return call(ctx, c, schemas.Schedule, req)
}

// GetQueue returns the head of the queue of pending executions.
func (c *Client) GetQueue(ctx context.Context, req schemas.GetQueueRequest) (schemas.QueueList, error) {
	return call(ctx, c, schemas.GetQueue, req)
}

// Execute runs a command without a job.
func (c *Client) Execute(ctx context.Context, req schemas.ExecuteRequest) (schemas.AdHocExecution, error) {
	return call(ctx, c, schemas.Execute, req)
}

// RegisterWorker registers a new or restarted worker.
func (c *Client) RegisterWorker(ctx context.Context, req schemas.RegisterWorkerRequest) (hodei.Worker, error) {
	return call(ctx, c, schemas.RegisterWorker, req)
}

// GetWorker returns a worker, or NOT_FOUND.
func (c *Client) GetWorker(ctx context.Context, req schemas.GetWorkerRequest) (hodei.Worker, error) {
	return call(ctx, c, schemas.GetWorker, req)
}

// ListWorkers returns a page of workers, newest first.
func (c *Client) ListWorkers(ctx context.Context, req schemas.ListWorkersRequest) (schemas.List[hodei.Worker], error) {
	return call(ctx, c, schemas.ListWorkers, req)
}

// AssignExecution assigns a pending execution to the named or the best worker.
func (c *Client) AssignExecution(ctx context.Context, req schemas.AssignRequest) (schemas.Assignment, error) {
	return call(ctx, c, schemas.AssignExecution, req)
}

// GetLogs returns a page of the recorded log. See Follow for lines that are not
// recorded yet.
func (c *Client) GetLogs(ctx context.Context, req schemas.GetLogsRequest) (schemas.LogPage, error) {
	return call(ctx, c, schemas.GetLogs, req)
}

// UpdatePipeline updates the given fields.
func (c *Client) UpdatePipeline(ctx context.Context, req schemas.UpdatePipelineRequest) (hodei.Pipeline, error) {
	return call(ctx, c, schemas.UpdatePipeline, req)
}

// DeletePipeline deletes a pipeline with its jobs and their executions, or
// returns CONFLICT if one of them is live.
func (c *Client) DeletePipeline(ctx context.Context, req schemas.DeletePipelineRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeletePipeline, req)
}

// UpdateJob updates the given fields. Existing executions do not change.
func (c *Client) UpdateJob(ctx context.Context, req schemas.UpdateJobRequest) (hodei.Job, error) {
	return call(ctx, c, schemas.UpdateJob, req)
}

// DeleteJob deletes a job with its executions, or returns CONFLICT if one is
// live.
func (c *Client) DeleteJob(ctx context.Context, req schemas.DeleteJobRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteJob, req)
}

// RetryExecution runs an ended execution again, or returns CONFLICT if it has
// not ended.
func (c *Client) RetryExecution(ctx context.Context, req schemas.RetryExecutionRequest) (hodei.Execution, error) {
	return call(ctx, c, schemas.RetryExecution, req)
}

// CordonWorker makes a worker accept nothing new and stay connected.
func (c *Client) CordonWorker(ctx context.Context, req schemas.CordonWorkerRequest) (hodei.Worker, error) {
	return call(ctx, c, schemas.CordonWorker, req)
}

// UncordonWorker makes a cordoned worker accept work again.
func (c *Client) UncordonWorker(ctx context.Context, req schemas.UncordonWorkerRequest) (hodei.Worker, error) {
	return call(ctx, c, schemas.UncordonWorker, req)
}

// DrainWorker makes a worker accept nothing new, finish its executions and
// leave.
func (c *Client) DrainWorker(ctx context.Context, req schemas.DrainWorkerRequest) (hodei.Worker, error) {
	return call(ctx, c, schemas.DrainWorker, req)
}

// ResumeWorker resumes a draining worker.
func (c *Client) ResumeWorker(ctx context.Context, req schemas.ResumeWorkerRequest) (hodei.Worker, error) {
	return call(ctx, c, schemas.ResumeWorker, req)
}

// TerminateWorker makes a worker kill its executions and leave.
func (c *Client) TerminateWorker(ctx context.Context, req schemas.TerminateWorkerRequest) (hodei.Worker, error) {
	return call(ctx, c, schemas.TerminateWorker, req)
}

// DeleteExecution deletes an execution with its log, or returns CONFLICT if it
// has not ended or a retry of it is due.
func (c *Client) DeleteExecution(ctx context.Context, req schemas.DeleteExecutionRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteExecution, req)
}

// DeleteWorker deletes a worker that has left, or returns CONFLICT if it has
// not.
func (c *Client) DeleteWorker(ctx context.Context, req schemas.DeleteWorkerRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteWorker, req)
}

// GetStats counts current and recently ended executions.
func (c *Client) GetStats(ctx context.Context, req schemas.GetStatsRequest) (hodei.Stats, error) {
	return call(ctx, c, schemas.GetStats, req)
}

// ExecutePipeline creates a run of all jobs of a pipeline, or of those that Only names.
func (c *Client) ExecutePipeline(ctx context.Context, req schemas.ExecutePipelineRequest) (hodei.Run, error) {
	return call(ctx, c, schemas.ExecutePipeline, req)
}

// GetRun returns a run with its jobs, or NOT_FOUND.
func (c *Client) GetRun(ctx context.Context, req schemas.GetRunRequest) (hodei.Run, error) {
	return call(ctx, c, schemas.GetRun, req)
}

// ListRuns returns a page of runs without their jobs, newest first.
func (c *Client) ListRuns(ctx context.Context, req schemas.ListRunsRequest) (schemas.List[hodei.Run], error) {
	return call(ctx, c, schemas.ListRuns, req)
}

// CancelRun ends the running jobs of a run and starts only its finally jobs. It
// returns CONFLICT if the run has ended.
func (c *Client) CancelRun(ctx context.Context, req schemas.CancelRunRequest) (hodei.Run, error) {
	return call(ctx, c, schemas.CancelRun, req)
}

// RerunRun repeats an ended run, or returns CONFLICT if it has not ended.
func (c *Client) RerunRun(ctx context.Context, req schemas.RerunRunRequest) (hodei.Run, error) {
	return call(ctx, c, schemas.RerunRun, req)
}

// ApproveRun approves a job that is BLOCKED, or returns CONFLICT if it is not.
func (c *Client) ApproveRun(ctx context.Context, req schemas.ApproveRunRequest) (hodei.Run, error) {
	return call(ctx, c, schemas.ApproveRun, req)
}

// RejectRun rejects a job that is BLOCKED, or returns CONFLICT if it is not.
func (c *Client) RejectRun(ctx context.Context, req schemas.RejectRunRequest) (hodei.Run, error) {
	return call(ctx, c, schemas.RejectRun, req)
}

// CreateToken creates a token. The reply has its text, this once.
func (c *Client) CreateToken(ctx context.Context, req schemas.CreateTokenRequest) (schemas.CreatedToken, error) {
	return call(ctx, c, schemas.CreateToken, req)
}

// ListTokens returns a page of tokens, newest first.
func (c *Client) ListTokens(ctx context.Context, req schemas.ListTokensRequest) (schemas.List[hodei.Token], error) {
	return call(ctx, c, schemas.ListTokens, req)
}

// DeleteToken revokes a token, or returns NOT_FOUND.
func (c *Client) DeleteToken(ctx context.Context, req schemas.DeleteTokenRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteToken, req)
}

// ListAudit returns a page of the audit log, newest first.
func (c *Client) ListAudit(ctx context.Context, req schemas.ListAuditRequest) (schemas.List[hodei.AuditRecord], error) {
	return call(ctx, c, schemas.ListAudit, req)
}

// WhoAmI returns who the server takes the caller for. It is over HTTP only.
func (c *Client) WhoAmI(ctx context.Context, req schemas.Empty) (schemas.Identity, error) {
	return call(ctx, c, schemas.WhoAmI, req)
}

// SetSecret sets the value of a secret.
func (c *Client) SetSecret(ctx context.Context, req schemas.SetSecretRequest) (hodei.Secret, error) {
	return call(ctx, c, schemas.SetSecret, req)
}

// ListSecrets returns the names of secrets, never a value.
func (c *Client) ListSecrets(ctx context.Context, req schemas.ListSecretsRequest) (schemas.List[hodei.Secret], error) {
	return call(ctx, c, schemas.ListSecrets, req)
}

// DeleteSecret deletes a secret, or returns NOT_FOUND.
func (c *Client) DeleteSecret(ctx context.Context, req schemas.DeleteSecretRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteSecret, req)
}

// RotateSecrets encrypts all secrets with the first key of the key file.
func (c *Client) RotateSecrets(ctx context.Context, req schemas.Empty) (schemas.RotatedSecrets, error) {
	return call(ctx, c, schemas.RotateSecrets, req)
}

// ListWorkerKeys returns a page of the workers that have joined with a token, newest first.
func (c *Client) ListWorkerKeys(ctx context.Context, req schemas.ListWorkerKeysRequest) (schemas.List[hodei.WorkerKey], error) {
	return call(ctx, c, schemas.ListWorkerKeys, req)
}

// ApproveWorker approves a worker that has joined, so that it may connect, or returns NOT_FOUND.
func (c *Client) ApproveWorker(ctx context.Context, req schemas.ApproveWorkerRequest) (hodei.WorkerKey, error) {
	return call(ctx, c, schemas.ApproveWorker, req)
}

// RevokeWorker revokes the key of a worker that has joined, or returns NOT_FOUND.
func (c *Client) RevokeWorker(ctx context.Context, req schemas.RevokeWorkerRequest) (hodei.WorkerKey, error) {
	return call(ctx, c, schemas.RevokeWorker, req)
}
