package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// The orchestrator owns pipelines, jobs and the creation of executions.
var (
	CreatePipeline = declare[CreatePipelineRequest, hodei.Pipeline](Op{
		Name: "pipelines.create", Service: Orchestrator, Method: "POST", Path: "/pipelines", Status: 201, Creates: true,
		Summary:     "Create a pipeline",
		Errors:      []hodei.Code{hodei.Conflict},
		Description: "A pipeline groups jobs. It is CREATED until it has its first job, then ACTIVE. 409 when another pipeline has the slug.",
	})
	GetPipeline = declare[GetPipelineRequest, hodei.Pipeline](Op{
		Name: "pipelines.get", Service: Orchestrator, Method: "GET", Path: "/pipelines/{id}",
		Summary: "Get a pipeline", Errors: []hodei.Code{hodei.NotFound},
	})
	ListPipelines = declare[ListPipelinesRequest, List[hodei.Pipeline]](Op{
		Name: "pipelines.list", Service: Orchestrator, Method: "GET", Path: "/pipelines",
		Summary: "List pipelines, newest first",
	})
	UpdatePipeline = declare[UpdatePipelineRequest, hodei.Pipeline](Op{
		Name: "pipelines.update", Service: Orchestrator, Method: "PATCH", Path: "/pipelines/{id}",
		Summary: "Change a pipeline: only the fields given", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "A field left out keeps its value; null clears the description or the slug. 409 when another pipeline has the slug.",
	})
	DeletePipeline = declare[DeletePipelineRequest, Empty](Op{
		Name: "pipelines.delete", Service: Orchestrator, Method: "DELETE", Path: "/pipelines/{id}", Status: 204,
		Summary: "Delete a pipeline with its jobs and their executions", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "Refused with 409 while one of its executions is pending or running.",
	})
	CreateJob = declare[CreateJobRequest, hodei.Job](Op{
		Name: "jobs.create", Service: Orchestrator, Method: "POST", Path: "/jobs", Status: 201, Creates: true,
		Summary: "Create a job in a pipeline", Errors: []hodei.Code{hodei.NotFound},
		Description: "Nothing runs yet: execute the job for that. 404 when the pipeline is not there.",
	})
	GetJob = declare[GetJobRequest, hodei.Job](Op{
		Name: "jobs.get", Service: Orchestrator, Method: "GET", Path: "/jobs/{id}",
		Summary: "Get a job", Errors: []hodei.Code{hodei.NotFound},
	})
	ListJobs = declare[ListJobsRequest, List[hodei.Job]](Op{
		Name: "jobs.list", Service: Orchestrator, Method: "GET", Path: "/jobs",
		Summary: "List jobs, newest first",
	})
	UpdateJob = declare[UpdateJobRequest, hodei.Job](Op{
		Name: "jobs.update", Service: Orchestrator, Method: "PATCH", Path: "/jobs/{id}",
		Summary: "Change a job: only the fields given; executions that exist keep what they have",
		Errors:  []hodei.Code{hodei.NotFound},
	})
	DeleteJob = declare[DeleteJobRequest, Empty](Op{
		Name: "jobs.delete", Service: Orchestrator, Method: "DELETE", Path: "/jobs/{id}", Status: 204,
		Summary: "Delete a job with its executions", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "Refused with 409 while one of its executions is pending or running.",
	})
	ExecuteJob = declare[ExecuteJobRequest, StartedExecution](Op{
		Name: "jobs.execute", Service: Orchestrator, Method: "POST", Path: "/jobs/{id}/execute", Other: 202, Creates: true,
		Summary: "Execute a job: 200 once a worker has accepted it, 202 while it waits for one",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Rejected},
		Description: "Answers after wait_seconds at the latest. A job may have many executions at a time. With " +
			"if_no_worker \"reject\" an execution that finds no worker in that time is answered 429 instead of queued. " +
			"The body may be left out.",
	})
	CreateExecution = declare[CreateExecutionRequest, hodei.Execution](Op{
		Name: "executions.create", Service: Orchestrator, Status: 201, Creates: true,
		Summary: "Create an execution without a job and have it scheduled",
	})
	GetExecution = declare[GetExecutionRequest, hodei.Execution](Op{
		Name: "executions.get", Service: Orchestrator, Method: "GET", Path: "/executions/{id}",
		Summary: "Get an execution", Errors: []hodei.Code{hodei.NotFound},
	})
	ListExecutions = declare[ListExecutionsRequest, List[hodei.Execution]](Op{
		Name: "executions.list", Service: Orchestrator, Method: "GET", Path: "/executions",
		Summary: "List executions, newest first",
	})
	CancelExecution = declare[CancelExecutionRequest, hodei.Execution](Op{
		Name: "executions.cancel", Service: Orchestrator, Method: "POST", Path: "/executions/{id}/cancel", Status: 202,
		Summary:     "Cancel an execution: TERM to its process group, KILL after the grace",
		Description: "A pending execution is cancelled at once, a running one as soon as its worker says so; follow its log to see it. 409 once it has ended, unless its retry policy was to execute it again: then that is withdrawn.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	RetryExecution = declare[RetryExecutionRequest, hodei.Execution](Op{
		Name: "executions.retry", Service: Orchestrator, Method: "POST", Path: "/executions/{id}/retry", Status: 201, Creates: true,
		Summary:     "Execute again what has ended: a new execution of the same command",
		Description: "The new execution names the old one in retry_of, and takes the place of the one that a retry policy may owe. 409 while the old one has not ended.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	DeleteExecution = declare[DeleteExecutionRequest, Empty](Op{
		Name: "executions.delete", Service: WorkerManager, Method: "DELETE", Path: "/executions/{id}", Status: 204,
		Summary:     "Delete an execution that has ended, with its log",
		Description: "409 while it has not ended, or while a retry of it is due. Without its latest execution a job has the status of the one before.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	GetStats = declare[GetStatsRequest, hodei.Stats](Op{
		Name: "stats.get", Service: Orchestrator, Method: "GET", Path: "/stats",
		Summary: "Count executions: those now, those that ended lately, and how long they waited",
		Description: "The numbers may be a second old. The quantiles are those of the last 2000 executions that started in " +
			"the window and have ended, or run.",
	})
)

