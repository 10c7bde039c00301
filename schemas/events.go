package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// Ids of the types of events. An event has the whole record as it was committed, so a
// follower needs no request for it. An id is eventTypes, the noun, and the short type,
// and the subject has the same parts: see EventSubject.
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
	// Free is the number of the worker's free slots, Revision that of this state; only
	// in an event that the worker caused.
	Free     *int   `json:"free,omitempty"`
	Revision uint64 `json:"revision,omitempty"`
}

// EndEvent is the type of the event of an execution's end.
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

// FollowEventsRequest selects events. The filters on executions leave the
// workers' states out.
type FollowEventsRequest struct {
	// JobID leaves only the executions of that job.
	JobID *hodei.JobID `json:"job_id,omitempty" in:"query"`
	// PipelineID leaves only the executions of that pipeline's jobs.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty" in:"query"`
	// ExecutionID leaves only that execution.
	ExecutionID *hodei.ExecutionID `json:"execution_id,omitempty" in:"query"`
	// WorkerID leaves only that worker, and the executions given to it.
	WorkerID *hodei.WorkerID `json:"worker_id,omitempty" in:"query"`
	// Only leaves "executions" or "workers".
	Only string `json:"only,omitempty" in:"query" jsonschema:"enum=executions,enum=workers"`
	// Follow goes on for ever; otherwise the stream gives what there is.
	Follow bool `json:"follow,omitempty" in:"query"`
}

// What FollowEventsRequest.Only may leave.
const (
	OnlyExecutions = "executions"
	OnlyWorkers    = "workers"
)

// Executions reports whether events of executions are wanted at all, Workers
// whether the workers' states are.
func (r FollowEventsRequest) Executions() bool { return r.Only != OnlyWorkers }
func (r FollowEventsRequest) Workers() bool {
	return r.Only != OnlyExecutions && r.JobID == nil && r.PipelineID == nil && r.ExecutionID == nil
}

// Whole reports whether nothing is left out.
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

// ofPipeline reports whether executions of the pipeline are wanted. The slug of
// a request must be resolved to the id first.
func (r FollowEventsRequest) ofPipeline(id *hodei.PipelineID) bool {
	if r.PipelineID == nil {
		return true
	}
	want, isID := r.PipelineID.ID()
	return isID && id != nil && *id == want
}

// same reports whether the value is the one wanted; nil wants any.
func same[T comparable](want, have *T) bool { return want == nil || have != nil && *want == *have }

// Kinds of FeedEvent: the `event:` of its frame. The stream ends with a frame `done`.
const (
	FeedExecution = "execution"
	FeedWorker    = "worker"
	FeedResync    = "resync"
)

// FeedEvent is one event of the stream of events: one of the last three fields is
// set.
type FeedEvent struct {
	// Sequence is the place in EXECUTION_EVENTS, the id of the frame.
	Sequence  uint64
	Execution *Event
	Worker    *WorkerState
	Resync    *Resync
}

// WorkerState is the state of a worker as it reports it. Of several reports within a
// fraction of a second the stream has the last.
type WorkerState struct {
	WorkerID hodei.WorkerID `json:"worker_id"`
	// Availability is null once its lease has ended: the worker left, or lost contact.
	Availability *hodei.Availability `json:"availability"`
}

// Resync reports that events were lost to this reader, which must read anew what it
// knows.
type Resync struct {
	// Reason is a sentence for people.
	Reason string `json:"reason"`
}

// EventsEnd is the data of the `done` event that ends a stream of events that
// was not to follow.
type EventsEnd struct {
	// Sequence is the last event that there is.
	Sequence uint64 `json:"sequence"`
}
