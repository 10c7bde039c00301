package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// job is a job with a command; needs are keys separated by spaces.
func job(key, needs string, change ...func(*hodei.Job)) hodei.Job {
	j := hodei.Job{ID: hodei.JobID{15: key[0]}}
	j.Key, j.Command = key, hodei.Command{Shell: "true"}
	for need := range strings.FieldsSeq(needs) {
		j.Needs = append(j.Needs, hodei.Need{Job: need})
	}
	for _, c := range change {
		c(&j)
	}
	return j
}

func when(w hodei.When) func(*hodei.Job)        { return func(j *hodei.Job) { j.When = w } }
func iff(c ...hodei.Condition) func(*hodei.Job) { return func(j *hodei.Job) { j.If = c } }
func named(name string) func(*hodei.Job)        { return func(j *hodei.Job) { j.Name = &name } }
func matrix(m hodei.Matrix) func(*hodei.Job)    { return func(j *hodei.Job) { j.Matrix = &m } }
func approval(seconds float64) func(*hodei.Job) {
	return func(j *hodei.Job) { j.Approval = &hodei.Gate{Message: "go?", TimeoutSeconds: &seconds} }
}
func env(name, value string) func(*hodei.Job) {
	return func(j *hodei.Job) { j.Environment = map[string]string{name: value} }
}
func allow(a hodei.AllowFailure) func(*hodei.Job) { return func(j *hodei.Job) { j.AllowFailure = a } }
func finally(j *hodei.Job)                        { j.Finally = true }
func empty(j *hodei.Job)                          { j.Command = hodei.Command{} }

// scene plays a run step by step.
type scene struct {
	*testing.T
	*world
}

func play1(t *testing.T, s hodei.Settings, jobs ...hodei.Job) scene {
	t.Helper()
	return scene{t, newWorld(t, expanded(t, s, jobs), false)}
}

// ends has the job's execution end as the words have it: a state, or "exit N", and
// name=value for outputs.
func (s scene) ends(key string, how ...string) scene {
	s.Helper()
	for i, e := range s.active {
		if *e.JobKey != key {
			continue
		}
		s.active = append(s.active[:i:i], s.active[i+1:]...)
		e.Status, e.CompletedAt, e.StartedAt = hodei.Completed, &s.now, &s.now
		for _, word := range how {
			if name, value, ok := strings.Cut(word, "="); ok {
				e.Outputs = map[string]string{name: value}
			} else if code := 0; strings.HasPrefix(word, "exit ") {
				_, err := fmt.Sscanf(word, "exit %d", &code)
				require.NoError(s, err)
				e.Status, e.Reason, e.ExitCode = hodei.Failed, new(hodei.ReasonExitCode), &code
			} else {
				e.Status = hodei.ExecutionStatus(word)
			}
		}
		s.step(e)
		return s
	}
	require.FailNow(s, "not active", key)
	return s
}

// is checks the run and its jobs: "key STATE" or "key STATE REASON", separated by commas.
func (s scene) is(status hodei.RunStatus, jobs string) scene {
	s.Helper()
	require.Equal(s, status, s.r.Status)
	var got []string
	for _, j := range s.r.Jobs {
		got = append(got, strings.TrimSpace(j.Key+" "+string(j.Status)+" "+text((*string)(j.Reason))))
	}
	require.Equal(s, jobs, strings.Join(got, ", "))
	return s
}

func (s scene) started(key string) hodei.Execution {
	s.Helper()
	for _, e := range s.active {
		if *e.JobKey == key {
			return e
		}
	}
	require.FailNow(s, "not active", key)
	return hodei.Execution{}
}

func TestNeedsOrderJobs(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("b", "a"), job("c", "a b")).
		is("RUNNING", "a PENDING, b WAITING, c WAITING").ends("a").
		is("RUNNING", "a COMPLETED, b PENDING, c WAITING").ends("b").ends("c").
		is("COMPLETED", "a COMPLETED, b COMPLETED, c COMPLETED")
}

