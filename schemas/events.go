package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// Types of events. What an event tells is always the whole record as it was
// committed, so a follower needs no second look.
const (
	EventCreated   = "io.hodei.v1.execution.created"
	EventAssigned  = "io.hodei.v1.execution.assigned"
	EventRequeued  = "io.hodei.v1.execution.requeued"
	EventStarted   = "io.hodei.v1.execution.started"
	EventCancel    = "io.hodei.v1.execution.cancel_requested"
	EventCompleted = "io.hodei.v1.execution.completed"
	EventFailed    = "io.hodei.v1.execution.failed"
	EventCancelled = "io.hodei.v1.execution.cancelled"
	EventTimedOut  = "io.hodei.v1.execution.timed_out"
)

// Event is one thing that happened to an execution.
type Event struct {
	Type      string          `json:"type"`
	Time      time.Time       `json:"time"`
	RequestID string          `json:"request_id"`
	Execution hodei.Execution `json:"execution"`
	// Free and Word are the worker's own word on its slots, where the event
	// came with one: the execution ended and its slots are free again.
	Free *int   `json:"free,omitempty"`
	Word uint64 `json:"word,omitempty"`
}

// EndEvent is the type of the event that tells of an execution's end.
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

// FollowEventsRequest asks for what happens. The filters on executions leave
// the workers' words out.
type FollowEventsRequest struct {
	// JobID leaves only the executions of that job.
	JobID *hodei.JobID `json:"job_id,omitempty" in:"query"`
	// PipelineID leaves only the executions of that pipeline's jobs.
	PipelineID *hodei.PipelineID `json:"pipeline_id,omitempty" in:"query"`
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
// whether the workers' words are.
func (r FollowEventsRequest) Executions() bool { return r.Only != OnlyWorkers }
func (r FollowEventsRequest) Workers() bool {
	return r.Only != OnlyExecutions && r.JobID == nil && r.PipelineID == nil && r.ExecutionID == nil
}

// Whole reports whether nothing is left out.
func (r FollowEventsRequest) Whole() bool { r.Follow = false; return r == FollowEventsRequest{} }

// Match reports whether what is told is wanted.
func (r FollowEventsRequest) Match(n Notice) bool {
	switch {
	case n.Worker != nil:
		return r.Workers() && (r.WorkerID == nil || *r.WorkerID == n.Worker.WorkerID)
	case n.Execution != nil:
		e := n.Execution.Execution
		return r.Executions() && same(r.JobID, e.JobID) && same(r.PipelineID, e.PipelineID) &&
			same(r.ExecutionID, &e.ID) && same(r.WorkerID, e.WorkerID)
	}
	return true
}

// same reports whether the value is the one wanted; nil wants any.
func same[T comparable](want, have *T) bool { return want == nil || have != nil && *want == *have }

// Kinds of frames in the stream of events, beside `done`.
const (
	NoticeExecution = "execution"
	NoticeWorker    = "worker"
	NoticeResync    = "resync"
)

// Notice is one thing that the stream of events tells: one of the last three
// fields is set.
type Notice struct {
	// Sequence is the place in EXECUTION_EVENTS, the id of the frame.
	Sequence  uint64
	Execution *Event
	Worker    *WorkerWord
	Resync    *Resync
}

// WorkerWord is what a worker says of itself. Words that follow fast on each
// other are told as the last of them.
type WorkerWord struct {
	WorkerID hodei.WorkerID `json:"worker_id"`
	// Availability is null once its lease has ended: it left, or is not heard.
	Availability *hodei.Availability `json:"availability"`
}

// Resync tells a reader that events were lost to it: what it knows must be
// read anew.
type Resync struct {
	// Reason is for people.
	Reason string `json:"reason"`
}

// EventsEnd is the data of the `done` event that ends a stream of events that
// was not to follow.
type EventsEnd struct {
	// Sequence is the last event that there is.
	Sequence uint64 `json:"sequence"`
}
