package hodei

import "time"

// DefaultPriority is the priority of a job that sets none. Priorities are 0 to
// MaxPriority.
const (
	DefaultPriority = 5
	MaxPriority     = 10
)

// Spec is the specification of a command and its placement. Each execution of a job gets a copy of the
// job's Spec.
type Spec struct {
	// The record stores a specification as one document: its fields have no
	// columns.

	// Command is null if each execution brings its own.
	Command Command `json:"command" db:"-"`
	// Environment is added to the small base environment of every command.
	// Lists and events leave it out.
	Environment map[string]string `json:"environment,omitzero" db:"-" file:"env"`
	// Priority orders the queue, 0 to 10, higher first.
	Priority     int          `json:"priority" db:"-" file:",minimum=0,maximum=10,default=5"`
	Requirements Requirements `json:"requirements" db:"-"`
	// TimeoutSeconds is the longest running time of the command; null means no
	// timeout, and five minutes for a job in finally.
	TimeoutSeconds *float64 `json:"timeout_seconds" db:"-" file:"timeout,duration,exclusiveMinimum=0,maximum=31536000"`
	Retries        *Retries `json:"retries" db:"-"`
	// WorkingDir is a directory on the worker's machine; null means a temporary
	// one, which is removed afterwards.
	WorkingDir *string `json:"working_dir" db:"-" file:",maxLength=4096"`
	// LogLimit bounds the recorded output in bytes. Null, or more than the
	// worker's limit, means the worker's limit. When the limit is reached, the
	// command continues.
	LogLimit *int64 `json:"log_limit" db:"-" file:",size,minimum=1,maximum=9007199254740992"`
	// ArtifactsOf are the jobs of the run whose artifacts an execution receives before its
	// command starts. The run determines them from the needs of the job.
	ArtifactsOf []string `json:"artifacts_of,omitempty" db:"-" file:"-"`
	// Source is "received" if the command starts with the source of the run, "fetched" for the job
	// that fetches the source, "uploaded" for the job that stands for an uploaded source, and ""
	// otherwise. The run determines it.
	Source string `json:"source,omitempty" db:"-" file:"-" jsonschema:"enum=fetched,enum=uploaded,enum=received"`
	Setup
	Graph
}

// Requirements are what a worker must have to run the execution.
type Requirements struct {
	// Type is the required worker type; null means any.
	Type *string `json:"type,omitempty" jsonschema:"minLength=1,maxLength=100"`
	// Capacity is the number of slots that the execution requires; 1 if left
	// out.
	Capacity int `json:"capacity,omitempty" file:",default=1" jsonschema:"minimum=1,maximum=10000"`
	// Labels must all be present on the worker with these values; at most 4
	// KiB.
	Labels map[string]string `json:"labels,omitempty"`
}

// Slots returns the number of slots that the execution requires, at least 1.
func (r Requirements) Slots() int { return max(r.Capacity, 1) }

// RetryCap is the longest backoff of a retry, in seconds.
const RetryCap = 3600

// Retries is the retry policy: an execution that ends FAILED or TIMED_OUT is
// followed by a new one, unless a user cancelled it.
type Retries struct {
	// Max is the number of new executions after the first.
	Max int `json:"max" jsonschema:"required,minimum=0,maximum=100"`
	// BackoffSeconds is the pause before the first retry. It doubles with each
	// retry up to an hour, with a jitter of a fifth.
	BackoffSeconds float64 `json:"backoff_seconds,omitempty" file:"backoff,duration" jsonschema:"minimum=0,maximum=86400"`
	// On are the ends that are retried: states, reasons, exit:N and signal:NAME. FAILED
	// and TIMED_OUT when left out; a cancelled execution is never retried.
	On []string `json:"on,omitempty" jsonschema:"minItems=1,maxItems=100"`
}

// Job is a command to run. Its status and times are those of its latest
// execution; PENDING and null before the first.
type Job struct {
	ID          JobID      `json:"id"`
	PipelineID  PipelineID `json:"pipeline_id"`
	Name        *string    `json:"name"`
	Description *string    `json:"description"`
	// Type is the required worker type; null means any.
	Type *string `json:"type"`
	Spec
	Status      ExecutionStatus   `json:"status"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	ScheduledAt *time.Time        `json:"scheduled_at"`
	StartedAt   *time.Time        `json:"started_at"`
	CompletedAt *time.Time        `json:"completed_at"`
	Execution   *ExecutionSummary `json:"execution"`
	// Recent are its last executions, newest first; only on request.
	Recent []ExecutionSummary `json:"recent,omitempty"`
}