func TestWithoutNeedsAllRunInParallel(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("b", "")).is("RUNNING", "a PENDING, b PENDING")
}

func TestWhenSuccessIsSkippedWithNeeds(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("b", "a"), job("c", "b")).ends("a", "FAILED").
		is("FAILED", "a FAILED, b SKIPPED NEEDS, c SKIPPED NEEDS")
}

func TestWhenFailureLooksUpstream(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("b", "a"), job("page", "b", when("failure"))).ends("a", "TIMED_OUT").
		is("RUNNING", "a TIMED_OUT, b SKIPPED NEEDS, page PENDING").ends("page").
		is("FAILED", "a TIMED_OUT, b SKIPPED NEEDS, page COMPLETED")
}

func TestWhenFailureOfASuccessIsACondition(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("page", "a", when("failure")), job("c", "page")).ends("a").
		is("RUNNING", "a COMPLETED, page SKIPPED CONDITION, c PENDING").ends("c").
		is("COMPLETED", "a COMPLETED, page SKIPPED CONDITION, c COMPLETED")
}

func TestWhenAlwaysRuns(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("b", "a", when("always"))).ends("a", "FAILED").ends("b").
		is("FAILED", "a FAILED, b COMPLETED")
}

func TestSkipsCascadeInOneStep(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("b", "a"), job("c", "b"), job("d", "c"), job("e", "d", when("failure")), job("f", "d c")).
		ends("a", "FAILED").
		is("RUNNING", "a FAILED, b SKIPPED NEEDS, c SKIPPED NEEDS, d SKIPPED NEEDS, e PENDING, f SKIPPED NEEDS")
}

func TestConditionsAreDecidedOnce(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("a", ""), job("b", "a", iff(hodei.Condition{"needs.a.outputs.v": {"1"}}), approval(60))).
		ends("a", "v=1").is("RUNNING", "a COMPLETED, b BLOCKED")
	s.r.Jobs[0].Outputs = map[string]string{"v": "2"}
	require.NoError(t, Reply(s.r, "b", Answer{Approved: true}, s.now))
	s.step()
	s.is("RUNNING", "a COMPLETED, b PENDING")
}

func TestASkippedConditionCountsAsSuccess(t *testing.T) {
	never := hodei.Condition{"run.branch": {"release/*"}}
	play1(t, hodei.Settings{}, job("a", "", iff(never)), job("b", "a")).
		is("RUNNING", "a SKIPPED CONDITION, b PENDING")
}

func TestIfIsAListOfMaps(t *testing.T) {
	main, tag := hodei.Condition{"run.branch": {"main"}, "params.env": {"prod"}}, hodei.Condition{"run.tag": {"v*"}}
	values := func(values map[string]string) lookup {
		return func(name string) (string, bool) { return values[name], true }
	}
	for _, c := range []struct {
		have map[string]string
		want bool
	}{
		{map[string]string{"run.branch": "main", "params.env": "prod"}, true},
		{map[string]string{"run.branch": "main", "params.env": "staging"}, false},
		{map[string]string{"run.tag": "v1.2"}, true},
		{map[string]string{}, false},
	} {
		require.Equal(t, c.want, holds(hodei.Conditions{main, tag}, values(c.have)), c.have)
	}
	require.True(t, holds(nil, values(nil)))
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		globs hodei.Globs
		value string
		want  bool
	}{
		{hodei.Globs{"main"}, "main", true}, {hodei.Globs{"main"}, "main2", false},
		{hodei.Globs{"v*"}, "v1.2", true}, {hodei.Globs{"feature/*"}, "feature/a", true}, {hodei.Globs{"feature/*"}, "feature/a/b", false},
		{hodei.Globs{"feature/**"}, "feature/a/b", true}, {hodei.Globs{"**/*.go"}, "a.go", true}, {hodei.Globs{"**/*.go"}, "x/y/a.go", true},
		{hodei.Globs{"!main"}, "dev", true}, {hodei.Globs{"!main"}, "main", false},
		{hodei.Globs{"release-?", "!release-x"}, "release-x", false}, {hodei.Globs{"release-?", "!release-x"}, "release-1", true},
		{hodei.Globs{"a.b"}, "axb", false}, {hodei.Globs{"1.30"}, "1.30", true}, {hodei.Globs{"*"}, "", true},
	} {
		require.Equal(t, c.want, Match(c.globs, c.value), "%v %q", c.globs, c.value)
	}
}

