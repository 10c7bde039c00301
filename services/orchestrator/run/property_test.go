package run

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// graph draws a pipeline: jobs that need earlier ones, with every rule of the grammar.
func graph(t *rapid.T) (hodei.Settings, []hodei.Job) {
	jobs := make([]hodei.Job, rapid.IntRange(0, 9).Draw(t, "jobs"))
	for i := range jobs {
		jobs[i] = drawn(t, i)
	}
	return hodei.Settings{FailFast: rapid.IntRange(0, 4).Draw(t, "fail_fast") == 0}, jobs
}

func drawn(t *rapid.T, i int) hodei.Job {
	one := func(of int, what string) bool { return rapid.IntRange(1, of).Draw(t, what) == 1 }
	job := hodei.Job{ID: hodei.JobID{15: byte(i)}}
	job.Key = fmt.Sprintf("j%d", i)
	job.Command = hodei.Command{Shell: "true"}
	job.Finally = i > 5 && one(2, "finally")
	job.When = rapid.SampledFrom([]hodei.When{"", "success", "success", "failure", "always"}).Draw(t, "when")
	for k := range i {
		if one(3, "need") && (k <= 5 || job.Finally) {
			job.Needs = append(job.Needs, hodei.Need{Job: fmt.Sprintf("j%d", k)})
		}
	}
	if one(5, "if") {
		job.If = hodei.Conditions{{"run.branch": {"main"}}}
	}
	if one(5, "allow") {
		job.AllowFailure = hodei.AllowFailure{Any: true}
	}
	if one(5, "no command") {
		job.Command = hodei.Command{}
	}
	if one(5, "approval") {
		minute := 60.0
		job.Approval = &hodei.Gate{TimeoutSeconds: &minute}
	}
	if one(5, "pipeline") {
		job.Command = hodei.Command{}
		job.Pipeline = &hodei.Call{Slug: "other"}
		if one(4, "does not wait") {
			no := false
			job.Pipeline.Wait = &no
		}
		if one(2, "retries") {
			job.Retries = &hodei.Retries{Max: 2, BackoffSeconds: rapid.SampledFrom([]float64{0, 10}).Draw(t, "backoff")}
		}
	}
	if one(3, "matrix") {
		job.Matrix = &hodei.Matrix{MaxParallel: rapid.IntRange(0, 2).Draw(t, "parallel"), FailFast: one(3, "leg fails fast")}
		if len(job.Needs) > 0 && one(2, "from") {
			job.Matrix.From = "needs." + job.Needs[0].Job + ".outputs.legs"
		} else {
			job.Matrix.Values = map[string][]hodei.Scalar{"a": {"1", "2", "3"}, "b": {"x"}}
		}
	}
	return job
}

func expanded(t require.TestingT, s hodei.Settings, jobs []hodei.Job) *hodei.Run {
	ref := "refs/heads/main"
	r := &hodei.Run{ID: hodei.RunID{15: 1}, Number: 1, Status: hodei.RunRunning, Ref: &ref}
	require.NoError(t, Expand(r, Source{Settings: s, Jobs: jobs}))
	return r
}

// world carries out what Advance decides and checks each step.
type world struct {
	t       require.TestingT
	r       *hodei.Run
	now     time.Time
	read    Reader
	started map[string]int
	active  []hodei.Execution
	stopped map[string]bool
	runs    children
}

func newWorld(t require.TestingT, r *hodei.Run, refuse bool) *world {
	w := &world{t: t, r: r, now: start, started: map[string]int{}, stopped: map[string]bool{}, runs: children{of: map[string]*child{}, refuse: refuse}}
	w.step()
	return w
}

