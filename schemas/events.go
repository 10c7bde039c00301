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