func TestChangesHoldForOtherTriggers(t *testing.T) {
	docs := hodei.Conditions{{"changes": {"docs/**"}}}
	for paths, want := range map[string]bool{"": true, "a.go": false, "a.go\ndocs/x.md": true} {
		require.Equal(t, want, holds(docs, func(string) (string, bool) { return paths, true }), paths)
	}
	r := expanded(t, hodei.Settings{}, []hodei.Job{job("a", "", func(j *hodei.Job) { j.If = docs })})
	r.Trigger.Changes = []string{"a.go", "b.go"}
	Advance(r, nil, start, nil)
	require.Equal(t, hodei.JobSkipped, r.Jobs[0].Status)
}

func TestIfReadsOutputs(t *testing.T) {
	deploy := iff(hodei.Condition{"needs.plan.outputs.changed": {"true"}})
	play1(t, hodei.Settings{}, job("plan", ""), job("apply", "plan", deploy)).ends("plan", "changed=true").
		is("RUNNING", "plan COMPLETED, apply PENDING")
	play1(t, hodei.Settings{}, job("plan", ""), job("apply", "plan", deploy)).ends("plan").
		is("COMPLETED", "plan COMPLETED, apply SKIPPED CONDITION")
}

func TestAJobWithoutACommandIsSkipped(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", "", empty), job("b", "a")).ends("b").is("COMPLETED", "a SKIPPED NO_COMMAND, b COMPLETED")
}

func TestAnEmptyPipelineCompletes(t *testing.T) { play1(t, hodei.Settings{}).is("COMPLETED", "") }

func TestAllowFailure(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("lint", "", allow(hodei.AllowFailure{ExitCodes: []int{2}})), job("b", "lint")).ends("lint", "exit 2").ends("b").
		is("COMPLETED", "lint FAILED EXIT_CODE, b COMPLETED")
	require.Equal(t, 1, s.r.Warnings)
	play1(t, hodei.Settings{}, job("lint", "", allow(hodei.AllowFailure{ExitCodes: []int{2}})), job("b", "lint")).ends("lint", "exit 1").
		is("FAILED", "lint FAILED EXIT_CODE, b SKIPPED NEEDS")
	play1(t, hodei.Settings{}, job("lint", "", allow(hodei.AllowFailure{Any: true}))).ends("lint", "exit 1").is("COMPLETED", "lint FAILED EXIT_CODE")
}

func TestMatrixLegs(t *testing.T) {
	m := hodei.Matrix{
		Values:  map[string][]hodei.Scalar{"os": {"linux", "darwin"}, "go": {"1.25", "1.30"}},
		Exclude: []map[string]hodei.Scalar{{"os": "darwin", "go": "1.25"}}, Include: []map[string]hodei.Scalar{{"os": "windows", "go": "1.30"}},
	}
	s := play1(t, hodei.Settings{}, job("t", "", matrix(m), env("X", "${{ matrix.os }}-${{ run.number }}"), named("on ${{ matrix.os }}")), job("z", "t")).
		is("RUNNING", "t[go=1.25,os=linux] PENDING, t[go=1.30,os=linux] PENDING, t[go=1.30,os=darwin] PENDING, t[go=1.30,os=windows] PENDING, z WAITING")
	e := s.started("t[go=1.30,os=darwin]")
	require.Equal(t, "darwin-1", e.Spec.Environment["X"])
	require.Equal(t, "1.30", e.Spec.Environment["MATRIX_GO"])
	require.Equal(t, []string{"on linux", "on darwin"}, []string{*s.r.Jobs[1].Name, *s.r.Jobs[2].Name}, "each leg has its own name")
	require.Nil(t, e.Spec.Matrix, "executions do not carry the graph")
	s.ends("t[go=1.25,os=linux]").ends("t[go=1.30,os=linux]").ends("t[go=1.30,os=darwin]").ends("t[go=1.30,os=windows]", "FAILED")
	require.Equal(t, hodei.JobSkipped, s.r.Jobs[4].Status, "a need on a matrix is a need on all its legs")
}

