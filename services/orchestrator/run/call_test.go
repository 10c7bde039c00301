package run

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// calls has the job start another pipeline.
func calls(change ...func(*hodei.Call)) func(*hodei.Job) {
	return func(j *hodei.Job) {
		j.Command = hodei.Command{}
		j.Pipeline = &hodei.Call{Slug: "other"}
		for _, c := range change {
			c(j.Pipeline)
		}
	}
}

func noWait(c *hodei.Call) { c.Wait = new(bool) }

func retries(max int, backoff float64, on ...string) func(*hodei.Job) {
	return func(j *hodei.Job) { j.Retries = &hodei.Retries{Max: max, BackoffSeconds: backoff, On: on} }
}

// child changes the run of the job's attempt and advances.
func (s scene) child(id string, change func(*child)) scene {
	s.Helper()
	require.Contains(s, s.runs.of, id)
	change(s.runs.of[id])
	s.step()
	return s
}

func (s scene) childIs(id string, status hodei.RunStatus, why ...hodei.Reason) scene {
	s.Helper()
	return s.child(id, func(c *child) {
		c.Status = status
		for _, reason := range why {
			c.Reason = &reason
		}
	})
}

func TestAPipelineJobTakesTheOutcomeOfItsRun(t *testing.T) {
	for status, want := range map[hodei.RunStatus]string{
		hodei.RunCompleted: "c COMPLETED, d PENDING",
		hodei.RunFailed:    "c FAILED JOB_FAILED, d SKIPPED NEEDS",
		hodei.RunTimedOut:  "c TIMED_OUT RUN_TIMEOUT, d SKIPPED NEEDS",
		hodei.RunCancelled: "c CANCELLED CANCELLED, d SKIPPED NEEDS",
	} {
		s := play1(t, hodei.Settings{}, job("c", "", calls()), job("d", "c"))
		require.Empty(t, s.active, "it has no execution")
		s.childIs("c#1", hodei.RunPending).is("RUNNING", "c PENDING, d WAITING")
		s.childIs("c#1", hodei.RunRunning).is("RUNNING", "c RUNNING, d WAITING")
		outcome := hodei.RunFailed
		var why []hodei.Reason
		switch status {
		case hodei.RunCompleted:
			outcome = hodei.RunRunning
		case hodei.RunFailed:
			why = append(why, hodei.ReasonJobFailed)
		case hodei.RunTimedOut:
			why = append(why, hodei.ReasonRunTimeout)
		case hodei.RunCancelled:
			why = append(why, hodei.ReasonCancelled)
		}
		s.childIs("c#1", status, why...).is(outcome, want)
		require.Equal(t, map[string]string{"run_id": s.runs.of["c#1"].RunID.String(), "run_number": "1"}, s.r.Jobs[0].Outputs)
	}
}

func TestOutputsOfAPipelineJobReachTheJobsThatNeedIt(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("c", "", calls()), job("d", "c", env("N", "${{ needs.c.outputs.run_number }}"))).childIs("c#1", hodei.RunCompleted)
	require.Equal(t, "1", s.started("d").Environment["N"])
}

func TestAPipelineJobThatDoesNotWaitCompletesAtOnce(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("c", "", calls(noWait)), job("d", "c")).childIs("c#1", hodei.RunRunning).
		is("RUNNING", "c COMPLETED, d PENDING")
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now))
	s.step()
	require.False(t, s.runs.of["c#1"].stop, "the run goes on by itself")
}

