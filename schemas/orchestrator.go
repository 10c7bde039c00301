package schemas

import (
	"cmp"
	"time"

	"github.com/hodei-jobs/hodei"
)

// The orchestrator owns pipelines, jobs and the creation of executions.
var (
	CreatePipeline = declare[CreatePipelineRequest, hodei.Pipeline](Op{
		Name: "pipelines.create", Role: hodei.Operator, Service: Orchestrator, Method: "POST", Path: "/pipelines", Status: 201, Creates: true,
		Summary:     "Create a pipeline",
		Errors:      []hodei.Code{hodei.Conflict},
		Description: "A pipeline groups jobs. It is CREATED until it has its first job, then ACTIVE. 409 when another pipeline has the slug.",
	})
	GetPipeline = declare[GetPipelineRequest, hodei.Pipeline](Op{
		Name: "pipelines.get", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/pipelines/{id}",
		Summary: "Get a pipeline", Errors: []hodei.Code{hodei.NotFound},
	})
	ListPipelines = declare[ListPipelinesRequest, List[hodei.Pipeline]](Op{
		Name: "pipelines.list", Role: hodei.Viewer, Limit: LimitOwn, Service: Orchestrator, Method: "GET", Path: "/pipelines",
		Summary: "List pipelines, newest first",
	})
	UpdatePipeline = declare[UpdatePipelineRequest, hodei.Pipeline](Op{
		Name: "pipelines.update", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "PATCH", Path: "/pipelines/{id}",
		Summary: "Update the given fields of a pipeline", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "A field left out keeps its value; null clears the description or the slug. 409 when another pipeline has the slug.",
	})
	DeletePipeline = declare[DeletePipelineRequest, Empty](Op{
		Name: "pipelines.delete", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "DELETE", Path: "/pipelines/{id}", Status: 204,
		Summary: "Delete a pipeline with its jobs and their executions", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "409 while one of its executions is pending or running.",
	})
	CreateJob = declare[CreateJobRequest, hodei.Job](Op{
		Name: "jobs.create", Role: hodei.Operator, Limit: "pipeline_id", Service: Orchestrator, Method: "POST", Path: "/jobs", Status: 201, Creates: true,
		Summary: "Create a job in a pipeline", Errors: []hodei.Code{hodei.NotFound},
		Description: "The job does not run until it is executed. 404 if the pipeline does not exist.",
	})
	GetJob = declare[GetJobRequest, hodei.Job](Op{
		Name: "jobs.get", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/jobs/{id}",
		Summary: "Get a job", Errors: []hodei.Code{hodei.NotFound},
	})
	ListJobs = declare[ListJobsRequest, List[hodei.Job]](Op{
		Name: "jobs.list", Role: hodei.Viewer, Limit: LimitOwn, Service: Orchestrator, Method: "GET", Path: "/jobs",
		Summary: "List jobs, newest first",
	})
	UpdateJob = declare[UpdateJobRequest, hodei.Job](Op{
		Name: "jobs.update", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "PATCH", Path: "/jobs/{id}",
		Summary: "Update the given fields of a job; existing executions do not change",
		Errors:  []hodei.Code{hodei.NotFound},
	})
	DeleteJob = declare[DeleteJobRequest, Empty](Op{
		Name: "jobs.delete", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "DELETE", Path: "/jobs/{id}", Status: 204,
		Summary: "Delete a job with its executions", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "409 while one of its executions is pending or running.",
	})
	ExecuteJob = declare[ExecuteJobRequest, StartedExecution](Op{
		Name: "jobs.execute", Role: hodei.Developer, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/jobs/{id}/execute", Other: 202, Creates: true,
		Summary: "Execute a job: 200 once a worker has accepted it, 202 while it waits for one",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Rejected},
		Description: "Answers after wait_seconds at the latest. A job may have many executions at a time. With " +
			"if_no_worker \"reject\", an execution that finds no worker in that time gets 429 instead of being queued. " +
			"The body may be left out. The execution belongs to no run: it ignores needs and conditions. 400 for a job that refers to " +
			"values of a run, such as ${{ params.env }}, and 409 for one that waits for an approval: execute its pipeline.",
	})
	CreateExecution = declare[CreateExecutionRequest, hodei.Execution](Op{
		Name: "executions.create", Role: hodei.Developer, Service: Orchestrator, Status: 201, Creates: true,
		Summary: "Create an execution without a job and schedule it",
	})
	GetExecution = declare[GetExecutionRequest, hodei.Execution](Op{
		Name: "executions.get", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/executions/{id}",
		Summary: "Get an execution", Errors: []hodei.Code{hodei.NotFound},
	})
	ListExecutions = declare[ListExecutionsRequest, List[hodei.Execution]](Op{
		Name: "executions.list", Role: hodei.Viewer, Limit: LimitOwn, Service: Orchestrator, Method: "GET", Path: "/executions",
		Summary: "List executions, newest first",
	})
	CancelExecution = declare[CancelExecutionRequest, hodei.Execution](Op{
		Name: "executions.cancel", Role: hodei.Developer, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/executions/{id}/cancel", Status: 202,
		Summary:     "Cancel an execution: TERM to its process group, KILL after the grace",
		Description: "A pending execution is cancelled at once, a running one when its worker has stopped it; follow its log to see that. 409 if it has ended, unless a retry is due: then the retry is cancelled.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	RetryExecution = declare[RetryExecutionRequest, hodei.Execution](Op{
		Name: "executions.retry", Role: hodei.Developer, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/executions/{id}/retry", Status: 201, Creates: true,
		Summary: "Run an ended execution again: a new execution of the same command",
		Description: "The new execution names the old one in retry_of and replaces a retry that is due. 409 while the old one has not ended, " +
			"and for one that a person approved: rerun its run.",
		Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	DeleteExecution = declare[DeleteExecutionRequest, Empty](Op{
		Name: "executions.delete", Role: hodei.Operator, Limit: "id", Service: WorkerManager, Method: "DELETE", Path: "/executions/{id}", Status: 204,
		Summary:     "Delete an ended execution with its log",
		Description: "409 while it has not ended, or while a retry of it is due. If it is the latest of its job, the job gets the status of the previous one.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	GetStats = declare[GetStatsRequest, hodei.Stats](Op{
		Name: "stats.get", Role: hodei.Viewer, Service: Orchestrator, Method: "GET", Path: "/stats",
		Summary: "Count current and recently ended executions, and how long they waited",
		Description: "The numbers may be a second old. The quantiles cover the last 2000 executions that started in " +
			"the window and have ended or are running.",
	})
)

// CreatePipelineRequest creates a pipeline.
type CreatePipelineRequest struct {
	// Name is the display name; it need not be unique and must not be blank.
	Name string `json:"name" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	// Description is free text.
	Description *string `json:"description,omitempty" jsonschema:"maxLength=2000"`
	// Slug is a unique name that is accepted wherever the id is. It must not be
	// a UUID.
	Slug *string `json:"slug,omitempty" jsonschema:"pattern=^[a-z0-9][a-z0-9-]{0\\,62}$"`
}

// GetPipelineRequest identifies a pipeline.
type GetPipelineRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
	WithRecent
}

// WithRecent requests the last executions.
type WithRecent struct {
	// Recent is the number of last executions in the field recent, which is
	// left out without it.
	Recent int `json:"recent,omitempty" in:"query" jsonschema:"minimum=0,maximum=50"`
}

// ListPipelinesRequest requests a page of pipelines.
type ListPipelinesRequest struct {
	Created
	WithRecent
	Page
}

// CreateJobRequest creates a job. A job without a command gets one at each
// execute.
type CreateJobRequest struct {
	// PipelineID is the pipeline that the job belongs to.
	PipelineID hodei.PipelineRef `json:"pipeline_id"`
	// Name is the display name; null means none.
	Name *string `json:"name,omitempty" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	// Description is free text.
	Description *string `json:"description,omitempty" jsonschema:"maxLength=2000"`
	RunRequest
	// Priority orders the queue, higher first; 5 if left out.
	Priority *int `json:"priority,omitempty" jsonschema:"minimum=0,maximum=10"`
	// Retries is the retry policy.
	Retries *hodei.Retries `json:"retries,omitempty"`
	// WorkingDir is an absolute directory on the worker's machine; if left out,
	// a temporary one, which is removed afterwards.
	WorkingDir *string `json:"working_dir,omitempty" jsonschema:"pattern=^/,maxLength=4096"`
	hodei.Setup
	hodei.Graph
}

// RunRequest is the part that a job and an ad hoc execution have in common.
type RunRequest struct {
	// Type is the required worker type; any if left out.
	Type *string `json:"type,omitempty" jsonschema:"minLength=1,maxLength=100"`
	// Command runs as `sh -c` if it is a string, directly if it is a list; at
	// most 128 KiB.
	Command *hodei.Command `json:"command,omitempty"`
	// Environment is added to the small base environment of every command; at
	// most 64 KiB, names and values together.
	Environment map[string]string `json:"environment,omitempty"`
	// Requirements are what a worker must have; if left out, any worker will
	// do.
	Requirements *hodei.Requirements `json:"requirements,omitempty"`
	// TimeoutSeconds is the longest running time of the command; no timeout if
	// left out.
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty" jsonschema:"exclusiveMinimum=0,maximum=31536000"`
	// LogLimit is the limit of the recorded output in bytes, at most the
	// worker's own limit, which is 100 MiB by default. The command continues
	// beyond it.
	LogLimit *int64 `json:"log_limit,omitempty" jsonschema:"minimum=1,maximum=9007199254740992"`
}

// Spec returns what to run. It fails if type and requirements.type disagree, or
// if a field exceeds its limit.
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
	return spec, cmp.Or(spec.CheckVariables(), spec.Check())
}