func TestANeedOnAMatrixIsANeedOnAllItsLegs(t *testing.T) {
	m := matrix(hodei.Matrix{Values: map[string][]hodei.Scalar{"n": {"1", "2"}}})
	s := play1(t, hodei.Settings{}, job("t", "", m), job("z", "t")).ends("t[n=1]").
		is("RUNNING", "t[n=1] COMPLETED, t[n=2] PENDING, z WAITING").ends("t[n=2]").
		is("RUNNING", "t[n=1] COMPLETED, t[n=2] COMPLETED, z PENDING")
	require.JSONEq(t, `{"t[n=1]":{"status":"COMPLETED","reason":null,"outputs":{}},"t[n=2]":{"status":"COMPLETED","reason":null,"outputs":{}}}`,
		s.started("z").Spec.Environment["HODEI_NEEDS"], "legs by key")
}

func TestMaxParallel(t *testing.T) {
	m := hodei.Matrix{Values: map[string][]hodei.Scalar{"n": {"1", "2", "3"}}, MaxParallel: 2}
	play1(t, hodei.Settings{}, job("t", "", matrix(m))).is("RUNNING", "t[n=1] PENDING, t[n=2] PENDING, t[n=3] WAITING").
		ends("t[n=2]", "FAILED").is("RUNNING", "t[n=1] PENDING, t[n=2] FAILED, t[n=3] PENDING")
}

func TestMatrixFailFast(t *testing.T) {
	m := hodei.Matrix{Values: map[string][]hodei.Scalar{"n": {"1", "2", "3"}}, MaxParallel: 2, FailFast: true}
	s := play1(t, hodei.Settings{}, job("t", "", matrix(m)), job("other", "")).ends("t[n=2]", "FAILED").
		is("RUNNING", "t[n=1] PENDING, t[n=2] FAILED, t[n=3] CANCELLED FAIL_FAST, other PENDING")
	require.True(t, s.stopped["t[n=1]"])
	s.ends("t[n=1]", "CANCELLED").ends("other").is("FAILED", "t[n=1] CANCELLED FAIL_FAST, t[n=2] FAILED, t[n=3] CANCELLED FAIL_FAST, other COMPLETED")
}

func TestMatrixFromAnOutput(t *testing.T) {
	from := matrix(hodei.Matrix{From: "needs.list.outputs.legs"})
	jobs := []hodei.Job{job("list", ""), job("t", "list", from), job("z", "t")}
	play1(t, hodei.Settings{}, jobs...).ends("list", `legs=["a", 1.30]`).
		is("RUNNING", "list COMPLETED, t[item=a] PENDING, t[item=1.30] PENDING, z WAITING").ends("t[item=a]").ends("t[item=1.30]").ends("z")
	play1(t, hodei.Settings{}, jobs...).ends("list", `legs=[{"os":"linux","go":1}]`).is("RUNNING", "list COMPLETED, t[go=1,os=linux] PENDING, z WAITING")
	play1(t, hodei.Settings{}, jobs...).ends("list", `legs=[]`).ends("z").is("COMPLETED", "list COMPLETED, t SKIPPED CONDITION, z COMPLETED")
	for _, bad := range []string{"legs=no", `legs={"a":1}`, `legs=[[1]]`, `legs=["a","a"]`, "legs=[" + strings.Repeat("1,", 256) + "1]"} {
		play1(t, hodei.Settings{}, jobs...).ends("list", bad).is("FAILED", "list COMPLETED, t FAILED MATRIX, z SKIPPED NEEDS")
	}
}

