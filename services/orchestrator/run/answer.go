package run

import (
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Cancel has nothing more start but the finally jobs, and what is active end. Once
// only finally jobs are left, it ends them too. It is CONFLICT when the run has ended.
func Cancel(r *hodei.Run, why hodei.Reason, now time.Time) error {
	if r.Status.Ended() {
		return conflict(r, "Run is "+string(r.Status)+" and cannot be cancelled")
	}
	if r.CancelRequestedAt == nil {
		r.CancelRequestedAt = &now
	}
	left := slices.ContainsFunc(r.Jobs, func(j hodei.RunJob) bool { return !j.Finally && !j.Status.Ended() })
	switch {
	case !left && r.Status == hodei.RunRunning:
		r.Plan.StopFinally = true
	case r.Plan.Stopping == nil:
		r.Plan.Stopping = &why
	}
	return nil
}

// Stop cancels a run because the job that started it is stopped. A request that is
// repeated, and finally jobs that run already, go on as they are.
func Stop(r *hodei.Run, now time.Time) {
	if r.Status.Ended() || r.CancelRequestedAt != nil {
		return
	}
	r.CancelRequestedAt = &now
	if r.Plan.Stopping == nil && slices.ContainsFunc(r.Jobs, func(j hodei.RunJob) bool { return !j.Finally && !j.Status.Ended() }) {
		reason := hodei.ReasonCancelled
		r.Plan.Stopping = &reason
	}
}

// Answer is what a person replies to the question of a job that is BLOCKED.
type Answer struct {
	Approved    bool
	By, Comment *string
}

// Reply records the answer. It is NOT_FOUND when the run has no such job, and CONFLICT
// when the job does not wait for an answer.
func Reply(r *hodei.Run, key string, answer Answer, now time.Time) error {
	i := slices.IndexFunc(r.Jobs, func(j hodei.RunJob) bool { return j.Key == key })
	if i < 0 {
		return hodei.Missing("job", key)
	}
	j := &r.Jobs[i]
	if j.Status != hodei.JobBlocked || j.Approval.Approved != nil {
		return conflict(r, "Job "+key+" is "+string(j.Status)+" and waits for no approval")
	}
	approved := answer.Approved
	j.Approval.Approved, j.Approval.By, j.Approval.Comment, j.Approval.DecidedAt = &approved, answer.By, answer.Comment, &now
	return nil
}

func conflict(r *hodei.Run, message string) error {
	return &hodei.Error{Code: hodei.Conflict, Message: message, Resource: "run", ResourceID: r.ID.String()}
}
