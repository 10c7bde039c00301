//go:build linux

package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// judgeRuns: every run has ended as the pure function has it, given the ends of its
// executions; each of these belongs to one job and one attempt of it; the runs of a
// pipeline are numbered without gaps; events show what was recorded.
func (w *arena) judgeRuns(runs *runLedger, r *record, tales map[hodei.RunID]*tale, check checkFunc) {
	outcomes := map[string]int{}
	numbers, keys, again := map[hodei.PipelineID][]int{}, map[string][]string{}, map[string]int{}
	recorded := map[string]bool{}
	for id, t := range tales {
		name := id.String()
		recorded[name] = true
		states := t.states()
		if !t.calls() {
			var difference string
			difference, states = t.replay()
			check("runs as the rules have it", "", difference == "", "%s: %s", name, difference)
		}
		end := t.last()
		if end == nil {
			continue
		}
		outcomes[strings.TrimSpace(string(end.Status)+" "+strings.Trim(word(end.Reason), "-"))]++
		check("runs have ended", "", end.Status.Ended(), "%s is %s", name, end.Status)
		numbers[end.PipelineID] = append(numbers[end.PipelineID], end.Number)
		switch {
		case end.ParentRunID != nil:
		case end.RerunOf == nil:
			keys[end.Params["chain"]] = append(keys[end.Params["chain"]], name)
		default:
			again[end.RerunOf.String()]++
		}
		early := end.NotBefore != nil && end.StartedAt != nil && end.StartedAt.Before(*end.NotBefore)
		check("runs wait for their time", "", !early, "%s began at %s, before %s", name, end.StartedAt, end.NotBefore)
		judgeChild(name, end, tales, check)
		w.judgeExecutions(name, t, r, check)
		judgeEvents(name, t, states, check)
	}
	for pipeline, all := range numbers {
		slices.Sort(all)
		for i, n := range all {
			check("numbers of runs", "", n == i+1, "the runs of %s are numbered %v", pipeline, all)
		}
	}
	runs.mu.Lock()
	defer runs.mu.Unlock()
	runs.ended = outcomes
	reruns := map[string]int{}
	for id, s := range runs.runs {
		check("accepted runs recorded", "", recorded[id], "%s was accepted (%s) and is not in the record", id, s.key)
		reruns[s.rerunOf]++
	}
	for key, ids := range keys {
		check("one run a key", "", len(ids) == 1 || key == "", "key %s made runs %v", key, ids)
		check("rejected runs are not made", "", !runs.rejected[key], "%s was answered 429 and made %v", key, ids)
	}
	for id, n := range again {
		check("one rerun a key", "", n == reruns[id], "%s was repeated %d times, asked for %d times", id, n, reruns[id])
	}
}

// judgeChild: an attempt of a job starts one run at most, and the job takes the outcome of
// the run that it waits for, before its own run ends.
func judgeChild(name string, end *storedRun, tales map[hodei.RunID]*tale, check checkFunc) {
	if end.ParentRunID == nil {
		return
	}
	parent := tales[*end.ParentRunID]
	for id, t := range tales {
		same := t.last()
		twice := id != end.ID && same != nil && same.ParentRunID != nil && *same.ParentRunID == *end.ParentRunID &&
			same.ParentKey == end.ParentKey && same.ParentAttempt == end.ParentAttempt
		check("one run an attempt", "", !twice, "%s and %s are of the same attempt", name, id)
	}
	of, job := parent.last(), parent.job(end.ParentKey)
	check("runs below have a job", "", job != nil, "%s is of job %s, which %s does not have", name, end.ParentKey, end.ParentRunID)
	if job == nil || !end.ParentWaits || job.Attempt != end.ParentAttempt {
		return
	}
	check("jobs end as the runs below", "", job.Child != nil && job.Child.RunID == end.ID && string(job.Status) == string(end.Status),
		"%s is %s, and job %s of %s is %s", name, end.Status, job.Key, of.ID, job.Status)
	late := end.CompletedAt != nil && of.CompletedAt != nil && end.CompletedAt.After(*of.CompletedAt)
	check("runs end after those below", "", !late, "%s ended after %s, which waits for it", name, of.ID)
}

// job is the job of the run as it was recorded last, nil if there is none.
func (t *tale) job(key string) (last *hodei.RunJob) {
	for _, c := range t.chapters {
		for _, j := range c.jobs {
			if j.Key == key {
				job := j.job()
				last = &job
			}
		}
	}
	return last
}

// last is the run as it was recorded last, nil if it never was.
func (t *tale) last() *storedRun {
	for _, c := range slices.Backward(t.chapters) {
		if c.run != nil {
			return c.run
		}
	}
	return nil
}

// judgeExecutions: each execution of the run is one attempt of one job, and the job has
// the last of them. The run has taken in one end for each job that it started.
func (w *arena) judgeExecutions(name string, t *tale, r *record, check checkFunc) {
	attempts, ends := map[string]hodei.ExecutionID{}, map[string]int{}
	jobs := map[string]hodei.RunJob{}
	for _, c := range t.chapters {
		for _, key := range c.gone {
			delete(jobs, key)
		}
		for _, j := range c.jobs {
			jobs[j.Key] = j.job()
		}
		for _, e := range c.ends {
			ends[*e.JobKey]++
		}
	}
	for _, e := range t.executions {
		id := e.ID.String()
		at := fmt.Sprintf("%s attempt %d", *e.JobKey, e.Attempt)
		check("one execution an attempt", id, attempts[at] == hodei.ExecutionID{}, "is %s of %s, as is %s", at, name, attempts[at])
		attempts[at] = e.ID
		j, ok := jobs[*e.JobKey]
		check("executions have a job", id, ok, "is of job %s, which %s does not have", *e.JobKey, name)
		check("jobs have their last execution", id, !ok || e.Attempt < j.Attempt || e.Attempt == j.Attempt && j.ExecutionID != nil && *j.ExecutionID == e.ID,
			"is %s, and the job of %s has %v as attempt %d", at, name, j.ExecutionID, j.Attempt)
	}
	for key, j := range jobs {
		if j.ExecutionID == nil {
			continue
		}
		e := r.executions[j.ExecutionID.String()]
		check("jobs end as their executions", e.id, e.status == string(j.Status), "is %s, and job %s of %s is %s", e.status, key, name, j.Status)
		check("ends are taken in once", e.id, ends[key] == 1, "%d ends of job %s of %s were taken in", ends[key], key, name)
	}
}

// judgeEvents: the feed shows nothing that was not recorded, and at most one end.
func judgeEvents(name string, t *tale, states map[string]bool, check checkFunc) {
	ended := 0
	for _, event := range slices.Sorted(maps.Keys(t.events)) {
		kind, state, _ := strings.Cut(event, " | ")
		check("events of runs as recorded", "", states[state], "the feed has %s of %s, which is not recorded", event, name)
		if slices.Contains([]string{"completed", "failed", "cancelled", "timed_out"}, kind) {
			ended++
			end := t.last()
			check("events of runs as recorded", "", strings.EqualFold(kind, string(end.Status)), "the feed has %s of %s, which is %s", event, name, end.Status)
		}
	}
	check("one end event of a run", "", ended <= 1, "the feed has %d ends of %s", ended, name)
}