func TestParamsOfAPipelineJobAreResolved(t *testing.T) {
	ref := "refs/heads/main"
	r := &hodei.Run{Status: hodei.RunRunning, Ref: &ref}
	params := calls(func(c *hodei.Call) {
		c.Params = map[string]hodei.Scalar{"env": "${{ params.env }}", "v": "v${{ needs.b.outputs.version }}-${{ matrix.os }}", "b": "${{ run.branch }}", "n": "1.30"}
		c.Ref = "${{ run.ref }}"
	})
	require.NoError(t, Expand(r, Source{Settings: hodei.Settings{Params: []hodei.Param{{Name: "env"}}}, Params: map[string]hodei.Scalar{"env": "prod"}, Jobs: []hodei.Job{
		job("b", ""), job("c", "b", params, matrix(hodei.Matrix{Values: map[string][]hodei.Scalar{"os": {"linux"}}})),
	}}))
	e := ended(Advance(r, nil, start, nil).Start[0], hodei.Completed, start)
	got := Advance(r, []hodei.Execution{e}, start, nil).Calls
	require.Len(t, got, 1)
	require.Equal(t, map[string]hodei.Scalar{"env": "prod", "v": "v7-linux", "b": "main", "n": "1.30"}, got[0].Params)
	require.Equal(t, ref, got[0].Ref)
	require.Equal(t, "c[os=linux]", got[0].Key)
}

func TestAMatrixOfPipelineJobs(t *testing.T) {
	legs := matrix(hodei.Matrix{Values: map[string][]hodei.Scalar{"a": {"1", "2", "3"}}, MaxParallel: 2})
	s := play1(t, hodei.Settings{}, job("c", "", calls(), legs)).is("RUNNING", "c[a=1] PENDING, c[a=2] PENDING, c[a=3] WAITING")
	s.childIs("c[a=1]#1", hodei.RunCompleted).childIs("c[a=2]#1", hodei.RunCompleted).childIs("c[a=3]#1", hodei.RunCompleted)
	s.is("COMPLETED", "c[a=1] COMPLETED, c[a=2] COMPLETED, c[a=3] COMPLETED")
}

func TestCancellingARunCancelsTheRunsThatItWaitsFor(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("c", "", calls()), job("d", "c")).childIs("c#1", hodei.RunRunning)
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now))
	s.step()
	s.is("RUNNING", "c RUNNING, d CANCELLED CANCELLED")
	require.True(t, s.runs.of["c#1"].stop)
	s.childIs("c#1", hodei.RunCancelled, hodei.ReasonCancelled).is("CANCELLED", "c CANCELLED CANCELLED, d CANCELLED CANCELLED")
}

func TestAStoppedRunCancelsTheRunsThatItWaitsForWithItsReason(t *testing.T) {
	s := play1(t, hodei.Settings{FailFast: true}, job("c", "", calls()), job("d", "")).childIs("c#1", hodei.RunRunning).ends("d", "FAILED")
	require.True(t, s.runs.of["c#1"].stop)
	s.childIs("c#1", hodei.RunCancelled, hodei.ReasonCancelled).is("FAILED", "c CANCELLED FAIL_FAST, d FAILED")
}

// A run whose creation is under way when its job is cancelled is not created: the record
// asks for the state of the job.
func TestAPipelineJobWithoutARunIsCancelledAtOnce(t *testing.T) {
	r := expanded(t, hodei.Settings{}, []hodei.Job{job("c", "", calls())})
	require.Len(t, Advance(r, nil, start, nil).Calls, 1)
	require.NoError(t, Cancel(r, hodei.ReasonCancelled, start))
	steps := Advance(r, nil, start, nil)
	require.Empty(t, steps.Calls)
	require.Empty(t, steps.StopRuns)
	require.Equal(t, hodei.RunCancelled, r.Status)
	Refuse(r, "c", 1, hodei.Refusal{})
	require.Nil(t, r.Jobs[0].Plan.Refused, "what comes of it is not wanted")
}

func TestARunThatWasNotCreatedIsAskedForAgain(t *testing.T) {
	r := expanded(t, hodei.Settings{}, []hodei.Job{job("c", "", calls())})
	steps := Advance(r, nil, start, nil)
	require.Equal(t, start.Add(again), *steps.Wake, "the orchestrator that creates it may be killed")
	require.Empty(t, Advance(r, nil, start.Add(again/2), nil).Calls)
	require.Equal(t, steps.Calls, Advance(r, nil, start.Add(again), nil).Calls, "the same attempt")
}

