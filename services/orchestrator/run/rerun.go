package run

import (
	"fmt"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// Values of choice, besides keys of jobs.
const (
	rerunFailed = "failed"
	rerunAll    = "all"
)

// Rerun fills in the jobs of a run that repeats the past one, which has ended. The
// chosen jobs, everything downstream of them and the finally jobs run again; the
// others keep their results. Chosen are the jobs that did not succeed ("failed", the
// default), all, or those with the given keys. Conditions keep their answers.
func Rerun(r *hodei.Run, past hodei.Run, choice []string) error {
	again, err := chosen(past, choice)
	if err != nil {
		return err
	}
	r.Params, r.Ref, r.Commit, r.Definition = past.Params, past.Ref, past.Commit, past.Definition
	r.Plan = hodei.RunPlan{
		FailFast: past.Plan.FailFast, TimeoutSeconds: past.Plan.TimeoutSeconds, Concurrency: past.Plan.Concurrency,
		NoSecrets: past.Plan.NoSecrets, CacheScope: past.Plan.CacheScope, Notify: past.Plan.Notify, Grant: past.Plan.Grant,
	}
	r.Jobs = []hodei.RunJob{}
	for _, j := range past.Jobs {
		if !again[j.Job] {
			r.Jobs = append(r.Jobs, reused(j))
			continue
		}
		if j = fresh(j); !slices.ContainsFunc(r.Jobs, func(k hodei.RunJob) bool { return k.Key == j.Key }) {
			r.Jobs = append(r.Jobs, j)
		}
	}
	return nil
}

// chosen are the keys, in the definition, of the jobs that run again.
func chosen(past hodei.Run, choice []string) (map[string]bool, error) {
	again := map[string]bool{}
	for _, key := range choice {
		found := key == rerunAll || key == rerunFailed
		for _, j := range past.Jobs {
			if j.Job == key && j.Spec.Source == hodei.SourceUploaded {
				return nil, hodei.InvalidField("jobs", "the source of the run was uploaded, and cannot be fetched again")
			}
			if j.Job == key || j.Key == key {
				again[j.Job], found = true, true
			}
		}
		if !found {
			return nil, hodei.InvalidField("jobs", fmt.Sprintf("the run has no job %q", key))
		}
	}
	for _, j := range past.Jobs {
		failed := (len(choice) == 0 || slices.Contains(choice, rerunFailed)) && (!j.Succeeded() || j.Warning)
		all := slices.Contains(choice, rerunAll) && (j.Spec.Source == "" || !j.Succeeded()) // the tree stays what it was
		if j.Finally || failed || all {
			again[j.Job] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, j := range past.Jobs {
			if !again[j.Job] && slices.ContainsFunc(j.Needs, func(need string) bool { return again[need] }) {
				again[j.Job], grown = true, true
			}
		}
	}
	return again, nil
}

// reused returns the job with the result of the past run.
func reused(j hodei.RunJob) hodei.RunJob {
	if j.ExecutionID != nil {
		j.ReusedExecutionID, j.ExecutionID = j.ExecutionID, nil
	}
	j.Attempt = 0
	return j
}

// fresh returns the job in its initial state. The legs of a matrix from an output become one
// job again.
func fresh(j hodei.RunJob) hodei.RunJob {
	j.Status, j.Reason, j.Warning, j.Outputs = hodei.JobWaiting, nil, false, nil
	j.ExecutionID, j.ReusedExecutionID, j.Attempt, j.StartedAt, j.CompletedAt = nil, nil, 0, nil, nil
	j.Child, j.Message = nil, nil
	if j.Plan.Name != nil {
		j.Name = j.Plan.Name
	}
	j.Plan = hodei.JobPlan{Condition: j.Plan.Condition}
	if j.Approval != nil {
		j.Approval = &hodei.Approval{}
		if gate := j.Spec.Approval; gate != nil {
			j.Approval.Message = gate.Message
		}
	}
	if m := j.Spec.Matrix; m != nil && m.From != "" {
		j.Leg, j.Key, j.Position = nil, j.Job, j.Position-j.Position%spacing
	}
	return j
}
