package run

import (
	"slices"

	"github.com/hodei-jobs/hodei"
)

// decide makes every decision about one job that the current state of the run allows: it
// blocks, starts, skips or stops the job, or leaves it waiting.
func (a *advance) decide(i int) {
	j := &a.r.Jobs[i]
	if j.Status.Ended() {
		return
	}
	if why := a.stopping(j); why != nil {
		a.stop(j, why)
		return
	}
	if j.Status == hodei.JobWaiting {
		if !a.ready(j) {
			return
		}
		if why := a.skips(j); why != "" {
			a.close(j, hodei.JobSkipped, &why)
			return
		}
		if hasOpenMatrix(j) {
			a.spread(i)
			return
		}
		if j.Approval != nil {
			a.block(j)
		}
	}
	if j.Status == hodei.JobBlocked && !a.approved(j) {
		return
	}
	if a.mayStart(j) {
		a.start(i)
	}
}

// stopping returns why the job must not start or continue; nil if it may.
func (a *advance) stopping(j *hodei.RunJob) *hodei.Reason {
	if j.Finally {
		if a.r.Plan.StopFinally {
			return new(hodei.ReasonCancelled)
		}
		return nil
	}
	if a.r.Plan.Stopping != nil {
		return a.r.Plan.Stopping
	}
	if j.Spec.Matrix != nil && j.Spec.Matrix.FailFast && slices.ContainsFunc(a.legs[j.Job], func(i int) bool { return failsRun(a.r.Jobs[i]) }) {
		return new(hodei.ReasonFailFast)
	}
	return nil
}

// stop cancels the job: at once if it is not active, otherwise through its execution or its
// child run.
func (a *advance) stop(j *hodei.RunJob, why *hodei.Reason) {
	child := childOf(j)
	if !j.Status.Active() || j.Spec.Pipeline != nil && child == nil {
		a.close(j, hodei.JobCancelled, why)
		return
	}
	if j.Plan.Stopping == nil {
		j.Plan.Stopping = why
		a.change(j)
	}
	if child != nil {
		if !child.Cancelled && !slices.Contains(a.out.StopRuns, child.RunID) {
			a.out.StopRuns = append(a.out.StopRuns, child.RunID)
		}
		return
	}
	if !slices.Contains(a.out.Stop, j.Key) {
		a.out.Stop = append(a.out.Stop, j.Key)
	}
}

// ready reports whether all needs of the job have ended.
func (a *advance) ready(j *hodei.RunJob) bool {
	for _, need := range j.Needs {
		for _, i := range a.legs[need] {
			if !a.r.Jobs[i].Status.Ended() {
				return false
			}
		}
	}
	return true
}

// skips returns why the job is skipped; "" if it runs. Its condition is evaluated once.
func (a *advance) skips(j *hodei.RunJob) hodei.Reason {
	if why := a.unwanted(j); why != "" {
		return why
	}
	if j.Plan.Condition == nil {
		j.Plan.Condition = new(holds(j.Spec.If, a.values(j)))
		a.change(j)
	}
	switch {
	case !*j.Plan.Condition:
		return hodei.ReasonCondition
	case j.Spec.Command.IsZero() && j.Spec.Pipeline == nil && j.Approval == nil:
		return hodei.ReasonNoCommand
	}
	return ""
}

// unwanted returns why the job's when does not accept the outcome of its needs, or of the run
// for a finally job; "" if it does.
func (a *advance) unwanted(j *hodei.RunJob) hodei.Reason {
	succeeded, failed := a.before(j)
	switch when := j.Spec.Condition(); {
	case when == hodei.WhenFailure && !failed:
		return hodei.ReasonCondition
	case when == hodei.WhenSuccess && !succeeded:
		return hodei.ReasonNeeds
	}
	return ""
}

// before reports whether all needs of the job succeeded, and whether a job upstream failed.
// For a finally job, both are those of the run.
func (a *advance) before(j *hodei.RunJob) (succeeded, failed bool) {
	if j.Finally {
		outcome, _ := a.outcome(false)
		return outcome == hodei.RunCompleted, outcome != hodei.RunCompleted
	}
	return a.succeeded(j.Needs), a.troubled(j.Needs)
}

// succeeded reports whether every leg of every job counts as success.
func (a *advance) succeeded(jobs []string) bool {
	for _, job := range jobs {
		for _, i := range a.legs[job] {
			if !a.r.Jobs[i].Succeeded() {
				return false
			}
		}
	}
	return true
}

// troubled reports whether one of the jobs or of their transitive needs did not succeed.
func (a *advance) troubled(jobs []string) bool {
	return slices.ContainsFunc(jobs, func(job string) bool {
		known, ok := a.trouble[job]
		if !ok && len(a.legs[job]) > 0 {
			known = !a.succeeded([]string{job}) || a.troubled(a.r.Jobs[a.legs[job][0]].Needs)
			a.trouble[job] = known
		}
		return known
	})
}

// block makes the job wait for its approval.
func (a *advance) block(j *hodei.RunJob) {
	j.Status = hodei.JobBlocked
	j.Approval.Message = resolve(j.Approval.Message, a.values(j))
	if gate := j.Spec.Approval; gate != nil && gate.TimeoutSeconds != nil {
		j.Approval.ExpiresAt = new(a.now.Add(seconds(*gate.TimeoutSeconds)))
	}
	a.change(j)
}

// approved reports whether the job is approved. It fails a job whose approval was rejected or
// has expired.
func (a *advance) approved(j *hodei.RunJob) bool {
	switch answer := j.Approval; {
	case answer.Approved != nil && *answer.Approved:
		return true
	case answer.Approved != nil:
		a.close(j, hodei.JobFailed, new(hodei.ReasonRejected))
	case answer.ExpiresAt != nil && !answer.ExpiresAt.After(a.now):
		a.close(j, hodei.JobFailed, new(hodei.ReasonApprovalTimeout))
	}
	return false
}

// mayStart reports whether the job is not active and max_parallel allows another leg.
func (a *advance) mayStart(j *hodei.RunJob) bool {
	if j.Status.Active() {
		return false
	}
	active := 0
	for _, i := range a.legs[j.Job] {
		if a.r.Jobs[i].Status.Active() {
			active++
		}
	}
	m := j.Spec.Matrix
	return m == nil || m.MaxParallel == 0 || active < m.MaxParallel
}

// start creates the job's first execution or requests its child run. A job with neither
// command nor pipeline, which only has an approval, completes.
func (a *advance) start(i int) {
	j := &a.r.Jobs[i]
	if j.Spec.Command.IsZero() && j.Spec.Pipeline == nil {
		a.close(j, hodei.JobCompleted, nil)
		return
	}
	if j.Spec.Pipeline != nil {
		a.startChild(j)
		return
	}
	spec, err := a.spec(j)
	if err != nil {
		j.Message = new(Issue(err))
		a.close(j, hodei.JobFailed, new(hodei.ReasonStartFailed))
		return
	}
	j.Status, j.Attempt = hodei.JobPending, 1
	a.change(j)
	a.out.Start = append(a.out.Start, hodei.Execution{
		JobID: j.JobID, PipelineID: &a.r.PipelineID, RunID: &a.r.ID, RunNumber: &a.r.Number, JobKey: new(j.Key), Spec: spec, Attempt: 1,
	})
}
