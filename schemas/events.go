package schemas

import (
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Types of events. An event contains the whole record as it was committed, so a
// follower needs no further request. A type is eventTypes, the noun and the
// short type; the subject has the same parts: see EventSubject.
const (
	eventTypes = "io.hodei.v1."

	// EventCreated queues the execution: the scheduler reads its id, priority and
	// requirements. One that was started at once is created RUNNING and not queued.
	EventCreated   = eventTypes + "execution.created"
	EventAssigned  = eventTypes + "execution.assigned"
	EventRequeued  = eventTypes + "execution.requeued"
	EventStarted   = eventTypes + "execution.started"
	EventCancel    = eventTypes + "execution.cancel_requested"
	EventCompleted = eventTypes + "execution.completed"
	EventFailed    = eventTypes + "execution.failed"
	EventCancelled = eventTypes + "execution.cancelled"
	EventTimedOut  = eventTypes + "execution.timed_out"

	EventRunCreated   = eventTypes + "run.created"
	EventRunStarted   = eventTypes + "run.started"
	EventRunJob       = eventTypes + "run.job"     // a job changed
	EventRunBlocked   = eventTypes + "run.blocked" // a job waits for an approval
	EventRunCompleted = eventTypes + "run.completed"
	EventRunFailed    = eventTypes + "run.failed"
	EventRunCancelled = eventTypes + "run.cancelled"
	EventRunTimedOut  = eventTypes + "run.timed_out"
)

// RunEvent is a change of a run, or of one of its jobs.
type RunEvent struct {
	Type      string    `json:"type"`
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	// Run comes without its jobs.
	Run hodei.Run `json:"run"`
	// Job is the job that changed, null in an event of the whole run.
	Job *hodei.RunJob `json:"job"`
}

// RunEndEvent is the type of the event of a run's end.
func RunEndEvent(status hodei.RunStatus) string {
	switch status {
	case hodei.RunCompleted:
		return EventRunCompleted
	case hodei.RunCancelled:
		return EventRunCancelled
	case hodei.RunTimedOut:
		return EventRunTimedOut
	default:
		return EventRunFailed
	}
}

// Event is a change of an execution.
type Event struct {
	Type      string          `json:"type"`
	Time      time.Time       `json:"time"`
	RequestID string          `json:"request_id"`
	Execution hodei.Execution `json:"execution"`
	// Free is the number of the worker's free slots, Revision the revision of
	// that state; only in an event that the worker caused.
	Free     *int   `json:"free,omitempty"`
	Revision uint64 `json:"revision,omitempty"`
}

// EndEvent returns the type of the event of an execution's end.
func EndEvent(status hodei.ExecutionStatus) string {
	switch status {
	case hodei.Completed:
		return EventCompleted
	case hodei.Cancelled:
		return EventCancelled
	case hodei.TimedOut:
		return EventTimedOut
	default:
		return EventFailed
	}
}

// FollowEventsRequest selects events. The filters on executions exclude the
// states of workers.
type FollowEventsRequest struct {
	// JobID selects the executions of that job.
	JobID *hodei.JobID `json:"job_id,omitempty" in:"query"`
	// PipelineID selects the runs of that pipeline and the executions of its jobs.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty" in:"query"`
	// RunID selects that run and its executions.
	RunID *hodei.RunRef `json:"run_id,omitempty" in:"query"`
	// ExecutionID selects that execution.
	ExecutionID *hodei.ExecutionRef `json:"execution_id,omitempty" in:"query"`
	// WorkerID selects that worker and its executions.
	WorkerID *hodei.WorkerID `json:"worker_id,omitempty" in:"query"`
	// Only selects "executions", "runs" or "workers".
	Only string `json:"only,omitempty" in:"query" jsonschema:"enum=executions,enum=runs,enum=workers"`
	// Follow keeps the stream open for new events; otherwise it ends after the
	// existing ones.
	Follow bool `json:"follow,omitempty" in:"query"`
}

// Values of FollowEventsRequest.Only.
const (
	OnlyExecutions = "executions"
	OnlyRuns       = "runs"
	OnlyWorkers    = "workers"
)

// Executions reports whether the request selects events of executions, Runs whether it
// selects those of runs, and Workers whether it selects states of workers.
func (r FollowEventsRequest) Executions() bool { return r.Only == "" || r.Only == OnlyExecutions }
func (r FollowEventsRequest) Runs() bool {
	return (r.Only == "" || r.Only == OnlyRuns) && r.JobID == nil && r.ExecutionID == nil && r.WorkerID == nil
}
func (r FollowEventsRequest) Workers() bool {
	return (r.Only == "" || r.Only == OnlyWorkers) && r.JobID == nil && r.PipelineID == nil && r.ExecutionID == nil && r.RunID == nil
}

// Whole reports whether the request selects everything.
func (r FollowEventsRequest) Whole() bool { r.Follow = false; return r == FollowEventsRequest{} }

// Match reports whether the request selects the event.
func (r FollowEventsRequest) Match(n FeedEvent) bool {
	switch {
	case n.Worker != nil:
		return r.Workers() && (r.WorkerID == nil || *r.WorkerID == n.Worker.WorkerID)
	case n.Execution != nil:
		e := n.Execution.Execution
		return r.Executions() && same(r.JobID, e.JobID) && refers(r.PipelineID, e.PipelineID) &&
			refers(r.ExecutionID, &e.ID) && same(r.WorkerID, e.WorkerID) && refers(r.RunID, e.RunID)
	case n.Run != nil:
		return r.Runs() && refers(r.PipelineID, &n.Run.Run.PipelineID) && refers(r.RunID, &n.Run.Run.ID)
	}
	return true
}

// refers reports whether the reference is to the record with the id; nil accepts any. A name
// must have been resolved to the id.
func refers[K hodei.Kind](want *hodei.Ref[K], have *hodei.ID[K]) bool {
	if want == nil {
		return true
	}
	id, isID := want.ID()
	return isID && have != nil && *have == id
}

// same reports whether the value is the wanted one; nil accepts any.
func same[T comparable](want, have *T) bool { return want == nil || have != nil && *want == *have }

// Kinds of FeedEvent: the `event:` of its frame. The stream ends with a frame `done`.
const (
	FeedExecution = "execution"
	FeedRun       = "run"
	FeedWorker    = "worker"
	FeedResync    = "resync"
)

// FeedOf is the kind of an event by its subject in EXECUTION_EVENTS.
func FeedOf(subject string) string {
	if strings.HasPrefix(subject, FeedRun+".") {
		return FeedRun
	}
	return FeedExecution
}

// FeedEvent is one event of the stream of events. Exactly one of the last four
// fields is set.
type FeedEvent struct {
	// Sequence is the position in EXECUTION_EVENTS and the id of the frame.
	Sequence  uint64
	Execution *Event
	Run       *RunEvent
	Worker    *WorkerState
	Resync    *Resync
}

// WorkerState is the state of a worker as it reports it. Of several reports
// within a fraction of a second the stream contains the last.
type WorkerState struct {
	WorkerID hodei.WorkerID `json:"worker_id"`
	// Availability is null after its lease has ended: the worker left or lost
	// contact.
	Availability *hodei.Availability `json:"availability"`
}

// Resync reports that this reader missed events and must read its state again.
type Resync struct {
	// Reason is a sentence for users.
	Reason string `json:"reason"`
}

// EventsEnd is the data of the `done` event that ends a stream of events that
// was not to follow.
type EventsEnd struct {
	// Sequence is the last event that there is.
	Sequence uint64 `json:"sequence"`
}
