package hodei

import "time"

// RunPlan is the private part of a run: its definition as it was when the run was
// created, and how far the run is.
type RunPlan struct {
	// FailFast cancels the rest of the run when a job fails.
	FailFast bool `json:"fail_fast,omitzero"`
	// TimeoutSeconds bounds the time that the run spends running; 0 is no bound. The
	// time while it only waits for approvals does not count.
	TimeoutSeconds float64 `json:"timeout_seconds,omitzero"`
	// SpentSeconds is the time spent until ActiveSince, which is null while the clock is stopped.
	SpentSeconds float64    `json:"spent_seconds,omitzero"`
	ActiveSince  *time.Time `json:"active_since,omitzero"`
	// Stopping is why nothing more starts but the finally jobs; null while the run
	// goes on.
	Stopping *Reason `json:"stopping,omitzero"`
	// Concurrency is the key that the run shares with others, resolved.
	Concurrency *Concurrency `json:"concurrency,omitzero"`
	// StopFinally ends the finally jobs too: the run was cancelled while they ran.
	StopFinally bool `json:"stop_finally,omitzero"`
}

// JobPlan is how far a job of a run is, beside its state.
type JobPlan struct {
	// Condition is the answer to the job's If, null until its needs have ended. A
	// rerun keeps it.
	Condition *bool `json:"condition,omitzero"`
	// Stopping is why the job's execution was asked to end, null unless it was.
	Stopping *Reason `json:"stopping,omitzero"`
}

// Succeeded reports whether the job counts as success for those that need it. One
// that its own condition skipped does, and one that failed and was allowed to.
func (j RunJob) Succeeded() bool {
	switch j.Status {
	case JobCompleted:
		return true
	case JobSkipped:
		return j.Reason != nil && (*j.Reason == ReasonCondition || *j.Reason == ReasonNoCommand)
	}
	return j.Warning
}

// Active reports whether the job has an execution that has not ended.
func (s RunJobStatus) Active() bool { return s == JobPending || s == JobRunning }