// Needs merges a type into the requirements, which may also contain one. It
// fails if they disagree.
func Needs(workerType *string, req *hodei.Requirements) (hodei.Requirements, error) {
	needs := hodei.Requirements{}
	if req != nil {
		needs = *req
	}
	needs.Capacity = needs.Slots()
	if workerType != nil && needs.Type != nil && *workerType != *needs.Type {
		return needs, hodei.InvalidField("requirements.type", "contradicts type; set only one of them")
	}
	if needs.Type == nil {
		needs.Type = workerType
	}
	return needs, nil
}

// Spec returns what the job runs unless an execute overrides it.
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

// DeletePipelineRequest identifies a pipeline without live executions.
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
	PlaceUpdate
}

// DeleteJobRequest identifies a job without live executions.
type DeleteJobRequest struct {
	ID hodei.JobID `json:"id" in:"path"`
}

// RetryExecutionRequest identifies an ended execution.
type RetryExecutionRequest struct {
	ID hodei.ExecutionRef `json:"id" in:"path"`
}

// DeleteExecutionRequest identifies the execution to delete.
type DeleteExecutionRequest struct {
	ID hodei.ExecutionRef `json:"id" in:"path"`
}

// GetJobRequest identifies a job.
type GetJobRequest struct {
	ID hodei.JobID `json:"id" in:"path"`
	WithRecent
}

