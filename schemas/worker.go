package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// Operations that a worker handles itself. Each subject ends in the worker's
// id.
var (
	RequestExecutions = declare[OfferRequest, Results[Acceptance]](Op{
		Name: "execution.request", Role: hodei.RoleService, Service: Worker, AskedBy: []string{WorkerManager}, Subject: "execution.request", PerWorker: true,
		Summary: "Offer executions to a worker, which accepts or refuses each",
	})
	InterruptExecution = declare[InterruptRequest, Empty](Op{
		Name: "execution.interrupt", Role: hodei.RoleService, Service: Worker, AskedBy: []string{WorkerManager}, Subject: "execution.interrupt", PerWorker: true,
		Summary: "Stop an execution on a worker: TERM, then KILL after the grace",
		Errors:  []hodei.Code{hodei.NotFound},
	})
	GetWorkerStatus = declare[Empty, hodei.Availability](Op{
		Name: "worker.status", Role: hodei.RoleService, Service: Worker, AskedBy: []string{WorkerManager}, Subject: "worker.status", PerWorker: true,
		Summary: "Get the current report of a worker, as for its key in the WORKERS bucket: state, slots and executions",
	})
	CommandWorker = declare[CommandWorkerRequest, hodei.Availability](Op{
		Name: "worker.command", Role: hodei.RoleService, Service: Worker, AskedBy: []string{WorkerManager}, Subject: "worker.command", PerWorker: true,
		Summary: "Make a worker drain, resume, terminate, cordon or uncordon; the reply is its new state", Errors: []hodei.Code{hodei.Conflict},
	})
)

// OfferRequest is offers to one worker.
type OfferRequest struct {
	Offers []ExecutionRequest `json:"offers" jsonschema:"minItems=1,maxItems=128"`
}

// ExecutionRequest offers one execution to one worker.
type ExecutionRequest struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	JobID       *hodei.JobID      `json:"job_id"`
	PipelineID  *hodei.PipelineID `json:"pipeline_id"`
	Attempt     int               `json:"attempt"`
	hodei.Spec
	// LostAfterSeconds is set if the execution will be started elsewhere after
	// its worker is lost: the silence after which that happens. The worker must
	// stop the execution earlier. Null means that it is not started again.
	LostAfterSeconds *float64 `json:"lost_after_seconds,omitempty" jsonschema:"exclusiveMinimum=0"`
	// Incarnation is the process of the worker that the offer is for.
	Incarnation string `json:"incarnation"`
	// Sealed are the values of the secrets, null without any. NoSecrets is why they cannot
	// be given; the execution then fails with SECRET_MISSING.
	Sealed    *SealedSecrets `json:"sealed,omitempty"`
	NoSecrets string         `json:"no_secrets,omitempty" jsonschema:"maxLength=1000"`
	// Deadline is when the offer ends. After it the worker must refuse, because
	// the execution may have been placed elsewhere.
	Deadline time.Time `json:"deadline"`
}

// Reasons for which a worker refuses an offer.
const (
	RefusedFull        = "FULL"        // not enough free slots
	RefusedDraining    = "DRAINING"    // accepts nothing new
	RefusedCordoned    = "CORDONED"    // accepts nothing new until it is uncordoned
	RefusedDedicated   = "DEDICATED"   // the execution does not require the type of the dedicated worker
	RefusedExpired     = "EXPIRED"     // the deadline has passed
	RefusedIncarnation = "INCARNATION" // the offer was for another process of the worker
	RefusedDisk        = "DISK"        // its disk lacks space
	RefusedSilent      = "SILENT"      // its reports have not arrived for too long: it may be declared lost
)

// Acceptance is the worker's decision on an offer.
type Acceptance struct {
	Accepted bool `json:"accepted"`
	// Refused is the reason; null if accepted.
	Refused   *string    `json:"refused"`
	StartedAt *time.Time `json:"started_at"`
	// Free is the number of free slots after the decision, Revision the
	// revision of that state.
	Free     int    `json:"free"`
	Revision uint64 `json:"revision"`
}

// InterruptRequest stops an execution.
type InterruptRequest struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	// Reason is CANCELLED, or WORKER_LOST for an execution that the record has
	// already given up and that must only stop.
	Reason hodei.Reason `json:"reason"`
}

// Commands to a worker.
const (
	Drain     = "drain"
	Resume    = "resume"
	Terminate = "terminate"
	Cordon    = "cordon"
	Uncordon  = "uncordon"
)

// CommandWorkerRequest sends a command to a worker.
type CommandWorkerRequest struct {
	Do string `json:"do" jsonschema:"enum=drain,enum=resume,enum=terminate,enum=cordon,enum=uncordon"`
	// DeadlineSeconds is when a drain kills executions that still run; null
	// means never.
	DeadlineSeconds *float64 `json:"deadline_seconds"`
	// Revision is set if a cordon or uncordon is repeated, because a report with this
	// revision differs from the record. A worker that was cordoned or uncordoned after
	// that report ignores the command.
	Revision *uint64 `json:"revision,omitempty"`
}
