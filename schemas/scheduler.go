package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// The scheduler owns the queue of pending executions and the choice of worker.
var (
	Schedule = declare[ScheduleRequest, Decision](Op{
		Name: "scheduler.schedule", Role: hodei.Developer, DryRun: true, Limit: "execution_id", Service: Scheduler, AskedBy: []string{Orchestrator, WorkerManager}, Method: "POST", Path: "/schedule", Other: 202,
		Summary: "Choose a worker for an execution and assign it, or queue it; dry_run only explains",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Rejected},
		Description: "Workers are excluded by type, labels, state and free slots; the others are scored by load, latency and " +
			"history. The reply has the evaluation of each worker. 200 with a worker (or for a dry run), 202 while it waits.",
	})
	PlaceExecution = declare[PlaceRequest, Assignment](Op{
		Name: "scheduler.place", Role: hodei.RoleService, Service: Scheduler, AskedBy: []string{Orchestrator}, Internal: true,
		Summary: "Create and start an execution at once if a worker is free and the queue is empty",
		Description: "It is created and assigned in one commit. 429 has no effect: the caller then creates it " +
			"and schedules it. The same holds for 409, which means that it exists, and for every other error.",
		Errors: []hodei.Code{hodei.Conflict, hodei.Rejected},
	})
	GetQueue = declare[GetQueueRequest, QueueList](Op{
		Name: "scheduler.queue", Role: hodei.Viewer, Service: Scheduler, Method: "GET", Path: "/queue",
		Summary:     "List the pending executions in the order of scheduling",
		Description: "Each has its position, its age, and the reason why it has no worker yet.",
	})
)

// ScheduleRequest requests a worker. The requirements are those of the
// execution's record, or of job_config, for example for a dry run without an
// execution.
type ScheduleRequest struct {
	// ExecutionID is a pending execution; required unless dry_run is set.
	ExecutionID *hodei.ExecutionRef `json:"execution_id,omitempty"`
	// JobConfig replaces the requirements of the execution's record.
	JobConfig *JobConfig `json:"job_config,omitempty"`
	// DryRun decides and explains, and changes nothing.
	DryRun bool `json:"dry_run,omitempty" in:"query"`
	// Brief leaves the candidates out of the reply.
	Brief bool `json:"brief,omitempty" in:"query"`
	Waiting
}

// PlaceRequest describes an execution that does not exist yet.
type PlaceRequest struct {
	// ExecutionID is a new id. If placement fails, the execution is created
	// with the same id.
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	JobID       *hodei.JobID      `json:"job_id,omitempty"`
	PipelineID  *hodei.PipelineID `json:"pipeline_id,omitempty"`
	Spec        hodei.Spec        `json:"spec"`
}

// JobConfig is the part of a job that matters for choosing a worker.
type JobConfig struct {
	// Type is the required worker type; any if left out.
	Type *string `json:"type,omitempty" jsonschema:"minLength=1,maxLength=100"`
	// Requirements are what a worker must have; if left out, any worker will
	// do.
	Requirements *hodei.Requirements `json:"requirements,omitempty"`
	// Priority orders the queue, higher first; 5 if left out.
	Priority *int `json:"priority,omitempty" jsonschema:"minimum=0,maximum=10"`
}

// Decision is the chosen worker, or the reason why there is none, and the
// evaluation of every worker.
type Decision struct {
	ExecutionID *hodei.ExecutionID    `json:"execution_id"`
	Status      hodei.ExecutionStatus `json:"status"`
	DryRun      bool                  `json:"dry_run"`
	WorkerID    *hodei.WorkerID       `json:"worker_id"`
	WorkerType  *string               `json:"worker_type"`
	StartedAt   *time.Time            `json:"started_at"`
	// QueuePosition counts from 1; null unless it waits.
	QueuePosition *int `json:"queue_position"`
	// Reason is why no worker was chosen, for users; null if one was.
	Reason *string `json:"reason"`
	// Impossible is true if no worker of the fleet could ever run it.
	Impossible bool `json:"impossible"`
	// Candidates are empty for a token that is limited to pipelines.
	Candidates []Candidate `json:"candidates"`
}

// DecisionOf returns the decision that the record has of an execution.
func DecisionOf(e hodei.Execution) Decision {
	return Decision{
		ExecutionID: &e.ID, Status: e.Status, WorkerID: e.WorkerID, WorkerType: e.WorkerType, StartedAt: e.StartedAt,
		Candidates: []Candidate{},
	}
}

// StatusCode is 202 for an execution that waits, 200 for a dry run.
func (d Decision) StatusCode() int {
	if d.DryRun {
		return 200
	}
	return waiting(d.Status)
}

// Candidate is the evaluation of one worker: its score, or why it was excluded.
type Candidate struct {
	WorkerID hodei.WorkerID `json:"worker_id"`
	Type     string         `json:"type"`
	// Score is between 0 and 1, higher is better; null if excluded.
	Score *float64 `json:"score"`
	// Criteria are the parts of the score, each between 0 and 1, before they
	// are weighted.
	Criteria map[string]float64 `json:"criteria"`
	// Excluded is why it cannot run the execution; null if it can.
	Excluded *string `json:"excluded"`
}

// GetQueueRequest requests the head of the queue.
type GetQueueRequest struct {
	// Limit is the number of entries; 50 if left out.
	Limit int `json:"limit,omitempty" in:"query" jsonschema:"minimum=1,maximum=1000"`
}

// QueueList is the head of the queue.
type QueueList struct {
	Items []QueueEntry `json:"items"`
	// Total is the length of the whole queue.
	Total int `json:"total"`
}

// QueueEntry is one execution that waits for a worker.
type QueueEntry struct {
	Position    int               `json:"position"`
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	JobID       *hodei.JobID      `json:"job_id"`
	Priority    int               `json:"priority"`
	AgeSeconds  float64           `json:"age_seconds"`
	Reason      string            `json:"reason"`
	// Impossible is true if no worker of the fleet could ever run it.
	Impossible   bool               `json:"impossible"`
	Requirements hodei.Requirements `json:"requirements"`
	CreatedAt    time.Time          `json:"created_at"`
}