// ListJobsRequest requests a page of jobs.
type ListJobsRequest struct {
	// PipelineID selects the jobs of that pipeline, or of these, separated by commas.
	PipelineID OneOf[hodei.PipelineRef] `json:"pipeline_id,omitempty" in:"query" null:"true"`
	// Status selects the jobs whose latest execution has one of these states,
	// in any case, separated by commas.
	Status OneOf[hodei.ExecutionStatus] `json:"status,omitempty" in:"query" null:"true"`
	Created
	WithRecent
	Page
}

// Actions for an execution if no worker is free.
const (
	Queue  = "queue"
	Reject = "reject"
)

// Waiting is the behaviour if no worker is free.
type Waiting struct {
	// WaitSeconds is how long to wait for a worker before answering; 0.5 if
	// left out.
	WaitSeconds *float64 `json:"wait_seconds,omitempty" jsonschema:"minimum=0,maximum=60"`
	// IfNoWorker is the action after that: "queue", the default, or "reject".
	IfNoWorker string `json:"if_no_worker,omitempty" jsonschema:"enum=queue,enum=reject"`
}

// Wait returns how long to wait for a worker before answering.
func (w Waiting) Wait() time.Duration {
	if w.WaitSeconds == nil {
		return 500 * time.Millisecond
	}
	return time.Duration(*w.WaitSeconds * float64(time.Second))
}

