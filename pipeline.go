package hodei

import (
	"fmt"
	"regexp"
	"time"
)

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

// PipelineRef refers to a pipeline: its id, with the prefix or without, or its
// slug.
type PipelineRef string

// SlugPattern is the regular expression of a slug.
const SlugPattern = "[a-z0-9][a-z0-9-]{0,62}"

var slugs = regexp.MustCompile("^" + SlugPattern + "$")

// RefTo returns a reference to the pipeline with the id.
func RefTo(id PipelineID) PipelineRef { return PipelineRef(id.String()) }

// Noun returns the name of the record that the reference is for.
func (r PipelineRef) Noun() string { return PipelineID{}.Noun() }

// ID returns the id, or false when the reference is a slug.
func (r PipelineRef) ID() (PipelineID, bool) {
	id, err := ParseID[pipelineKind](string(r))
	return id, err == nil
}

// IsSlug reports whether a pipeline can have the reference as its slug. What
// reads as an id is none.
func (r PipelineRef) IsSlug() bool {
	_, isID := r.ID()
	return !isID && slugs.MatchString(string(r))
}

// Unknown is the error for a reference, in a field of a body or a query, that is
// neither an id nor the slug of a pipeline.
func (r PipelineRef) Unknown(field string) error {
	err := InvalidField(field, "UUID format required")
	err.Message = fmt.Sprintf("%s: no pipeline has the slug %q", err.Message, clip(string(r)))
	return err
}