// CreatePipelineRequest describes a pipeline.
type CreatePipelineRequest struct {
	// Name is for people and need not be unique; it must not be blank.
	Name string `json:"name" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	// Description is for people.
	Description *string `json:"description,omitempty" jsonschema:"maxLength=2000"`
	// Slug is unique; it is accepted wherever the id is. It must not be a UUID.
	Slug *string `json:"slug,omitempty" jsonschema:"pattern=^[a-z0-9][a-z0-9-]{0\\,62}$"`
}

// GetPipelineRequest names a pipeline.
type GetPipelineRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
	WithRecent
}

// WithRecent asks for last executions beside the last one.
type WithRecent struct {
	// Recent is the number of last executions wanted in the field recent,
	// which is left out without it.
	Recent int `json:"recent,omitempty" in:"query" jsonschema:"minimum=0,maximum=50"`
}

// ListPipelinesRequest asks for a page of pipelines.
type ListPipelinesRequest struct {
	Created
	WithRecent
	Page
}

// CreateJobRequest describes a job. With a pipeline_id alone the job gets its
// command at each execute.
type CreateJobRequest struct {
	// PipelineID is the pipeline that the job belongs to.
	PipelineID hodei.PipelineRef `json:"pipeline_id"`
	// Name is for people; null means none.
	Name *string `json:"name,omitempty" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	// Description is for people.
	Description *string `json:"description,omitempty" jsonschema:"maxLength=2000"`
	RunRequest
	// Priority orders the queue, higher first; 5 when left out.
	Priority *int `json:"priority,omitempty" jsonschema:"minimum=0,maximum=10"`
	// Retries is what happens after an execution that did not complete.
	Retries *hodei.Retries `json:"retries,omitempty"`
	// WorkingDir is an absolute directory of the worker's machine; a fresh
	// one, removed afterwards, when left out.
	WorkingDir *string `json:"working_dir,omitempty" jsonschema:"pattern=^/,maxLength=4096"`
	hodei.Setup
	hodei.Graph
}

// RunRequest is what a job and an ad hoc execution both may say.
type RunRequest struct {
	// Type is the worker type wanted; any when left out.
	Type *string `json:"type,omitempty" jsonschema:"minLength=1,maxLength=100"`
	// Command runs as `sh -c` when it is a string, as it is when it is a list; at
	// most 128 KiB.
	Command *hodei.Command `json:"command,omitempty"`
	// Environment is added to the small safe base that every command gets; at
	// most 64 KiB, names and values together.
	Environment map[string]string `json:"environment,omitempty"`
	// Requirements is what a worker must offer; anything when left out.
	Requirements *hodei.Requirements `json:"requirements,omitempty"`
	// TimeoutSeconds ends the command that runs longer; never when left out.
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty" jsonschema:"exclusiveMinimum=0,maximum=31536000"`
	// LogLimit is how many bytes of output are recorded, at most as many as the
	// worker allows, 100 MiB unless it was told otherwise. The command runs on
	// beyond it.
	LogLimit *int64 `json:"log_limit,omitempty" jsonschema:"minimum=1,maximum=9007199254740992"`
}

