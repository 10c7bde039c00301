package hodei

import "time"

// Execution is one run of a command on one worker. It starts at most once and
// always ends.
type Execution struct {
	ID ExecutionID `json:"id"`
	// JobID and PipelineID are null for a command without a job.
	JobID      *JobID      `json:"job_id"`
	PipelineID *PipelineID `json:"pipeline_id"`
	// RunID is the run that the execution is part of, RunNumber its number and JobKey
	// the job in it; null without a run.
	RunID     *RunID          `json:"run_id"`
	RunNumber *int            `json:"run_number"`
	JobKey    *string         `json:"job_key"`
	Status    ExecutionStatus `json:"status"`
	// Reason is why it ended in this state, as a constant for programs.
	Reason     *Reason   `json:"reason"`
	WorkerID   *WorkerID `json:"worker_id"`
	WorkerType *string   `json:"worker_type"`
	Spec
	// ExitCode is null if the command did not exit: it was killed by a signal,
	// was lost, or never started.
	ExitCode *int `json:"exit_code"`
	// Signal is the name of the signal that ended the command, such as
	// "SIGKILL".
	Signal *string `json:"signal"`
	// Attempt counts from 1. RetryOf is the execution that this one repeats.
	Attempt   int          `json:"attempt"`
	RetryOf   *ExecutionID `json:"retry_of"`
	CreatedAt time.Time    `json:"created_at"`
	// NotBefore is when it may start at the earliest; null if at once.
	NotBefore *time.Time `json:"not_before"`
	// ScheduledAt is when a worker was assigned, StartedAt when the worker
	// started the command.
	ScheduledAt     *time.Time `json:"scheduled_at"`
	StartedAt       *time.Time `json:"started_at"`
	CompletedAt     *time.Time `json:"completed_at"`
	QueuedSeconds   *float64   `json:"queued_seconds"`
	DurationSeconds *float64   `json:"duration_seconds"`
	// RetryAt is when the retry policy creates the next execution; null if it
	// will not, or has done so.
	RetryAt *time.Time `json:"retry_at"`
	// Resources is what the command used; null until it ends, and on systems
	// that do not report it.
	Resources *Resources `json:"resources"`
	// CancelRequestedAt is the time of the first request to cancel it.
	CancelRequestedAt *time.Time `json:"cancel_requested_at"`
	// StartedBy and CancelledBy name the callers who asked for it and cancelled it;
	// null without access control. An execution of a run has what its run has.
	StartedBy   *string `json:"started_by"`
	CancelledBy *string `json:"cancelled_by"`
	// Outputs are the values that the command wrote to $HODEI_OUTPUT, null without any.
	Outputs map[string]string `json:"outputs" null:"true"`
	// HasArtifacts is true if the execution has kept artifacts. Only postgres sets it, when it
	// passes the end of an execution to its run.
	HasArtifacts bool `json:"-" db:"-"`
	// SecretVersions are the versions of the secrets that the command received, by name;
	// null without any.
	SecretVersions map[string]int `json:"secret_versions" null:"true"`
	// LogsAvailable is false once retention has dropped the log.
	LogsAvailable bool `json:"logs_available"`
	// LogCount is the number of lines recorded so far.
	LogCount int64 `json:"log_count"`
	// LogDamaged is true for an ended execution whose log lacks lines or does
	// not match the worker's digest. Lines in the log mark the gaps.
	LogDamaged bool `json:"log_damaged"`
}

// Summary returns the execution as its job shows it.
func (e Execution) Summary() ExecutionSummary {
	return ExecutionSummary{ID: e.ID, Status: e.Status, StartedAt: e.StartedAt, CompletedAt: e.CompletedAt}
}

// Held reports whether the execution waits for its NotBefore.
func (e Execution) Held() bool { return e.Reason != nil && *e.Reason == ReasonNotBefore }

// Reason is why an execution ended in its state, as a constant for programs.
type Reason string

const (
	ReasonExitCode         Reason = "EXIT_CODE"         // exited with a code other than 0
	ReasonSignal           Reason = "SIGNAL"            // killed by a signal that Hodei did not send
	ReasonCommandNotFound  Reason = "COMMAND_NOT_FOUND" // the program could not be started
	ReasonStartFailed      Reason = "START_FAILED"      // the worker could not prepare the run
	ReasonTimeout          Reason = "TIMEOUT"           // ran longer than timeout_seconds
	ReasonCancelled        Reason = "CANCELLED"         // cancelled by request
	ReasonRejected         Reason = "REJECTED"          // no worker was free, and the request did not allow queueing
	ReasonWorkerLost       Reason = "WORKER_LOST"       // the worker was lost while it ran
	ReasonWorkerTerminated Reason = "WORKER_TERMINATED" // the worker received a request to terminate at once
	ReasonOutOfMemory      Reason = "OUT_OF_MEMORY"     // killed: out of memory
)

// ReasonInvalidOutput is that of a command which exited with 0 and left in
// $HODEI_OUTPUT what are no outputs.
const ReasonInvalidOutput Reason = "INVALID_OUTPUT"

// ReasonSecretMissing is that of an execution which did not start, because there is no
// value for one of its secrets.
const ReasonSecretMissing Reason = "SECRET_MISSING"

