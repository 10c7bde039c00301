package hodei

import (
	"fmt"
	"strings"
	"time"
)

// Run is one execution of a pipeline. A job of it starts when its needs have ended. The
// run uses the definition that was applied when it was created, or that of its commit.
type Run struct {
	ID         RunID      `json:"id"`
	PipelineID PipelineID `json:"pipeline_id"`
	// Pipeline is the slug of the pipeline, null when it has none.
	Pipeline *string `json:"pipeline"`
	// Number counts the runs of the pipeline from 1.
	Number  int        `json:"number"`
	Status  RunStatus  `json:"status"`
	Reason  *Reason    `json:"reason"`
	Trigger RunTrigger `json:"trigger"`
	// Params are the values of the pipeline's parameters, as text.
	Params map[string]string `json:"params"`
	// Ref is the full name of the source, such as "refs/heads/main", and Commit its
	// hash; null without a source.
	Ref    *string `json:"ref"`
	Commit *string `json:"commit"`
	// Definition is the source of the jobs: applied, the definition that was applied when the
	// run was created; or repository, the file in the commit of the run. Before the source is
	// fetched, a run with repository has only the job that fetches it.
	Definition string `json:"definition" jsonschema:"enum=applied,enum=repository"`
	// Parent is the job of another run that started this one, null without one.
	Parent *ParentRun `json:"parent"`
	// RerunOf is the run that this one repeats.
	RerunOf *RunID `json:"rerun_of"`
	// Warnings is the number of jobs with a warning.
	Warnings int `json:"warnings"`
	// CancelRequestedAt is the time of the first request to cancel the run.
	CancelRequestedAt *time.Time `json:"cancel_requested_at"`
	// CancelledBy names the first caller who cancelled it.
	CancelledBy *string   `json:"cancelled_by"`
	CreatedAt   time.Time `json:"created_at"`
	// NotBefore is when the run may start at the earliest; null if at once.
	NotBefore *time.Time `json:"not_before"`
	// StartedAt is null while the run waits for its concurrency key.
	StartedAt       *time.Time `json:"started_at"`
	CompletedAt     *time.Time `json:"completed_at"`
	DurationSeconds *float64   `json:"duration_seconds"`
	// Jobs are in the order of the definition, the legs of a matrix together. Lists
	// leave them out.
	Jobs []RunJob `json:"jobs,omitzero" db:"-"`
	Plan RunPlan  `json:"-" db:"-"`
	// Revision counts the changes of the run and its jobs.
	Revision int64 `json:"-"`
}

// ParentRun names the job of a run that started another run.
type ParentRun struct {
	RunID RunID `json:"run_id"`
	// Pipeline is the slug of its pipeline, null when it has none.
	Pipeline *string `json:"pipeline"`
	Number   int     `json:"number"`
	JobKey   string  `json:"job_key"`
}

// ChildRun is the run that a job of another run started.
type ChildRun struct {
	RunID RunID `json:"run_id"`
	// Pipeline is the slug of its pipeline, null when it has none.
	Pipeline *string   `json:"pipeline"`
	Number   int       `json:"number"`
	Status   RunStatus `json:"status"`
	Reason   *Reason   `json:"reason"`
	// Warnings is the number of its jobs with a warning.
	Warnings int `json:"warnings"`

	// Attempt is the attempt of the job that started it. Paused is true while all that
	// the run waits for are approvals, Cancelled if it was asked to end. These fields
	// and the times are known while the job waits for the run.
	Attempt     int        `json:"-"`
	Paused      bool       `json:"-"`
	Cancelled   bool       `json:"-"`
	StartedAt   *time.Time `json:"-"`
	CompletedAt *time.Time `json:"-"`
}

// RunTrigger is the cause of a run.
type RunTrigger struct {
	Kind TriggerKind `json:"kind"`
	// By names the caller, null when it is not known.
	By *string `json:"by"`
	// BaseBranch and PullRequest are those of a pull request.
	BaseBranch  string `json:"base_branch,omitempty"`
	PullRequest string `json:"pull_request,omitempty"`
	// ScheduleID is the schedule that started the run.
	ScheduleID *ScheduleID `json:"schedule_id,omitempty"`
	// ScheduledAt is when a schedule planned the run.
	ScheduledAt *time.Time `json:"scheduled_at,omitempty"`
	// HookID is the hook that started the run, DeliveryID the event that it received.
	HookID     *HookID     `json:"hook_id,omitempty"`
	DeliveryID *DeliveryID `json:"delivery_id,omitempty"`
	// Fork is true for a pull request from a fork.
	Fork bool `json:"fork,omitempty"`
	// Changes are the paths that a push changed; left out if the sender does not list all of them.
	Changes []string `json:"changes,omitempty"`
}

// TriggerKind is the kind of thing that started a run.
type TriggerKind string

const (
	TriggerManual      TriggerKind = "manual"
	TriggerAPI         TriggerKind = "api"
	TriggerSchedule    TriggerKind = "schedule"
	TriggerPush        TriggerKind = "push"
	TriggerTag         TriggerKind = "tag"
	TriggerPullRequest TriggerKind = "pull_request"
	TriggerHook        TriggerKind = "hook"
	TriggerRerun       TriggerKind = "rerun"
	TriggerPipeline    TriggerKind = "pipeline"
)

