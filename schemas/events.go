package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// Types of events. An event contains the whole record as it was committed, so a
// follower needs no further request. A type is eventTypes, the noun and the
// short type; the subject has the same parts: see EventSubject.
const (
	eventTypes = "io.hodei.v1."

	EventCreated   = eventTypes + "execution.created"
	EventAssigned  = eventTypes + "execution.assigned"
	EventRequeued  = eventTypes + "execution.requeued"
	EventStarted   = eventTypes + "execution.started"
	EventCancel    = eventTypes + "execution.cancel_requested"
	EventCompleted = eventTypes + "execution.completed"
	EventFailed    = eventTypes + "execution.failed"
	EventCancelled = eventTypes + "execution.cancelled"
	EventTimedOut  = eventTypes + "execution.timed_out"
)

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
	// PipelineID selects the executions of that pipeline's jobs.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty" in:"query"`
	// ExecutionID selects that execution.
	ExecutionID *hodei.ExecutionID `json:"execution_id,omitempty" in:"query"`
	// WorkerID selects that worker and its executions.
	WorkerID *hodei.WorkerID `json:"worker_id,omitempty" in:"query"`
	// Only selects "executions" or "workers".
	Only string `json:"only,omitempty" in:"query" jsonschema:"enum=executions,enum=workers"`
	// Follow keeps the stream open for new events; otherwise it ends after the
	// existing ones.
	Follow bool `json:"follow,omitempty" in:"query"`
}

// Values of FollowEventsRequest.Only.
const (
	OnlyExecutions = "executions"
	OnlyWorkers    = "workers"
)

// Executions reports whether the request selects events of executions, Workers
// whether it selects states of workers.
func (r FollowEventsRequest) Executions() bool { return r.Only != OnlyWorkers }
func (r FollowEventsRequest) Workers() bool {
	return r.Only != OnlyExecutions && r.JobID == nil && r.PipelineID == nil && r.ExecutionID == nil
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
		return r.Executions() && same(r.JobID, e.JobID) && r.ofPipeline(e.PipelineID) &&
			same(r.ExecutionID, &e.ID) && same(r.WorkerID, e.WorkerID)
	}
	return true
}

// ofPipeline reports whether executions of the pipeline are selected. The slug
// of a request must have been resolved to the id.
func (r FollowEventsRequest) ofPipeline(id *hodei.PipelineID) bool {
	if r.PipelineID == nil {
		return true
	}
	want, isID := r.PipelineID.ID()
	return isID && id != nil && *id == want
}

// same reports whether the value is the wanted one; nil accepts any.
func same[T comparable](want, have *T) bool { return want == nil || have != nil && *want == *have }

// Kinds of FeedEvent: the `event:` of its frame. The stream ends with a frame `done`.
const (
	FeedExecution = "execution"
	FeedWorker    = "worker"
	FeedResync    = "resync"
)

// FeedEvent is one event of the stream of events. Exactly one of the last three
// fields is set.
type FeedEvent struct {
	// Sequence is the position in EXECUTION_EVENTS and the id of the frame.
	Sequence  uint64
	Execution *Event
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