// Reasons for which artifacts end an execution.
const (
	// ReasonArtifactConflict: the execution did not start, because two artifacts of its needs
	// have different files at the same path.
	ReasonArtifactConflict Reason = "ARTIFACT_CONFLICT"
	// ReasonArtifactMissing: the command exited with 0 but left no file for an artifact with
	// if_none: error.
	ReasonArtifactMissing Reason = "ARTIFACT_MISSING"
	// ReasonArtifactFailed: the artifacts of the execution could not be stored, or the execution
	// did not start because the artifacts of its needs could not be fetched.
	ReasonArtifactFailed Reason = "ARTIFACT_FAILED"
)

// The additional reasons of a run and of a job in a run.
const (
	ReasonCondition       Reason = "CONDITION"        // skipped by its own condition; counts as success
	ReasonNeeds           Reason = "NEEDS"            // skipped because a need did not succeed
	ReasonNoCommand       Reason = "NO_COMMAND"       // skipped because it has nothing to run; counts as success
	ReasonFailFast        Reason = "FAIL_FAST"        // cancelled because another job failed
	ReasonRunTimeout      Reason = "RUN_TIMEOUT"      // cancelled because the run took too long
	ReasonApprovalTimeout Reason = "APPROVAL_TIMEOUT" // no answer in time
	ReasonMatrix          Reason = "MATRIX"           // the output that its matrix comes from is not a list, too long, or has a leg that is too long
	ReasonJobFailed       Reason = "JOB_FAILED"       // of a run: a job did not complete
	ReasonDefinition      Reason = "DEFINITION"       // the definition in the repository is missing or not valid
	ReasonPipelineDepth   Reason = "PIPELINE_DEPTH"   // pipelines start each other more than five deep
	ReasonSuperseded      Reason = "SUPERSEDED"       // of a run: a later one with its concurrency key, or of its schedule, took its place
)

// Reasons why a planned time of a schedule started nothing, beside REJECTED and SUPERSEDED,
// and why a schedule is paused.
const (
	ReasonOverlap  Reason = "OVERLAP"  // what it started before had not ended
	ReasonMissed   Reason = "MISSED"   // nothing was there to start it in time
	ReasonPaused   Reason = "PAUSED"   // paused by a user
	ReasonFailures Reason = "FAILURES" // paused because of failures in a row
	ReasonInvalid  Reason = "INVALID"  // what it starts is not valid, such as a missing param
	ReasonError    Reason = "ERROR"    // an internal error
)

// Reasons why a delivery of a hook started nothing, besides INVALID, REJECTED and ERROR.
const (
	ReasonEvent    Reason = "EVENT"    // an event that starts nothing, such as a deleted branch
	ReasonFiltered Reason = "FILTERED" // the branches, tags, paths or events of the hook do not include it
	ReasonFork     Reason = "FORK"     // from a fork: the hook ignores it, or it waits for an approval
)

// ReasonNotBefore is why a run or an execution is PENDING before its not_before.
const ReasonNotBefore Reason = "NOT_BEFORE"

// ReasonConcurrency is that of a PENDING run while other runs have its concurrency key.
const ReasonConcurrency Reason = "CONCURRENCY"

// RetryReasons are the reasons with which an execution, or the run that a job starts, ends
// FAILED or TIMED_OUT: those that the field on of Retries can name.
var RetryReasons = []Reason{
	ReasonExitCode, ReasonSignal, ReasonCommandNotFound, ReasonStartFailed, ReasonTimeout, ReasonOutOfMemory, ReasonInvalidOutput,
	ReasonSecretMissing, ReasonArtifactConflict, ReasonArtifactMissing, ReasonArtifactFailed, ReasonWorkerLost, ReasonWorkerTerminated,
	ReasonJobFailed, ReasonRunTimeout, ReasonRejected,
}

// OfWorker reports whether the worker caused the failure, rather than the
// command or a user.
func (r Reason) OfWorker() bool { return r == ReasonWorkerLost || r == ReasonStartFailed }

// Resources is what a command used of its machine. The kernel counts the
// process and those descendants that were waited for.
type Resources struct {
	// PeakMemoryBytes is the largest memory of any one process. On Linux it is
	// never less than what the worker used when it started the command.
	PeakMemoryBytes  int64   `json:"peak_memory_bytes"`
	UserCPUSeconds   float64 `json:"user_cpu_seconds"`
	SystemCPUSeconds float64 `json:"system_cpu_seconds"`
}

// Outcome is the end of an execution as its worker reports it.
type Outcome struct {
	Status      ExecutionStatus `json:"status"`
	Reason      *Reason         `json:"reason"`
	ExitCode    *int            `json:"exit_code"`
	Signal      *string         `json:"signal"`
	StartedAt   *time.Time      `json:"started_at"`
	CompletedAt time.Time       `json:"completed_at"`
	Resources   *Resources      `json:"resources,omitempty"`
	// Outputs are the values that the command wrote to $HODEI_OUTPUT.
	Outputs map[string]string `json:"outputs,omitempty"`
	// LogCount is the number of lines of the log. Their sequence numbers are 1
	// to LogCount.
	LogCount int64 `json:"log_count"`
	// LogDigest is the sum, modulo 2^63, of the CRC-32C of each chunk of the log, as
	// its worker sends it. Being a sum it does not depend on the order of chunks.
	LogDigest int64 `json:"log_digest"`
}