// step advances the run and checks what must hold after every step.
func (w *world) step(ends ...hodei.Execution) {
	before := map[string]hodei.RunJobStatus{}
	for _, j := range w.r.Jobs {
		before[j.Key] = j.Status
	}
	w.runs.show(w.r)
	steps := Advance(w.r, ends, w.now, w.read)
	refused := w.carryOut(steps)
	for _, e := range steps.Start {
		w.started[*e.JobKey]++
		require.Equal(w.t, 1, w.started[*e.JobKey], "%s starts twice", *e.JobKey)
		w.active = append(w.active, e)
	}
	for _, key := range steps.Stop {
		w.stopped[key] = true
	}
	for _, j := range w.r.Jobs {
		from, old := before[j.Key]
		require.True(w.t, !old || from == j.Status || hodei.RunJobTransitions.Allows(from, j.Status), "%s: %s to %s", j.Key, from, j.Status)
		require.Equal(w.t, old && from != j.Status || !old, slices.ContainsFunc(steps.Changed, func(c *hodei.RunJob) bool {
			return c.Key == j.Key && c.Status == j.Status && (!old || from != j.Status)
		}), "%s: a change is reported", j.Key)
	}
	w.settled()
	if refused {
		w.step()
		return
	}
	w.steady()
}

// settled: nothing is left that could be decided.
func (w *world) settled() {
	left := 0
	for _, j := range w.r.Jobs {
		if j.Status.Active() || j.Status == hodei.JobBlocked {
			left++
		}
		if j.Status != hodei.JobWaiting || j.Finally && !w.mainEnded() || !w.needsEnded(j) {
			continue
		}
		require.NotNil(w.t, j.Spec.Matrix, "%s waits for nothing", j.Key)
		require.Positive(w.t, j.Spec.Matrix.MaxParallel, "%s waits for nothing", j.Key)
	}
	require.Equal(w.t, left == 0, w.r.Status.Ended(), "a run ends when nothing is left to wait for, and not before")
}

// steady: to advance again without news changes nothing.
func (w *world) steady() {
	again := Advance(w.r, nil, w.now, nil)
	require.Empty(w.t, again.Changed)
	require.Empty(w.t, again.Start)
	require.Empty(w.t, again.Calls)
	for _, j := range w.r.Jobs { // the time of the run passes unless all that it waits for are answers
		if j.Status.Active() && (childOf(&j) == nil || !j.Child.Paused) {
			require.NotNil(w.t, w.r.Plan.ActiveSince)
		}
	}
}

func (w *world) mainEnded() bool {
	return !slices.ContainsFunc(w.r.Jobs, func(j hodei.RunJob) bool { return !j.Finally && !j.Status.Ended() })
}

func (w *world) needsEnded(j hodei.RunJob) bool {
	return !slices.ContainsFunc(w.r.Jobs, func(n hodei.RunJob) bool { return slices.Contains(j.Needs, n.Job) && !n.Status.Ended() })
}

// end ends one active execution.
func (w *world) end(i int, status hodei.ExecutionStatus) {
	e := w.active[i]
	w.active = slices.Delete(w.active, i, i+1)
	w.step(ended(e, status, w.now))
}

func ended(e hodei.Execution, status hodei.ExecutionStatus, at time.Time) hodei.Execution {
	e.Status, e.CompletedAt, e.StartedAt = status, &at, &at
	if status == hodei.Completed {
		e.Outputs = map[string]string{"legs": `["x", 1.30, {"a": true}]`, "version": "7"}
	}
	return e
}

// TestEveryRunEnds: whatever the graph, the order and the kind of ends, answers, time
// and cancelling. Each step is checked by world.step.
func TestEveryRunEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, jobs := graph(t)
		w := newWorld(t, expanded(t, s, jobs), true)
		for n := 0; !w.r.Status.Ended(); n++ {
			require.Less(t, n, 500, "the run does not end")
			w.act(t)
		}
		require.Empty(t, w.active)
		for id, c := range w.runs.of {
			require.True(t, c.Status.Ended() || !c.call.Waits(), "%s goes on without its parent", id)
		}
		for _, j := range w.r.Jobs {
			require.True(t, j.Status.Ended(), j.Key)
			require.Equal(t, w.started[j.Key] > 0, j.ExecutionID != nil, "%s: an execution belongs to its job", j.Key)
			if j.Status == hodei.JobSkipped {
				require.Contains(t, []hodei.Reason{hodei.ReasonCondition, hodei.ReasonNeeds, hodei.ReasonNoCommand}, *j.Reason)
			}
		}
	})
}