func TestARefusedPipelineJobFailsWithAText(t *testing.T) {
	r := expanded(t, hodei.Settings{}, []hodei.Job{job("c", "", calls()), job("d", "c")})
	Advance(r, nil, start, nil)
	Refuse(r, "c", 2, hodei.Refusal{})
	require.Nil(t, r.Jobs[0].Plan.Refused, "another attempt")
	Refuse(r, "c", 1, hodei.Refusal{Reason: hodei.ReasonStartFailed, Message: "no pipeline has the slug other"})
	Advance(r, nil, start, nil)
	require.Equal(t, hodei.RunFailed, r.Status)
	require.Equal(t, hodei.ReasonStartFailed, *r.Jobs[0].Reason)
	require.Equal(t, "no pipeline has the slug other", *r.Jobs[0].Message)
	require.Nil(t, r.Jobs[0].Plan.Refused)
}

func TestPipelinesAreAtMostFiveDeep(t *testing.T) {
	for depth := range maxDepth + 1 {
		r := expanded(t, hodei.Settings{}, []hodei.Job{job("c", "", calls(), retries(3, 0))})
		r.Plan.Depth = depth
		steps := Advance(r, nil, start, nil)
		if depth < maxDepth-1 {
			require.Equal(t, depth+1, steps.Calls[0].Depth)
			continue
		}
		require.Empty(t, steps.Calls)
		require.Equal(t, hodei.ReasonPipelineDepth, *r.Jobs[0].Reason, "at once: to try again would not help")
		require.Contains(t, *r.Jobs[0].Message, "at most 5 deep")
	}
	r := &hodei.Run{Status: hodei.RunRunning}
	require.NoError(t, ExpandCall(r, Source{Jobs: []hodei.Job{job("a", "")}}, hodei.RunCall{Depth: 3}))
	require.Equal(t, 3, r.Plan.Depth)
}

func TestARetryOfAPipelineJobStartsAnotherRun(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("c", "", calls(), retries(2, 10))).childIs("c#1", hodei.RunFailed, hodei.ReasonJobFailed)
	s.is("RUNNING", "c PENDING")
	require.NotContains(t, s.runs.of, "c#2", "the pause comes first")
	s.now = s.now.Add(10 * time.Second)
	s.step()
	s.childIs("c#2", hodei.RunTimedOut)
	s.now = s.now.Add(10 * time.Second)
	s.step()
	require.NotContains(t, s.runs.of, "c#3", "the pause doubles")
	s.now = s.now.Add(10 * time.Second)
	s.step()
	s.childIs("c#3", hodei.RunFailed, hodei.ReasonJobFailed).is("FAILED", "c FAILED JOB_FAILED")
	require.Equal(t, 3, s.r.Jobs[0].Attempt)
}

func TestRetriesOfAPipelineJobChooseTheirEnds(t *testing.T) {
	for on, again := range map[string]bool{"TIMED_OUT": true, "RUN_TIMEOUT": true, "FAILED": false, "WORKER_LOST": false} {
		s := play1(t, hodei.Settings{}, job("c", "", calls(), retries(1, 0, on))).childIs("c#1", hodei.RunTimedOut, hodei.ReasonRunTimeout)
		_, started := s.runs.of["c#2"]
		require.Equal(t, again, started, on)
	}
	play1(t, hodei.Settings{}, job("c", "", calls(), retries(1, 0))).childIs("c#1", hodei.RunCancelled, hodei.ReasonCancelled).
		is("FAILED", "c CANCELLED CANCELLED")
}

func TestACancelDuringThePauseOfARetryEndsThePipelineJob(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("c", "", calls(), retries(1, 10))).childIs("c#1", hodei.RunFailed)
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now))
	s.step()
	s.is("CANCELLED", "c CANCELLED CANCELLED")
}

