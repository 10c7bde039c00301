package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// A worker answers for itself: each of these subjects ends in its id.
var (
	RequestExecution = declare[ExecutionRequest, Acceptance](Op{
		Name: "execution.request", Service: Worker, Subject: "execution.request", PerWorker: true,
		Summary: "Offer an execution to a worker, which accepts or refuses it",
	})
	InterruptExecution = declare[InterruptRequest, Empty](Op{
		Name: "execution.interrupt", Service: Worker, Subject: "execution.interrupt", PerWorker: true,
		Summary: "Have a worker end an execution: TERM, then KILL after the grace",
		Errors:  []hodei.Code{hodei.NotFound},
	})
	GetWorkerStatus = declare[Empty, hodei.Availability](Op{
		Name: "worker.status", Service: Worker, Subject: "worker.status", PerWorker: true,
		Summary: "Get what a worker's key in the WORKERS bucket would hold now: its state, its slots and what it runs",
	})
	CommandWorker = declare[CommandWorkerRequest, hodei.Availability](Op{
		Name: "worker.command", Service: Worker, Subject: "worker.command", PerWorker: true,
		Summary: "Have a worker drain, take work again, or terminate; the reply is its state after that", Errors: []hodei.Code{hodei.Conflict},
	})
)

// ExecutionRequest offers one execution to one worker.
type ExecutionRequest struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	JobID       *hodei.JobID      `json:"job_id"`
	PipelineID  *hodei.PipelineID `json:"pipeline_id"`
	Attempt     int               `json:"attempt"`
	hodei.Spec
	// LostAfterSeconds is set on an execution that is started again elsewhere
	// should its worker be lost: after how long a silence that may be. The
	// worker must have ended it before. Null means that nobody starts it again.
	LostAfterSeconds *float64 `json:"lost_after_seconds,omitempty" jsonschema:"exclusiveMinimum=0"`
	// Incarnation is the process of the worker that is meant.
	Incarnation string `json:"incarnation"`
	// Deadline is when the offer ends: later the worker must refuse it, for
	// then the execution may be somewhere else.
	Deadline time.Time `json:"deadline"`
}

// Reasons for which a worker refuses.
const (
	RefusedFull        = "FULL"        // not enough free slots
	RefusedDraining    = "DRAINING"    // takes nothing new
	RefusedExpired     = "EXPIRED"     // the deadline has passed
	RefusedIncarnation = "INCARNATION" // another process of the worker was meant
	RefusedDisk        = "DISK"        // its disk lacks space
	RefusedSilent      = "SILENT"      // its reports did not arrive for too long: it may be declared lost
)

// Acceptance is the worker's decision on an offer.
type Acceptance struct {
	Accepted bool `json:"accepted"`
	// Refused is why not; null when accepted.
	Refused   *string    `json:"refused"`
	StartedAt *time.Time `json:"started_at"`
	// Free is the number of free slots after the decision, Revision that of this state.
	Free     int    `json:"free"`
	Revision uint64 `json:"revision"`
}

// InterruptRequest ends a run that somebody wants ended.
type InterruptRequest struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	// Reason is why: CANCELLED, or WORKER_LOST for a run that the record has
	// already given up and that must only stop.
	Reason hodei.Reason `json:"reason"`
}

// What a worker can be told to do.
const (
	Drain     = "drain"
	Resume    = "resume"
	Terminate = "terminate"
)

// CommandWorkerRequest tells a worker what to do.
type CommandWorkerRequest struct {
	Do string `json:"do" jsonschema:"enum=drain,enum=resume,enum=terminate"`
	// DeadlineSeconds is when a drain kills what still runs; null means never.
	DeadlineSeconds *float64 `json:"deadline_seconds"`
}
