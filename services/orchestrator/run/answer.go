package run

import (
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Cancel stops the run: active jobs end, and only finally jobs start. If only finally jobs
// are left, they end too. It returns CONFLICT if the run has ended.
func Cancel(r *hodei.Run, why hodei.Reason, now time.Time) error {
	if r.Status.Ended() {
		return conflict(r, "Run is "+string(r.Status)+" and cannot be cancelled")
	}
	if r.CancelRequestedAt == nil {
		r.CancelRequestedAt = &now
	}
	switch {
	case jobsEnded(r) && r.Status == hodei.RunRunning:
		r.Plan.StopFinally = true
	case r.Plan.Stopping == nil:
		r.Plan.Stopping = &why
	}
	return nil
}

// Stop cancels a child run because its job is stopped. Unlike Cancel, it never stops finally
// jobs, and a repeat changes nothing.
func Stop(r *hodei.Run, now time.Time) {
	if r.Status.Ended() || r.CancelRequestedAt != nil {
		return
	}
	r.CancelRequestedAt = &now
	if r.Plan.Stopping == nil && !jobsEnded(r) {
		r.Plan.Stopping = new(hodei.ReasonCancelled)
	}
}

// Answer is a user's answer to the approval of a BLOCKED job.
type Answer struct {
	Approved    bool
	By, Comment *string
}

// Reply records the answer. It returns NOT_FOUND if the run has no such job, and CONFLICT
// if the job does not wait for an answer.
func Reply(r *hodei.Run, key string, answer Answer, now time.Time) error {
	i := slices.IndexFunc(r.Jobs, func(j hodei.RunJob) bool { return j.Key == key })
	if i < 0 {
		return hodei.Missing("job", key)
	}
	j := &r.Jobs[i]
	if j.Status != hodei.JobBlocked || j.Approval.Approved != nil {
		return conflict(r, "Job "+key+" is "+string(j.Status)+" and does not wait for an approval")
	}
	j.Approval.Approved, j.Approval.By, j.Approval.Comment, j.Approval.DecidedAt = new(answer.Approved), answer.By, answer.Comment, &now
	return nil
}

func conflict(r *hodei.Run, message string) error {
	return &hodei.Error{Code: hodei.Conflict, Message: message, Resource: "run", ResourceID: r.ID.String()}
}