// TriggerKinds are all kinds of triggers.
var TriggerKinds = []TriggerKind{
	TriggerManual, TriggerAPI, TriggerSchedule, TriggerPush, TriggerTag, TriggerPullRequest, TriggerHook, TriggerRerun, TriggerPipeline,
}

// RunJob is one job of a run, or one leg of a job with a matrix.
type RunJob struct {
	// Key is unique in the run: the key of the job, and of a leg its values, as
	// "test[go=1.26,os=linux]".
	Key string `json:"key"`
	// Job is the key of the job in the definition.
	Job  string  `json:"job"`
	Name *string `json:"name"`
	// Leg has the value of each axis of the matrix, null without one.
	Leg Leg `json:"leg" null:"true"`
	// Needs are keys of jobs in the definition.
	Needs []string `json:"needs"`
	// Finally is true of a job that runs after all others.
	Finally bool         `json:"finally"`
	Status  RunJobStatus `json:"status"`
	Reason  *Reason      `json:"reason"`
	// Message explains the reason for people: which need, which condition, whose answer, which
	// exit code. It is null where the reason is all there is.
	Message *string `json:"message"`
	// JobID is the job of the pipeline, ExecutionID its last execution and Attempt
	// the number of executions.
	JobID       *JobID       `json:"job_id"`
	ExecutionID *ExecutionID `json:"execution_id"`
	Attempt     int          `json:"attempt"`
	// ReusedExecutionID is the execution of an earlier run whose result a rerun took.
	ReusedExecutionID *ExecutionID `json:"reused_execution_id"`
	// Child is the run of another pipeline that the job started last, or in an earlier run
	// whose result a rerun took; null when there is none.
	Child *ChildRun `json:"child"`
	// Outputs are the values that the job wrote to $HODEI_OUTPUT. Those of a job that
	// starts another pipeline are run_id and run_number.
	Outputs map[string]string `json:"outputs" null:"true"`
	// Approval is null for a job that needs none.
	Approval *Approval `json:"approval"`
	// Warning is true if the job failed and allow_failure permits that, or if it waited for a run
	// of another pipeline that completed with warnings.
	Warning     bool       `json:"warning"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	// Position orders the jobs of a run.
	Position int     `json:"-" db:"-"`
	Plan     JobPlan `json:"-" db:"-"`
	// Spec is the specification of its executions.
	Spec Spec `json:"-" db:"-"`
}

// LastExecution is the execution whose result the job has: its own, or the one of an
// earlier run; nil before there is one.
func (j RunJob) LastExecution() *ExecutionID {
	if j.ExecutionID != nil {
		return j.ExecutionID
	}
	return j.ReusedExecutionID
}

// Approval is the consent that a job waits for before it starts.
type Approval struct {
	Message string `json:"message"`
	// ExpiresAt is when the job fails without an answer; null until the job waits
	// for one, and when it waits for ever.
	ExpiresAt *time.Time `json:"expires_at"`
	// Approved is the answer, null until there is one.
	Approved  *bool      `json:"approved"`
	By        *string    `json:"by"`
	Comment   *string    `json:"comment"`
	DecidedAt *time.Time `json:"decided_at"`
}

// Why explains the reason of the run as a phrase for people, "" where there is none.
func (r Run) Why() string {
	if r.Reason == nil {
		return ""
	}
	switch *r.Reason {
	case ReasonJobFailed:
		return r.failures()
	case ReasonRunTimeout:
		return "it took longer than its timeout"
	case ReasonSuperseded:
		return "a later run with its concurrency key took its place"
	case ReasonCancelled:
		return "it was cancelled"
	case ReasonConcurrency:
		return "it waits for other runs with its concurrency key"
	}
	return r.Reason.words()
}

// failures names the jobs that made the run fail. A failure may have cancelled others, so
// cancelled jobs count only if there are no others.
func (r Run) failures() string {
	var failed, cancelled []string
	for _, j := range r.Jobs {
		switch {
		case !j.Status.Ended() || j.Status == JobSkipped || j.Succeeded():
		case j.Status == JobCancelled:
			cancelled = append(cancelled, j.Key)
		default:
			failed = append(failed, j.Key)
		}
	}
	if len(failed) == 0 {
		failed = cancelled
	}
	switch n := len(failed); {
	case n == 0:
		return "a job failed"
	case n > 3:
		return fmt.Sprintf("%s and %d more failed", strings.Join(failed[:3], ", "), n-3)
	}
	return strings.Join(failed, ", ") + " failed"
}

// Why explains the reason of the job as a phrase for people, "" where there is none.
func (j RunJob) Why() string {
	switch {
	case j.Message != nil:
		return *j.Message
	case j.Reason != nil:
		return j.Reason.words()
	}
	return ""
}

// words is the constant as words.
func (r Reason) words() string { return strings.ToLower(strings.ReplaceAll(string(r), "_", " ")) }

// RunSummary is a run as its pipeline shows it.
type RunSummary struct {
	ID          RunID      `json:"id"`
	Number      int        `json:"number"`
	Status      RunStatus  `json:"status"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
}