func TestAllowFailureOfAPipelineJob(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("c", "", calls(), allow(hodei.AllowFailure{Any: true})), job("d", "c")).
		childIs("c#1", hodei.RunFailed).ends("d").is("COMPLETED", "c FAILED, d COMPLETED")
	require.Equal(t, 1, s.r.Warnings)
}

func TestTheTimeoutOfAPipelineJobBoundsItsRun(t *testing.T) {
	minute, hour := 60.0, 3600.0
	for name, c := range map[string]struct {
		call hodei.RunCall
		own  *float64
		want float64
	}{
		"of the job":      {hodei.RunCall{TimeoutSeconds: &minute}, &hour, minute},
		"of the pipeline": {hodei.RunCall{TimeoutSeconds: &hour}, &minute, minute},
		"none":            {hodei.RunCall{}, nil, hodei.DefaultRunTimeout},
		"without waiting": {hodei.RunCall{TimeoutSeconds: &minute, Call: hodei.Call{Wait: new(bool)}}, nil, hodei.DefaultRunTimeout},
	} {
		r := &hodei.Run{Status: hodei.RunRunning}
		require.NoError(t, ExpandCall(r, Source{Settings: hodei.Settings{TimeoutSeconds: c.own}}, c.call))
		require.InDelta(t, c.want, r.Plan.TimeoutSeconds, 0, name)
	}
	s := play1(t, hodei.Settings{}, job("c", "", calls(), func(j *hodei.Job) { j.TimeoutSeconds = &minute }))
	require.InDelta(t, minute, *s.runs.of["c#1"].call.TimeoutSeconds, 0)
}

func TestTheTimeOfARunDoesNotPassWhileItsChildWaitsForApproval(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("c", "", calls())).childIs("c#1", hodei.RunRunning)
	require.NotNil(t, s.r.Plan.ActiveSince)
	s.child("c#1", func(c *child) { c.Paused = true })
	require.Nil(t, s.r.Plan.ActiveSince)
	s.child("c#1", func(c *child) { c.Paused = false })
	require.NotNil(t, s.r.Plan.ActiveSince)
}

func TestRerunReusesCompletedPipelineJobs(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("a", "", calls()), job("b", "", calls())).
		childIs("a#1", hodei.RunCompleted).childIs("b#1", hodei.RunFailed)
	r := &hodei.Run{ID: hodei.RunID{15: 2}, Status: hodei.RunRunning}
	require.NoError(t, Rerun(r, *s.r, nil))
	require.Equal(t, s.r.Jobs[0].Child.RunID, r.Jobs[0].Child.RunID)
	require.Equal(t, "1", r.Jobs[0].Outputs["run_number"])
	require.Nil(t, r.Jobs[1].Child)
	got := Advance(r, nil, start, nil).Calls
	require.Len(t, got, 1)
	require.Equal(t, "b", got[0].Key)
	require.Equal(t, 1, got[0].Attempt)
}

// A cancel that comes down from a parent is sent again until the run has ended; a person
// who cancels twice ends the finally jobs, a parent does not.
func TestACancelFromAboveLeavesFinally(t *testing.T) {
	s := play1(t, hodei.Settings{}, job("a", ""), job("f", "", finally))
	Stop(s.r, s.now)
	s.step()
	s.ends("a", "CANCELLED").is("RUNNING", "a CANCELLED CANCELLED, f PENDING")
	Stop(s.r, s.now)
	s.step()
	require.False(t, s.stopped["f"])
	s.ends("f").is("CANCELLED", "a CANCELLED CANCELLED, f COMPLETED")

	s = play1(t, hodei.Settings{}, job("a", ""), job("f", "", finally)).ends("a")
	Stop(s.r, s.now)
	s.step()
	require.False(t, s.stopped["f"])
}