// Spec is what the request asks to run. It fails when type and
// requirements.type disagree, or when a field is over its limit.
func (r RunRequest) Spec() (hodei.Spec, error) {
	spec := hodei.Spec{Environment: r.Environment, TimeoutSeconds: r.TimeoutSeconds, LogLimit: r.LogLimit, Priority: hodei.DefaultPriority}
	if spec.Environment == nil {
		spec.Environment = map[string]string{}
	}
	if r.Command != nil {
		spec.Command = *r.Command
	}
	var err error
	if spec.Requirements, err = Needs(r.Type, r.Requirements); err != nil {
		return spec, err
	}
	return spec, spec.Check()
}

// Needs joins a type and requirements, which may both name the worker type. It
// fails when they disagree.
func Needs(workerType *string, req *hodei.Requirements) (hodei.Requirements, error) {
	needs := hodei.Requirements{}
	if req != nil {
		needs = *req
	}
	needs.Capacity = needs.Slots()
	if workerType != nil && needs.Type != nil && *workerType != *needs.Type {
		return needs, hodei.InvalidField("requirements.type", "contradicts type; give one of them")
	}
	if needs.Type == nil {
		needs.Type = workerType
	}
	return needs, nil
}

// Spec is what the job runs unless an execute overrides it.
func (r CreateJobRequest) Spec() (hodei.Spec, error) {
	spec, err := r.RunRequest.Spec()
	spec.WorkingDir = r.WorkingDir
	if r.Priority != nil {
		spec.Priority = *r.Priority
	}
	spec.Retries, spec.Setup, spec.Graph = r.Retries, r.Setup, r.Graph
	return spec, err
}

// UpdatePipelineRequest changes a pipeline.
type UpdatePipelineRequest struct {
	ID          hodei.PipelineRef `json:"id" in:"path"`
	Name        Patch[string]     `json:"name,omitzero" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	Description Patch[string]     `json:"description,omitzero" null:"true" jsonschema:"maxLength=2000"`
	Slug        Patch[string]     `json:"slug,omitzero" null:"true" jsonschema:"pattern=^[a-z0-9][a-z0-9-]{0\\,62}$"`
}

// DeletePipelineRequest names a pipeline without live executions.
type DeletePipelineRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
}

// UpdateJobRequest changes a job.
type UpdateJobRequest struct {
	ID             hodei.JobID               `json:"id" in:"path"`
	Name           Patch[string]             `json:"name,omitzero" null:"true" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	Description    Patch[string]             `json:"description,omitzero" null:"true" jsonschema:"maxLength=2000"`
	Type           Patch[string]             `json:"type,omitzero" null:"true" jsonschema:"minLength=1,maxLength=100"`
	Command        Patch[hodei.Command]      `json:"command,omitzero" null:"true"`
	Environment    Patch[map[string]string]  `json:"environment,omitzero"`
	Priority       Patch[int]                `json:"priority,omitzero" jsonschema:"minimum=0,maximum=10"`
	Requirements   Patch[hodei.Requirements] `json:"requirements,omitzero" null:"true"`
	TimeoutSeconds Patch[float64]            `json:"timeout_seconds,omitzero" null:"true" jsonschema:"exclusiveMinimum=0,maximum=31536000"`
	Retries        Patch[hodei.Retries]      `json:"retries,omitzero" null:"true"`
	WorkingDir     Patch[string]             `json:"working_dir,omitzero" null:"true" jsonschema:"pattern=^/,maxLength=4096"`
	LogLimit       Patch[int64]              `json:"log_limit,omitzero" null:"true" jsonschema:"minimum=1,maximum=9007199254740992"`
}

// DeleteJobRequest names a job without live executions.
type DeleteJobRequest struct {
	ID hodei.JobID `json:"id" in:"path"`
}

// RetryExecutionRequest names an execution that has ended.
type RetryExecutionRequest struct {
	ID hodei.ExecutionID `json:"id" in:"path"`
}

