package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// The scheduler owns the queue of pending executions and the choice of worker.
var (
	Schedule = declare[ScheduleRequest, Decision](Op{
		Name: "scheduler.schedule", Service: Scheduler, Method: "POST", Path: "/schedule", Other: 202,
		Summary: "Choose a worker for an execution and assign it, or queue it; dry_run only explains",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Rejected},
		Description: "Workers are left out by type, labels, state and free slots, the others scored by load, latency and " +
			"history. The answer says what was thought of each. 200 with a worker (or for a dry run), 202 while it waits.",
	})
	PlaceExecution = declare[PlaceRequest, Assignment](Op{
		Name: "scheduler.place", Service: Scheduler, Internal: true,
		Summary: "Have an execution that is not recorded yet started at once, if a worker is free and nobody waits",
		Description: "It is recorded and assigned in one commit. 429 leaves nothing behind: whoever asks then creates it, " +
			"and has it scheduled. So does 409, which says that it is recorded already, and every other failure.",
		Errors: []hodei.Code{hodei.Conflict, hodei.Rejected},
	})
	GetQueue = declare[GetQueueRequest, QueueList](Op{
		Name: "scheduler.queue", Service: Scheduler, Method: "GET", Path: "/queue",
		Summary:     "List the pending executions in the order in which they will be tried",
		Description: "Each with its place, its age, and why it has no worker yet.",
	})
)

// ScheduleRequest asks for a worker. The execution's own record says what it
// needs; job_config may say it instead, and does so for a dry run without an
// execution.
type ScheduleRequest struct {
	// ExecutionID is a pending execution; needed unless dry_run is set.
	ExecutionID *hodei.ExecutionID `json:"execution_id,omitempty"`
	// JobConfig says what is needed in place of the execution's record.
	JobConfig *JobConfig `json:"job_config,omitempty"`
	// DryRun decides and explains, and changes nothing.
	DryRun bool `json:"dry_run,omitempty" in:"query"`
	// Brief leaves the candidates out of the reply.
	Brief bool `json:"brief,omitempty" in:"query"`
	Waiting
}

// PlaceRequest describes an execution that is not recorded yet.
type PlaceRequest struct {
	// ExecutionID is a new one, by which the execution can be created later as
	// well.
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	JobID       *hodei.JobID      `json:"job_id,omitempty"`
	PipelineID  *hodei.PipelineID `json:"pipeline_id,omitempty"`
	Spec        hodei.Spec        `json:"spec"`
}

// JobConfig is the part of a job that choosing a worker looks at.
type JobConfig struct {
	// Type is the worker type wanted; any when left out.
	Type *string `json:"type,omitempty" jsonschema:"minLength=1,maxLength=100"`
	// Requirements is what a worker must offer; anything when left out.
	Requirements *hodei.Requirements `json:"requirements,omitempty"`
	// Priority orders the queue, higher first; 5 when left out.
	Priority *int `json:"priority,omitempty" jsonschema:"minimum=0,maximum=10"`
}

// Decision is the chosen worker, or why there is none, and what was thought of
// every worker.
type Decision struct {
	ExecutionID *hodei.ExecutionID    `json:"execution_id"`
	Status      hodei.ExecutionStatus `json:"status"`
	DryRun      bool                  `json:"dry_run"`
	WorkerID    *hodei.WorkerID       `json:"worker_id"`
	WorkerType  *string               `json:"worker_type"`
	StartedAt   *time.Time            `json:"started_at"`
	// QueuePosition counts from 1; null unless it waits.
	QueuePosition *int `json:"queue_position"`
	// Reason says why no worker was chosen, for people; null when one was.
	Reason *string `json:"reason"`
	// Impossible says that no worker of the fleet could ever take it.
	Impossible bool        `json:"impossible"`
	Candidates []Candidate `json:"candidates"`
}

// StatusCode is 202 for an execution that waits; a dry run is answered 200.
func (d Decision) StatusCode() int {
	if d.DryRun {
		return 200
	}
	return waiting(d.Status)
}

// Candidate is what was thought of one worker: its score, or why it was
// excluded.
type Candidate struct {
	WorkerID hodei.WorkerID `json:"worker_id"`
	Type     string         `json:"type"`
	// Score is between 0 and 1, higher is better; null when excluded.
	Score *float64 `json:"score"`
	// Criteria are the parts of the score, each between 0 and 1, before
	// weighing.
	Criteria map[string]float64 `json:"criteria"`
	// Excluded is why it cannot take the execution; null when it can.
	Excluded *string `json:"excluded"`
}

// GetQueueRequest asks for the head of the queue.
type GetQueueRequest struct {
	// Limit is the number of entries wanted, 50 when left out.
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
	// Impossible says that no worker of the fleet could ever take it.
	Impossible   bool               `json:"impossible"`
	Requirements hodei.Requirements `json:"requirements"`
	CreatedAt    time.Time          `json:"created_at"`
}
