package run

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/hodei-jobs/hodei"
)

// maxDepth limits how deep runs may be nested, the first run included.
const maxDepth = 5

// startChild starts a job that starts another pipeline. The child run is created after the commit.
func (a *advance) startChild(j *hodei.RunJob) {
	if a.r.Plan.Depth+1 >= maxDepth {
		j.Message = new(fmt.Sprintf("pipelines start each other at most %d deep, and %s would be one deeper: look for a pipeline that starts itself through others",
			maxDepth, j.Spec.Pipeline.Slug))
		a.close(j, hodei.JobFailed, new(hodei.ReasonPipelineDepth))
		return
	}
	j.Status, j.Attempt = hodei.JobPending, 1
	a.change(j)
}

// childOf returns the child run of the job's current attempt; nil before it exists.
func childOf(j *hodei.RunJob) *hodei.ChildRun {
	if j.Spec.Pipeline == nil || j.Child == nil || j.Child.Attempt != j.Attempt || j.Attempt == 0 {
		return nil
	}
	return j.Child
}

// applyChild applies the state of the child run to the job.
func (a *advance) applyChild(j *hodei.RunJob) {
	if j.Spec.Pipeline == nil || !j.Status.Active() {
		return
	}
	if refused := j.Plan.Refused; refused != nil {
		j.Plan.Refused = nil
		j.Message = &refused.Message
		a.endChild(j, hodei.JobFailed, &refused.Reason)
		return
	}
	if at := j.Plan.RetryAt; at != nil && !at.After(a.now) {
		j.Plan.RetryAt = nil
		a.change(j)
	}
	child := childOf(j)
	if child == nil {
		return
	}
	if id := child.RunID.String(); j.Outputs["run_id"] != id {
		j.Outputs = map[string]string{"run_id": id, "run_number": strconv.Itoa(child.Number)}
		j.Message = nil
		a.change(j)
	}
	if j.StartedAt == nil && child.StartedAt != nil {
		j.StartedAt = child.StartedAt
		a.change(j)
	}
	switch {
	case !j.Spec.Pipeline.Waits():
		a.close(j, hodei.JobCompleted, nil)
	case child.Status.Ended():
		a.endChild(j, hodei.RunJobStatus(child.Status), child.Reason)
	case j.Status != hodei.RunJobStatus(child.Status): // PENDING or RUNNING
		j.Status = hodei.RunJobStatus(child.Status)
		a.change(j)
	}
}

// endChild ends the job with the outcome of its child run, or starts the next attempt.
func (a *advance) endChild(j *hodei.RunJob, status hodei.RunJobStatus, reason *hodei.Reason) {
	if j.Plan.Stopping == nil && a.stopping(j) == nil && retriesChild(j.Spec.Retries, j.Attempt, status, reason) {
		if pause := backoff(j.Spec.Retries, j.Attempt); pause > 0 {
			j.Plan.RetryAt = new(a.now.Add(pause))
		}
		j.Status, j.StartedAt, j.Plan.CalledAt = hodei.JobPending, nil, nil
		j.Attempt++
		a.change(j)
		return
	}
	if status == hodei.JobCancelled && j.Plan.Stopping != nil {
		reason = j.Plan.Stopping
	}
	a.close(j, status, reason)
	child := childOf(j)
	if child != nil && child.CompletedAt != nil {
		j.CompletedAt = child.CompletedAt
	}
	switch status {
	case hodei.JobFailed, hodei.JobTimedOut:
		j.Warning = tolerates(j.Spec.AllowFailure, nil)
	case hodei.JobCompleted:
		j.Warning = child != nil && child.Warnings > 0
	}
}

// requestChild requests the child run of the job, after the backoff of a retry. It repeats the
// request at intervals, because the orchestrator may die before it creates the run.
func (a *advance) requestChild(j *hodei.RunJob) {
	if j.Spec.Pipeline == nil || !j.Status.Active() || childOf(j) != nil {
		return
	}
	if j.Plan.RetryAt != nil {
		a.wake(*j.Plan.RetryAt)
		return
	}
	if called := j.Plan.CalledAt; called == nil || !called.Add(again).After(a.now) {
		j.Plan.CalledAt = &a.now
		a.change(j)
		a.out.Calls = append(a.out.Calls, a.childCall(j))
	}
	a.wake(j.Plan.CalledAt.Add(again))
}

// childCall returns the child run to create for the job.
func (a *advance) childCall(j *hodei.RunJob) hodei.RunCall {
	call := *j.Spec.Pipeline
	call.Ref = resolve(call.Ref, a.values(j))
	call.Params = map[string]hodei.Scalar{}
	for name, value := range j.Spec.Pipeline.Params {
		call.Params[name] = hodei.Scalar(resolve(string(value), a.values(j)))
	}
	return hodei.RunCall{Key: j.Key, Attempt: j.Attempt, Call: call, Depth: a.r.Plan.Depth + 1, TimeoutSeconds: j.Spec.TimeoutSeconds}
}

// retriesChild reports whether the job starts another run after the outcome of the attempt.
func retriesChild(r *hodei.Retries, attempt int, status hodei.RunJobStatus, reason *hodei.Reason) bool {
	if r == nil || attempt > r.Max || status != hodei.JobFailed && status != hodei.JobTimedOut {
		return false
	}
	return len(r.On) == 0 || slices.Contains(r.On, string(status)) || reason != nil && slices.Contains(r.On, string(*reason))
}

// backoff returns the pause after the attempt: that of executions, without jitter.
func backoff(r *hodei.Retries, attempt int) time.Duration {
	return seconds(min(max(hodei.RetryCap, r.BackoffSeconds), r.BackoffSeconds*math.Pow(2, float64(attempt-1))))
}

// Refuse records why the child run of an attempt cannot be created. It changes nothing if the
// job does not wait for that run.
func Refuse(r *hodei.Run, key string, attempt int, why hodei.Refusal) {
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if j.Key == key && j.Attempt == attempt && j.Status.Active() && j.Plan.Stopping == nil && childOf(j) == nil {
			j.Plan.Refused = &why
		}
	}
}

// ExpandCall is Expand for a child run.
func ExpandCall(r *hodei.Run, from Source, call hodei.RunCall) error {
	from.Params = call.Params
	if err := Expand(r, from); err != nil {
		return err
	}
	r.Plan.Depth = call.Depth
	if limit := call.TimeoutSeconds; limit != nil && call.Waits() {
		r.Plan.TimeoutSeconds = min(r.Plan.TimeoutSeconds, *limit)
	}
	return nil
}

// Issue is the text of an error for a person, with the field that it is about.
func Issue(err error) string {
	var e *hodei.Error
	switch {
	case !errors.As(err, &e):
		return err.Error()
	case e.Details != nil:
		return e.Details.Field + ": " + e.Details.Issue
	}
	return e.Message
}