// DeleteExecutionRequest names the execution to delete.
type DeleteExecutionRequest struct {
	ID hodei.ExecutionID `json:"id" in:"path"`
}

// GetJobRequest names a job.
type GetJobRequest struct {
	ID hodei.JobID `json:"id" in:"path"`
	WithRecent
}

// ListJobsRequest asks for a page of jobs.
type ListJobsRequest struct {
	// PipelineID leaves only the jobs of that pipeline.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty" in:"query"`
	// Status leaves only the jobs whose latest execution has one of these
	// states, in any case, separated by commas.
	Status OneOf[hodei.ExecutionStatus] `json:"status,omitempty" in:"query" null:"true"`
	Created
	WithRecent
	Page
}

// What happens to an execution that finds no worker at once.
const (
	Queue  = "queue"
	Reject = "reject"
)

// Waiting says what to do when no worker is free.
type Waiting struct {
	// WaitSeconds is how long to wait for a worker before answering; 0.5 when
	// left out.
	WaitSeconds *float64 `json:"wait_seconds,omitempty" jsonschema:"minimum=0,maximum=60"`
	// IfNoWorker is what follows when none came: "queue", the default, or
	// "reject".
	IfNoWorker string `json:"if_no_worker,omitempty" jsonschema:"enum=queue,enum=reject"`
}

// Wait is how long to wait for a worker before answering.
func (w Waiting) Wait() time.Duration {
	if w.WaitSeconds == nil {
		return 500 * time.Millisecond
	}
	return time.Duration(*w.WaitSeconds * float64(time.Second))
}

// ExecuteJobRequest executes a job, with overrides.
type ExecuteJobRequest struct {
	ID hodei.JobID `json:"id" in:"path"`
	// Command replaces the job's.
	Command *hodei.Command `json:"command,omitempty"`
	// Environment is laid over the job's; at most 64 KiB together.
	Environment map[string]string `json:"environment,omitempty"`
	Waiting
}

// StartedExecution is what execute answers: RUNNING on a worker, or PENDING
// with the place in the queue and the reason.
type StartedExecution struct {
	ExecutionID hodei.ExecutionID     `json:"execution_id"`
	JobID       hodei.JobID           `json:"job_id"`
	Status      hodei.ExecutionStatus `json:"status"`
	WorkerID    *hodei.WorkerID       `json:"worker_id"`
	WorkerType  *string               `json:"worker_type"`
	Command     hodei.Command         `json:"command"`
	Environment map[string]string     `json:"environment"`
	StartedAt   *time.Time            `json:"started_at"`
	// EstimatedCompletion comes from past runs of the job; null without any.
	EstimatedCompletion *time.Time `json:"estimated_completion"`
	// QueuePosition counts from 1; null when it runs.
	QueuePosition *int `json:"queue_position"`
	// Reason says why it waits, for people; null when it runs.
	Reason *string `json:"reason"`
}

// StatusCode is 202 for an execution that waits.
func (s StartedExecution) StatusCode() int { return waiting(s.Status) }

func waiting(status hodei.ExecutionStatus) int {
	if status == hodei.Pending {
		return 202
	}
	return 200
}

// CreateExecutionRequest is an execution without a job.
type CreateExecutionRequest struct {
	RunRequest
}

// GetExecutionRequest names an execution.
type GetExecutionRequest struct {
	ID hodei.ExecutionID `json:"id" in:"path"`
}

// ListExecutionsRequest asks for a page of executions.
type ListExecutionsRequest struct {
	// JobID leaves only the executions of that job.
	JobID *hodei.JobID `json:"job_id,omitempty" in:"query"`
	// PipelineID leaves only the executions of that pipeline's jobs.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty" in:"query"`
	// WorkerID leaves only the executions given to that worker.
	WorkerID *hodei.WorkerID `json:"worker_id,omitempty" in:"query"`
	// Status leaves only the executions in one of these states, in any case,
	// separated by commas.
	Status OneOf[hodei.ExecutionStatus] `json:"status,omitempty" in:"query" null:"true"`
	// RunID leaves only the executions of that run.
	RunID *hodei.RunID `json:"run_id,omitempty" in:"query"`
	// RetryOf leaves only the executions that repeat that one.
	RetryOf *hodei.ExecutionID `json:"retry_of,omitempty" in:"query"`
	Created
	Page
}

// CancelExecutionRequest names the execution to cancel.
type CancelExecutionRequest struct {
	ID hodei.ExecutionID `json:"id" in:"path"`
}