// ExecuteJobRequest executes a job, with overrides.
type ExecuteJobRequest struct {
	ID hodei.JobID `json:"id" in:"path"`
	// Command replaces the job's command.
	Command *hodei.Command `json:"command,omitempty"`
	// Environment is merged over the job's environment; at most 64 KiB
	// together.
	Environment map[string]string `json:"environment,omitempty"`
	Delayed
	Waiting
}

// StartedExecution is the reply of execute: RUNNING on a worker, or PENDING
// with the position in the queue and the reason.
type StartedExecution struct {
	ExecutionID hodei.ExecutionID     `json:"execution_id"`
	JobID       hodei.JobID           `json:"job_id"`
	Status      hodei.ExecutionStatus `json:"status"`
	WorkerID    *hodei.WorkerID       `json:"worker_id"`
	WorkerType  *string               `json:"worker_type"`
	Command     hodei.Command         `json:"command"`
	Environment map[string]string     `json:"environment"`
	StartedAt   *time.Time            `json:"started_at"`
	// EstimatedCompletion is based on earlier executions of the job; null if
	// there are none.
	EstimatedCompletion *time.Time `json:"estimated_completion"`
	// QueuePosition counts from 1; null if it is running.
	QueuePosition *int `json:"queue_position"`
	// Reason is why it waits, for users; null if it is running.
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

// Delayed delays a start.
type Delayed struct {
	// NotBefore is when it may start at the earliest: until then it is PENDING with the
	// reason NOT_BEFORE.
	NotBefore *time.Time `json:"not_before,omitempty"`
}

// CheckDelay checks that the record and every list can represent the time.
func (d Delayed) CheckDelay() error {
	if d.NotBefore != nil && !hodei.IsTime(*d.NotBefore) {
		return hodei.InvalidField("not_before", "a time in the years 1 to 9999 UTC is required")
	}
	return nil
}

// CreateExecutionRequest creates an execution without a job.
type CreateExecutionRequest struct {
	RunRequest
	Delayed
}

// GetExecutionRequest identifies an execution.
type GetExecutionRequest struct {
	ID hodei.ExecutionRef `json:"id" in:"path"`
}

// ListExecutionsRequest requests a page of executions.
type ListExecutionsRequest struct {
	// JobID selects the executions of that job, or of these, separated by commas.
	JobID OneOf[hodei.JobID] `json:"job_id,omitempty" in:"query" null:"true"`
	// PipelineID selects the executions of the jobs of that pipeline, or of these.
	PipelineID OneOf[hodei.PipelineRef] `json:"pipeline_id,omitempty" in:"query" null:"true"`
	// WorkerID selects the executions on that worker, or on these.
	WorkerID OneOf[hodei.WorkerID] `json:"worker_id,omitempty" in:"query" null:"true"`
	// Status selects the executions in one of these states, in any case,
	// separated by commas.
	Status OneOf[hodei.ExecutionStatus] `json:"status,omitempty" in:"query" null:"true"`
	// RunID leaves only the executions of that run, or of these.
	RunID OneOf[hodei.RunRef] `json:"run_id,omitempty" in:"query" null:"true"`
	// RetryOf selects the executions that retry that one.
	RetryOf *hodei.ExecutionRef `json:"retry_of,omitempty" in:"query"`
	Created
	Page
}

// CancelExecutionRequest identifies the execution to cancel.
type CancelExecutionRequest struct {
	ID hodei.ExecutionRef `json:"id" in:"path"`
}
