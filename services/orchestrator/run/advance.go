package run

import (
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
)

// again is the interval of further steps while a stopped execution has not ended, or a
// requested child run does not exist: the request may have been lost.
const again = 5 * time.Second

// Steps are the decisions of Advance.
type Steps struct {
	// Changed are the changed jobs, in their order; Added are the keys of those that are
	// new, Removed the keys of jobs that were replaced.
	Changed []*hodei.RunJob
	Added   map[string]bool
	Removed []string
	// Adopted is true once the run has the definition of its repository: its params changed.
	Adopted bool
	// Start are the executions to be created, without ids.
	Start []hodei.Execution
	// Stop are the keys of the jobs whose executions are to be cancelled.
	Stop []string
	// Calls are the child runs to create. StopRuns are the child runs to cancel.
	Calls    []hodei.RunCall
	StopRuns []hodei.RunID
	// Wake is the time of the next step, unless an execution ends earlier; nil for none.
	Wake *time.Time
}

// Include adds the job to those that changed.
func (s *Steps) Include(r *hodei.Run, key string) {
	i := slices.IndexFunc(r.Jobs, func(j hodei.RunJob) bool { return j.Key == key })
	if i >= 0 && !slices.Contains(s.Changed, &r.Jobs[i]) {
		s.Changed = append(s.Changed, &r.Jobs[i])
	}
}

// Advance makes all decisions about a run that follow from ended executions, the state of
// its child runs (RunJob.Child), the answers to approvals, a request to cancel, and the time.
// It changes the run and its jobs in place. A repeated end changes nothing. read parses the
// definition of a run that reads it from its repository. The phases build on each other:
//
//  1. The ends of executions and the states of child runs are applied to their jobs.
//  2. A run that has not started ends if it is to stop, and waits otherwise.
//  3. The timeout stops the run, so that an expired run starts no job.
//  4. The jobs are settled, and again if a failure among them stops the run (fail_fast).
//  5. Once they have ended, the finally jobs are settled, and after those the run ends.
//  6. The clock and the requests for child runs follow from the jobs that are active now.
func Advance(r *hodei.Run, ends []hodei.Execution, now time.Time, read Reader) Steps {
	if r.Status.Ended() {
		return Steps{}
	}
	a := newAdvance(r, now)
	a.read = read
	for _, e := range ends {
		a.end(e)
	}
	for i := range r.Jobs {
		a.applyChild(&r.Jobs[i])
	}
	if r.Status == hodei.RunPending {
		a.advancePending()
		return a.steps()
	}
	a.expire()
	a.settleAll(false)
	if a.failsFast() {
		a.settleAll(false)
	}
	if jobsEnded(r) {
		a.settleAll(true)
		a.finish()
	}
	a.clock()
	for i := range r.Jobs {
		a.requestChild(&r.Jobs[i])
	}
	return a.steps()
}

// advancePending ends a run that is to stop before it started. Its finally jobs do not run.
func (a *advance) advancePending() {
	if a.r.Plan.Stopping == nil {
		return
	}
	a.r.Plan.StopFinally = true
	a.settleAll(false)
	a.settleAll(true)
	a.finish()
}

// advance is one call of Advance.
type advance struct {
	r       *hodei.Run
	now     time.Time
	read    Reader
	legs    map[string][]int // indexes of jobs, by the key in the definition
	keys    map[string]int   // and by their own
	settled map[string]bool
	trouble map[string]bool // see troubled
	changed map[string]bool
	out     Steps
}

func newAdvance(r *hodei.Run, now time.Time) *advance {
	a := &advance{r: r, now: now, legs: map[string][]int{}, keys: map[string]int{}, changed: map[string]bool{}}
	for i := range r.Jobs {
		a.index(i)
	}
	return a
}

func (a *advance) index(i int) {
	j := &a.r.Jobs[i]
	a.legs[j.Job], a.keys[j.Key] = append(a.legs[j.Job], i), i
}

// end applies the end of an execution to its job.
func (a *advance) end(e hodei.Execution) {
	if e.JobKey == nil || !e.Status.Ended() {
		return
	}
	i, ok := a.keys[*e.JobKey]
	if !ok || a.r.Jobs[i].Status.Ended() || e.Attempt < a.r.Jobs[i].Attempt {
		return
	}
	j := &a.r.Jobs[i]
	j.ExecutionID, j.Attempt, j.StartedAt, j.Outputs = &e.ID, e.Attempt, e.StartedAt, e.Outputs
	j.Plan.HasArtifacts = e.HasArtifacts
	j.Status, j.Reason, j.CompletedAt = hodei.RunJobStatus(e.Status), e.Reason, e.CompletedAt
	a.change(j)
	a.pin(j)
	switch j.Status {
	case hodei.JobCancelled:
		if j.Plan.Stopping != nil {
			j.Reason = j.Plan.Stopping
			j.Message = a.explain(j)
		}
	case hodei.JobFailed, hodei.JobTimedOut:
		j.Warning = tolerates(j.Spec.AllowFailure, e.ExitCode)
		j.Message = explainExit(e)
	case hodei.JobCompleted:
		a.adopt(i)
	}
}

// close gives the job its final state.
func (a *advance) close(j *hodei.RunJob, status hodei.RunJobStatus, reason *hodei.Reason) {
	j.Status, j.Reason, j.CompletedAt = status, reason, &a.now
	if j.Message == nil {
		j.Message = a.explain(j)
	}
	a.change(j)
}

func (a *advance) change(j *hodei.RunJob) { a.changed[j.Key] = true }