// act lets something happen: an execution ends, a person answers, time passes, or the
// run is cancelled.
func (w *world) act(t *rapid.T) {
	blocked := w.blocked()
	switch what := rapid.IntRange(0, 19).Draw(t, "act"); {
	case what == 0:
		require.NoError(t, Cancel(w.r, hodei.ReasonCancelled, w.now))
		w.step()
	case what == 1:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "seconds")) * time.Second)
		w.step()
	case len(blocked) > 0 && what < 8:
		key := rapid.SampledFrom(blocked).Draw(t, "answered")
		require.NoError(t, Reply(w.r, key, Answer{Approved: rapid.Bool().Draw(t, "approved")}, w.now))
		w.step()
	case len(w.runs.live()) > 0 && (what%2 == 0 || len(w.active) == 0):
		w.runs.act(t, rapid.SampledFrom(w.runs.live()).Draw(t, "child"))
		w.step()
	case len(w.active) > 0:
		status := rapid.SampledFrom([]hodei.ExecutionStatus{hodei.Completed, hodei.Completed, hodei.Failed, hodei.TimedOut, hodei.Cancelled}).Draw(t, "status")
		w.end(rapid.IntRange(0, len(w.active)-1).Draw(t, "which"), status)
	}
}

func (w *world) blocked() (keys []string) {
	for _, j := range w.r.Jobs {
		if j.Status == hodei.JobBlocked && j.Approval.Approved == nil {
			keys = append(keys, j.Key)
		}
	}
	return keys
}

// TestTheOrderOfEndsDoesNotMatter, nor whether several are taken in one step: the
// result of each job is given by the job alone.
func TestTheOrderOfEndsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, jobs := graph(t)
		s.FailFast = false
		for i := range jobs {
			if jobs[i].Matrix != nil {
				jobs[i].Matrix.FailFast = false
			}
		}
		first, second := play(t, "first", expanded(t, s, jobs)), play(t, "second", expanded(t, s, jobs))
		require.Equal(t, first, second)
	})
}

// play runs to the end in a drawn order and describes the result.
func play(t *rapid.T, label string, r *hodei.Run) string {
	w := newWorld(t, r, true)
	for !r.Status.Ended() {
		for _, key := range w.blocked() {
			require.NoError(t, Reply(r, key, Answer{Approved: chance(key, 4) != 0}, w.now))
		}
		w.step()
		var ends []hodei.Execution
		for n := rapid.IntRange(1, 3).Draw(t, label+" ends"); n > 0 && len(w.active) > 0; n-- {
			i := rapid.IntRange(0, len(w.active)-1).Draw(t, label+" which")
			status := []hodei.ExecutionStatus{hodei.Completed, hodei.Completed, hodei.Failed, hodei.TimedOut}[chance(*w.active[i].JobKey, 4)]
			ends = append(ends, ended(w.active[i], status, w.now))
			w.active = slices.Delete(w.active, i, i+1)
		}
		for n := rapid.IntRange(0, 3).Draw(t, label+" children"); n > 0 && len(w.runs.live()) > 0; n-- {
			c := w.runs.of[rapid.SampledFrom(w.runs.live()).Draw(t, label+" child")]
			c.Status = []hodei.RunStatus{hodei.RunCompleted, hodei.RunFailed, hodei.RunTimedOut}[chance(c.call.Key, 3)]
		}
		w.now = w.now.Add(10 * time.Second) // a pause before a retry passes
		w.step(ends...)
	}
	var b strings.Builder
	fmt.Fprintln(&b, r.Status, r.Warnings)
	for _, j := range r.Jobs {
		fmt.Fprintln(&b, j.Key, j.Status, text((*string)(j.Reason)), j.Warning, j.Attempt)
	}
	return b.String()
}

// chance is a number below n that depends on the key alone.
func chance(key string, n uint32) uint32 {
	h := fnv.New32a()
	h.Write([]byte(key))
	return h.Sum32() % n
}