func TestFailFastCancelsTheRest(t *testing.T) {
	s := play1(t, hodei.Settings{FailFast: true}, job("a", ""), job("b", ""), job("c", "b"), job("clean", "", finally)).ends("a", "FAILED").
		is("RUNNING", "a FAILED, b PENDING, c CANCELLED FAIL_FAST, clean WAITING")
	require.True(t, s.stopped["b"])
	s.ends("b", "CANCELLED").ends("clean").is("FAILED", "a FAILED, b CANCELLED FAIL_FAST, c CANCELLED FAIL_FAST, clean COMPLETED")
}

func TestFinallyRunsAfterAllOthers(t *testing.T) {
	jobs := []hodei.Job{job("a", ""), job("clean", "", finally), job("good", "", finally, when("success")), job("bad", "", finally, when("failure"))}
	play1(t, hodei.Settings{}, jobs...).is("RUNNING", "a PENDING, clean WAITING, good WAITING, bad WAITING").ends("a").
		is("RUNNING", "a COMPLETED, clean PENDING, good PENDING, bad SKIPPED CONDITION").ends("clean").ends("good").
		is("COMPLETED", "a COMPLETED, clean COMPLETED, good COMPLETED, bad SKIPPED CONDITION")
	play1(t, hodei.Settings{}, jobs...).ends("a", "FAILED").is("RUNNING", "a FAILED, clean PENDING, good SKIPPED NEEDS, bad PENDING")
}

func TestWhenOfFinallyIsAboutTheRun(t *testing.T) {
	jobs := []hodei.Job{job("a", ""), job("b", ""), job("good", "", finally, when("success")), job("bad", "", finally, when("failure"))}
	play1(t, hodei.Settings{}, jobs...).ends("b", "FAILED").ends("a").is("RUNNING", "a COMPLETED, b FAILED, good SKIPPED NEEDS, bad PENDING")
	s := play1(t, hodei.Settings{}, jobs...)
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now))
	s.step()
	s.ends("a", "CANCELLED").ends("b", "CANCELLED").
		is("RUNNING", "a CANCELLED CANCELLED, b CANCELLED CANCELLED, good SKIPPED NEEDS, bad PENDING")
}

func TestFinallyCanOnlyFailARun(t *testing.T) {
	play1(t, hodei.Settings{}, job("a", ""), job("clean", "", finally)).ends("a").ends("clean", "FAILED").is("FAILED", "a COMPLETED, clean FAILED")
	s := play1(t, hodei.Settings{}, job("a", ""), job("clean", "", finally))
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now))
	s.step()
	s.ends("a", "CANCELLED").ends("clean", "FAILED").is("CANCELLED", "a CANCELLED CANCELLED, clean FAILED")
}

func TestCancellingStartsNothingButFinally(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("a", ""), job("b", "a", when("always")), job("clean", "", finally))
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now))
	s.step()
	s.is("RUNNING", "a PENDING, b CANCELLED CANCELLED, clean WAITING").ends("a", "CANCELLED").
		is("RUNNING", "a CANCELLED CANCELLED, b CANCELLED CANCELLED, clean PENDING")
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now), "what is left is the finally jobs")
	s.step()
	require.True(t, s.stopped["clean"])
	s.ends("clean", "CANCELLED").is("CANCELLED", "a CANCELLED CANCELLED, b CANCELLED CANCELLED, clean CANCELLED CANCELLED")
	require.ErrorIs(t, Cancel(s.r, hodei.ReasonCancelled, s.now), hodei.Conflict)
}

func TestApprovalBlocks(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("a", ""), job("deploy", "a", approval(60)))
	require.ErrorIs(t, Reply(s.r, "deploy", Answer{Approved: true}, s.now), hodei.Conflict)
	require.ErrorIs(t, Reply(s.r, "none", Answer{Approved: true}, s.now), hodei.NotFound)
	s.ends("a").is("RUNNING", "a COMPLETED, deploy BLOCKED")
	require.NoError(t, Reply(s.r, "deploy", Answer{Approved: true}, s.now))
	s.step()
	s.is("RUNNING", "a COMPLETED, deploy PENDING").ends("deploy").is("COMPLETED", "a COMPLETED, deploy COMPLETED")
}

