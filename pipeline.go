package hodei

import "time"

// Pipeline groups jobs.
type Pipeline struct {
	ID   PipelineID `json:"id"`
	Name string     `json:"name"`
	// Slug is accepted wherever the id is; null when the pipeline has none.
	Slug        *string        `json:"slug"`
	Description *string        `json:"description"`
	Status      PipelineStatus `json:"status"`
	CreatedAt   time.Time      `json:"created_at"`
	UpdatedAt   time.Time      `json:"updated_at"`
	// JobCount is the number of jobs in the pipeline now.
	JobCount int `json:"job_count"`
	// LastExecution is the latest execution of any of its jobs.
	LastExecution *ExecutionSummary `json:"last_execution"`
	// LastRun is its latest run.
	LastRun *RunSummary `json:"last_run"`
	// Recent are its last executions, newest first; only where asked for.
	Recent []ExecutionSummary `json:"recent,omitempty"`
}

// ExecutionSummary is an execution as its pipeline and its job show it.
type ExecutionSummary struct {
	ID          ExecutionID     `json:"id"`
	Status      ExecutionStatus `json:"status"`
	StartedAt   *time.Time      `json:"started_at"`
	CompletedAt *time.Time      `json:"completed_at"`
}