// expire stops the run at its timeout. Finally jobs have their own timeouts.
func (a *advance) expire() {
	if at := a.deadline(); at != nil && !at.After(a.now) && a.r.Plan.Stopping == nil && !jobsEnded(a.r) {
		a.r.Plan.Stopping = new(hodei.ReasonRunTimeout)
	}
}

func (a *advance) deadline() *time.Time {
	p := a.r.Plan
	if p.TimeoutSeconds == 0 || p.ActiveSince == nil {
		return nil
	}
	return new(p.ActiveSince.Add(seconds(p.TimeoutSeconds - p.SpentSeconds)))
}

// settleAll decides about every job, or every finally job, that can be decided.
func (a *advance) settleAll(finally bool) {
	a.settled, a.trouble = map[string]bool{}, map[string]bool{}
	for i := 0; i < len(a.r.Jobs); i++ { // a matrix from an output adds jobs
		if a.r.Jobs[i].Finally == finally {
			a.settle(a.r.Jobs[i].Job)
		}
	}
}

// settle decides about the legs of one job, after those that it needs. It decides about each
// leg twice, because a leg that fails in the first pass may stop those before it.
func (a *advance) settle(job string) {
	legs := a.legs[job]
	if a.settled[job] || len(legs) == 0 {
		return
	}
	a.settled[job] = true
	for _, need := range a.r.Jobs[legs[0]].Needs {
		a.settle(need)
	}
	for _, i := range legs {
		a.decide(i)
	}
	for _, i := range a.legs[job] {
		a.decide(i)
	}
}

// failsFast reports whether a failure has just stopped the run.
func (a *advance) failsFast() bool {
	if !a.r.Plan.FailFast || a.r.Plan.Stopping != nil || !slices.ContainsFunc(a.r.Jobs, func(j hodei.RunJob) bool { return !j.Finally && failsRun(j) }) {
		return false
	}
	a.r.Plan.Stopping = new(hodei.ReasonFailFast)
	return true
}

// failsRun reports whether the job makes its run fail.
func failsRun(j hodei.RunJob) bool {
	return j.Status.Ended() && j.Status != hodei.JobSkipped && !j.Succeeded()
}

// jobsEnded reports whether all jobs have ended, except for finally jobs.
func jobsEnded(r *hodei.Run) bool {
	return !slices.ContainsFunc(r.Jobs, func(j hodei.RunJob) bool { return !j.Finally && !j.Status.Ended() })
}

// finish ends the run, whose other jobs have ended, once its finally jobs have.
func (a *advance) finish() {
	if slices.ContainsFunc(a.r.Jobs, func(j hodei.RunJob) bool { return j.Finally && !j.Status.Ended() }) {
		return
	}
	a.r.Status, a.r.Reason = a.outcome(true)
	a.r.CompletedAt = &a.now
	a.r.Warnings = 0
	for _, j := range a.r.Jobs {
		if j.Warning {
			a.r.Warnings++
		}
	}
}

// outcome returns the final state of the run, with or without its finally jobs.
func (a *advance) outcome(finally bool) (hodei.RunStatus, *hodei.Reason) {
	if why := a.r.Plan.Stopping; why != nil {
		switch *why {
		case hodei.ReasonRunTimeout:
			return hodei.RunTimedOut, why
		case hodei.ReasonCancelled, hodei.ReasonSuperseded:
			return hodei.RunCancelled, why
		}
	}
	for _, j := range a.r.Jobs {
		if (finally || !j.Finally) && failsRun(j) {
			return hodei.RunFailed, new(hodei.ReasonJobFailed)
		}
	}
	return hodei.RunCompleted, nil
}

// clock runs while a job is active. It stops while the run waits only for approvals.
func (a *advance) clock() {
	p := &a.r.Plan
	active := !a.r.Status.Ended() && slices.ContainsFunc(a.r.Jobs, func(j hodei.RunJob) bool {
		return j.Status.Active() && (childOf(&j) == nil || !j.Child.Paused)
	})
	switch {
	case active && p.ActiveSince == nil:
		p.ActiveSince = &a.now
	case !active && p.ActiveSince != nil:
		p.SpentSeconds += a.now.Sub(*p.ActiveSince).Seconds()
		p.ActiveSince = nil
	}
}

// steps completes and returns the decisions.
func (a *advance) steps() Steps {
	slices.SortFunc(a.r.Jobs, func(x, y hodei.RunJob) int { return x.Position - y.Position })
	for i := range a.r.Jobs {
		if j := &a.r.Jobs[i]; a.changed[j.Key] {
			a.out.Changed = append(a.out.Changed, j)
		}
	}
	if a.r.Status.Ended() {
		return a.out
	}
	if at := a.deadline(); at != nil && a.r.Plan.Stopping == nil && !jobsEnded(a.r) {
		a.wake(*at)
	}
	for _, j := range a.r.Jobs {
		if j.Status == hodei.JobBlocked && j.Approval.ExpiresAt != nil && j.Approval.Approved == nil {
			a.wake(*j.Approval.ExpiresAt)
		}
		if j.Status.Active() && j.Plan.Stopping != nil {
			a.wake(a.now.Add(again))
		}
	}
	return a.out
}

func (a *advance) wake(at time.Time) {
	if a.out.Wake == nil || at.Before(*a.out.Wake) {
		a.out.Wake = &at
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// tolerates reports whether a failure with the exit code counts as success.
func tolerates(allow hodei.AllowFailure, exitCode *int) bool {
	return allow.Any || exitCode != nil && slices.Contains(allow.ExitCodes, *exitCode)
}