func TestARejectedApprovalFails(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("deploy", "", approval(60)), job("b", "deploy"))
	require.NoError(t, Reply(s.r, "deploy", Answer{}, s.now))
	s.step()
	s.is("FAILED", "deploy FAILED REJECTED, b SKIPPED NEEDS")
}

func TestAnApprovalExpires(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("deploy", "", approval(60)))
	require.Equal(t, start.Add(time.Minute), *Advance(s.r, nil, s.now, nil).Wake)
	s.now = s.now.Add(time.Minute)
	s.step()
	s.is("FAILED", "deploy FAILED APPROVAL_TIMEOUT")
}

func TestARunTimesOut(t *testing.T) {
	limit := 600.0
	s := play1(t, hodei.Settings{TimeoutSeconds: &limit}, job("a", ""), job("b", "a"), job("clean", "", finally))
	s.now = s.now.Add(10 * time.Minute)
	s.step()
	s.is("RUNNING", "a PENDING, b CANCELLED RUN_TIMEOUT, clean WAITING").ends("a", "CANCELLED").ends("clean").
		is("TIMED_OUT", "a CANCELLED RUN_TIMEOUT, b CANCELLED RUN_TIMEOUT, clean COMPLETED")
}

func TestBlockedTimeCountsTowardNoTimeout(t *testing.T) {
	limit := 600.0
	s := play1(t, hodei.Settings{TimeoutSeconds: &limit}, job("a", ""), job("deploy", "a", approval(1e6)))
	s.now = s.now.Add(8 * time.Minute)
	s.ends("a")
	s.now = s.now.Add(24 * time.Hour)
	require.NoError(t, Reply(s.r, "deploy", Answer{Approved: true}, s.now))
	s.step()
	s.is("RUNNING", "a COMPLETED, deploy PENDING")
	s.now = s.now.Add(2 * time.Minute)
	s.step()
	require.True(t, s.stopped["deploy"], "ten minutes of running are over")
}

func TestOutputsReachTheEnvironment(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("build", ""), job("ship", "build", env("V", "v${{ needs.build.outputs.version }}${{ needs.build.outputs.none }}"))).
		ends("build", "version=7")
	e := s.started("ship")
	require.Equal(t, "v7", e.Spec.Environment["V"], "a missing output is the empty string")
	require.JSONEq(t, `{"build":{"status":"COMPLETED","reason":null,"outputs":{"version":"7"}}}`, e.Spec.Environment["HODEI_NEEDS"])
}

func TestEveryCommandKnowsItsRun(t *testing.T) {
	e := play1(t, hodei.Settings{}, job("a", "")).started("a")
	for name, want := range map[string]string{
		"HODEI_RUN_NUMBER": "1", "HODEI_JOB": "a", "HODEI_REF": "refs/heads/main", "HODEI_BRANCH": "main", "HODEI_TAG": "",
		"HODEI_PULL_REQUEST": "", "HODEI_SCHEDULED_AT": "", "HODEI_PIPELINE": "", "HODEI_COMMIT": "", "HODEI_BASE_BRANCH": "",
	} {
		have, ok := e.Spec.Environment[name]
		require.True(t, ok, name)
		require.Equal(t, want, have, name)
	}
}

func TestParams(t *testing.T) {
	staging := hodei.Scalar("staging")
	declared := []hodei.Param{
		{Name: "env", Enum: []hodei.Scalar{"staging", "prod"}, Default: &staging}, {Name: "n", Type: "number", Required: true},
		{Name: "dry-run", Type: "boolean"},
	}
	got, err := Params(declared, map[string]hodei.Scalar{"n": "1.30"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"env": "staging", "n": "1.30", "dry-run": ""}, got)
	require.Equal(t, "DRY_RUN", hodei.VariableName("dry-run"))
	for field, given := range map[string]map[string]hodei.Scalar{
		"params.n": {}, "params.env": {"n": "1", "env": "dev"}, "params.x": {"n": "1", "x": "1"}, "params.dry-run": {"n": "1", "dry-run": "yes"},
	} {
		_, err := Params(declared, given)
		require.ErrorContains(t, err, field)
	}
}

func TestOnlyTreatsOtherNeedsAsSucceeded(t *testing.T) {
	r := &hodei.Run{Status: hodei.RunRunning}
	jobs := []hodei.Job{job("a", ""), job("b", "a"), job("clean", "", finally)}
	require.NoError(t, Expand(r, Source{Jobs: jobs, Only: []string{"b"}}))
	Advance(r, nil, start, nil)
	require.Equal(t, []string{"b", "clean"}, []string{r.Jobs[0].Key, r.Jobs[1].Key})
	require.Equal(t, hodei.JobPending, r.Jobs[0].Status)
	require.ErrorContains(t, Expand(r, Source{Jobs: jobs, Only: []string{"x"}}), "only.0")
}

func TestBadGraphsAreRefused(t *testing.T) {
	for want, jobs := range map[string][]hodei.Job{
		`no job "x"`:       {job("a", "x")},
		"a cycle":          {job("a", "b"), job("b", "a")},
		"two jobs":         {job("a", ""), job("a", "")},
		"after all other":  {job("f", "", finally), job("a", "f")},
		"at most 256":      {job("a", "", matrix(hodei.Matrix{Values: map[string][]hodei.Scalar{"n": make([]hodei.Scalar, 300), "m": {"1", "2"}}}))},
		"needs it: a cycl": {job("a", "a")},
	} {
		if want == "at most 256" {
			for i := range jobs[0].Matrix.Values["n"] {
				jobs[0].Matrix.Values["n"][i] = hodei.Scalar(fmt.Sprint(i))
			}
		}
		require.ErrorContains(t, Expand(&hodei.Run{}, Source{Jobs: jobs}), want)
	}
}

func TestJobsWithoutAKeyAreCalledAfterTheirName(t *testing.T) {
	name := "Build it!"
	a, b, c := hodei.Job{ID: hodei.JobID{15: 1}, Name: &name}, hodei.Job{ID: hodei.JobID{15: 2}}, hodei.Job{ID: hodei.JobID{15: 3}, Name: &name}
	require.Equal(t, []string{"Build-it", "job-00000002"}, Keys([]hodei.Job{a, b}))
	require.Equal(t, []string{"job-00000001", "job-00000003"}, Keys([]hodei.Job{a, c}))
}

func TestRerunKeepsConditionsAndResults(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("a", "", iff(hodei.Condition{"run.branch": {"main"}})), job("off", "", iff(hodei.Condition{"run.branch": {"x"}})),
		job("b", "a"), job("c", "b"), job("clean", "", finally)).ends("a", "v=1").ends("b", "FAILED").ends("clean").
		is("FAILED", "a COMPLETED, off SKIPPED CONDITION, b FAILED, c SKIPPED NEEDS, clean COMPLETED")
	dev := "refs/heads/dev"
	again := &hodei.Run{Number: 2, Status: hodei.RunRunning}
	require.NoError(t, Rerun(again, *s.r, nil))
	again.Ref = &dev // another one would change the outcome of conditions
	w := scene{t, newWorld(t, again, false)}
	w.is("RUNNING", "a COMPLETED, off SKIPPED CONDITION, b PENDING, c WAITING, clean WAITING")
	require.Equal(t, "1", again.Jobs[0].Outputs["v"])
	w.ends("b").ends("c").ends("clean").is("COMPLETED", "a COMPLETED, off SKIPPED CONDITION, b COMPLETED, c COMPLETED, clean COMPLETED")

	chosen := &hodei.Run{Number: 3, Status: hodei.RunRunning}
	require.NoError(t, Rerun(chosen, *again, []string{"a"}))
	scene{t, newWorld(t, chosen, false)}.is("RUNNING", "a PENDING, off SKIPPED CONDITION, b WAITING, c WAITING, clean WAITING")
	require.ErrorContains(t, Rerun(&hodei.Run{}, *again, []string{"x"}), `no job "x"`)
}
