package orchestrator

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// define applies the definitions, in this order.
func (b *bench) define(documents ...string) {
	b.t.Helper()
	for _, text := range documents {
		_, failed := asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, document(text))
		require.Nil(b.t, failed, text)
	}
}

// document is the request to apply a definition, which begins with its slug.
func document(text string) body {
	slug, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "slug: "), "\n")
	return body{"slug": slug, "document": text}
}

func (b *bench) executeSlug(slug string) hodei.Run {
	b.t.Helper()
	r, failed := asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": slug})
	require.Nil(b.t, failed)
	return r
}

// waitChild waits until the job has started a run in the state.
func (b *bench) waitChild(id hodei.RunID, key string, status hodei.RunStatus) (found hodei.ChildRun) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		for _, j := range b.shownRun(id).Jobs {
			if j.Key == key && j.Child != nil && j.Child.Status == status {
				found = *j.Child
				return true
			}
		}
		return false
	}, time.Minute, 2*time.Millisecond, "%s has no run that is %s", key, status)
	return found
}

// stopping is a worker manager that cancels what waits.
func (b *bench) stopping() {
	b.manager(&neighbours{stop: func(req schemas.StopExecutionRequest) (hodei.Execution, error) {
		e, err := b.db.EndPending(b.t.Context(), req.ID, hodei.Cancelled, hodei.ReasonCancelled)
		_ = b.nc.Publish(schemas.RunSubject, nil)
		return e, err
	}})
}

const smoke = `
slug: smoke
params: { env: { enum: [staging, prod], required: true } }
jobs: { test: { command: ./smoke.sh } }
`

const callsSmoke = `
slug: release
jobs:
  smoke: { pipeline: { slug: smoke, params: { env: prod } } }
  after: { needs: [smoke], env: { N: "${{ needs.smoke.outputs.run_number }}" }, command: "true" }
`

// TestAJobStartsAnotherPipeline and takes its outcome; both runs show each other.
func TestAJobStartsAnotherPipeline(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define(smoke, callsSmoke)
	r := b.executeSlug("release")
	child := b.waitChild(r.ID, "smoke", hodei.RunRunning)
	b.waitJob(r.ID, "smoke", hodei.JobRunning)
	require.Equal(t, "smoke", *child.Pipeline)
	require.Equal(t, 1, child.Number)

	c := b.shownRun(child.RunID)
	require.Equal(t, hodei.TriggerPipeline, c.Trigger.Kind)
	require.Equal(t, map[string]string{"env": "prod"}, c.Params)
	slug := "release"
	require.Equal(t, hodei.ParentRun{RunID: r.ID, Pipeline: &slug, Number: 1, JobKey: "smoke"}, *c.Parent)
	require.Nil(t, b.shownRun(r.ID).Parent)
	e, err := b.db.GetExecution(t.Context(), *c.Jobs[0].ExecutionID)
	require.NoError(t, err)
	require.Equal(t, "pipeline", e.Environment["HODEI_TRIGGER"])
	require.Len(t, b.executions(), 1, "the job itself has none, and uses no slot")

	b.finish(child.RunID, "test", completed)
	j := b.waitJob(r.ID, "smoke", hodei.JobCompleted)
	require.Equal(t, map[string]string{"run_id": child.RunID.String(), "run_number": "1"}, j.Outputs)
	require.NotNil(t, j.StartedAt)
	after := b.waitJob(r.ID, "after", hodei.JobPending)
	e, err = b.db.GetExecution(t.Context(), *after.ExecutionID)
	require.NoError(t, err)
	require.Equal(t, "1", e.Environment["N"])
	b.finish(r.ID, "after", completed)
	b.waitRun(r.ID, hodei.RunCompleted)
}

// TestAJobTakesAFailureOfItsRun, which a rerun starts anew.
func TestAJobTakesAFailureOfItsRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define(smoke, callsSmoke+"  first: { pipeline: { slug: smoke, params: { env: staging } } }\n")
	r := b.executeSlug("release")
	good, bad := b.waitChild(r.ID, "first", hodei.RunRunning), b.waitChild(r.ID, "smoke", hodei.RunRunning)
	b.finish(good.RunID, "test", completed)
	b.finish(bad.RunID, "test", hodei.Outcome{Status: hodei.Failed})
	r = b.waitRun(r.ID, hodei.RunFailed)
	require.Equal(t, map[string]hodei.RunJobStatus{"first": hodei.JobCompleted, "smoke": hodei.JobFailed, "after": hodei.JobSkipped}, states(r.Jobs))

	again, err := rpc.Call(t.Context(), b.nc, schemas.RerunRun, schemas.RerunRunRequest{ID: hodei.RefTo(r.ID)})
	require.NoError(t, err)
	third := b.waitChild(again.ID, "smoke", hodei.RunRunning)
	require.Equal(t, 3, third.Number)
	require.Equal(t, good.RunID, b.waitChild(again.ID, "first", hodei.RunCompleted).RunID, "the result that is used again")
	b.finish(third.RunID, "test", completed)
	b.finish(again.ID, "after", completed)
	b.waitRun(again.ID, hodei.RunCompleted)
}

// TestWaitFalse: the job completes as soon as the run exists, and neither end concerns
// the other run.
func TestWaitFalse(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define(smoke, "slug: release\njobs: { s: { pipeline: { slug: smoke, params: { env: prod }, wait: false } } }\n")
	r := b.waitRun(b.executeSlug("release").ID, hodei.RunCompleted)
	child := b.shownRun(r.Jobs[0].Child.RunID)
	require.Equal(t, hodei.RunRunning, child.Status)
	require.Equal(t, r.ID, child.Parent.RunID)
	b.finish(child.ID, "test", hodei.Outcome{Status: hodei.Failed})
	b.waitRun(child.ID, hodei.RunFailed)
	require.Equal(t, hodei.RunCompleted, b.shownRun(r.ID).Status)
}

// TestACancelReachesTheRunsBelow, however deep.
func TestACancelReachesTheRunsBelow(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.stopping()
	b.define(smoke, callsSmoke, "slug: top\njobs: { r: { pipeline: { slug: release } } }\n")
	top := b.executeSlug("top")
	middle := b.waitChild(top.ID, "r", hodei.RunRunning)
	low := b.waitChild(middle.RunID, "smoke", hodei.RunRunning)
	_, err := rpc.Call(t.Context(), b.nc, schemas.CancelRun, schemas.CancelRunRequest{ID: hodei.RefTo(top.ID)})
	require.NoError(t, err)
	for _, id := range []hodei.RunID{low.RunID, middle.RunID, top.ID} {
		b.waitRun(id, hodei.RunCancelled)
	}
}

// TestAPipelineThatCannotStartFailsTheJob, with a reason and a text.
func TestAPipelineThatCannotStartFailsTheJob(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define(smoke, "slug: one\nconcurrency: { key: one, on_conflict: reject }\njobs: { a: { command: x } }\n",
		"slug: self\nconcurrency: { key: own }\njobs: { a: { pipeline: { slug: below } } }\n",
		"slug: below\nconcurrency: { key: own }\njobs: { a: { command: x } }\n")
	taken := b.executeSlug("one")
	for name, c := range map[string]struct {
		call    string
		reason  hodei.Reason
		message string
	}{
		"unknown":  {"slug: nosuch", hodei.ReasonStartFailed, `no pipeline has the slug "nosuch"`},
		"missing":  {"slug: smoke", hodei.ReasonStartFailed, "smoke: params.env: required"},
		"value":    {"slug: smoke, params: { env: nowhere }", hodei.ReasonStartFailed, `smoke: params.env: "nowhere" is not one of staging, prod`},
		"param":    {"slug: smoke, params: { env: prod, more: x }", hodei.ReasonStartFailed, "smoke: params.more: the pipeline has no parameter of this name"},
		"conflict": {"slug: one", hodei.ReasonRejected, `one: The concurrency key "one" is taken by 1 of 1 runs`},
	} {
		b.define(fmt.Sprintf("slug: p-%s\njobs: { c: { pipeline: { %s } }, d: { needs: [c], command: x } }\n", name, c.call))
		r := b.waitRun(b.executeSlug("p-"+name).ID, hodei.RunFailed)
		require.Equal(t, c.reason, *r.Jobs[0].Reason, name)
		require.Equal(t, c.message, *r.Jobs[0].Message, name)
		require.Equal(t, hodei.JobSkipped, r.Jobs[1].Status)
	}
	require.Equal(t, hodei.RunRunning, b.shownRun(taken.ID).Status)
	b.waitChild(b.executeSlug("self").ID, "a", hodei.RunRunning) // the same key of another pipeline
}

// TestACycleOfPipelinesIsRejectedByApply, at the field that closes it.
func TestACycleOfPipelinesIsRejectedByApply(t *testing.T) {
	t.Parallel()
	b := start(t)
	reply, failed := asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, document("slug: a\njobs: { x: { pipeline: { slug: b } } }\n"))
	require.Nil(t, failed)
	require.Len(t, reply.Warnings, 1, "b may be applied later")
	require.Contains(t, reply.Warnings[0].Issue, `no pipeline has the slug "b" yet`)
	b.define("slug: b\njobs: { x: { pipeline: { slug: c } } }\n")
	_, failed = asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, document("slug: c\njobs:\n  x: { pipeline: { slug: a } }\n"))
	require.NotNil(t, failed)
	require.Equal(t, []hodei.Problem{{Field: "jobs.x.pipeline.slug", Issue: "a cycle: c → a → b → c", Line: 3, Column: 26}}, failed.Details.Problems)
	_, failed = asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, document("slug: c\njobs: { x: { pipeline: { slug: c } } }\n"))
	require.NotNil(t, failed)
	require.Equal(t, "a pipeline cannot start itself", failed.Details.Problems[0].Issue)
	_, err := b.db.PipelineID(t.Context(), "c")
	require.ErrorIs(t, err, hodei.NotFound)

	b.define("slug: c\njobs: { x: { command: x } }\n")
	_, failed = asked[hodei.Job](b, schemas.CreateJob.Op, body{"pipeline_id": "c", "key": "y", "pipeline": body{"slug": "b"}})
	require.NotNil(t, failed, "over REST too")
	require.Equal(t, "pipeline.slug", failed.Details.Field)
	require.Equal(t, "a cycle: c → b → c", failed.Details.Issue)
	_, failed = asked[hodei.Job](b, schemas.CreateJob.Op, body{"pipeline_id": "a", "key": "y", "pipeline": body{"slug": "b", "wait": false}})
	require.Nil(t, failed)
}

// TestPipelinesStartEachOtherAtMostFiveDeep.
func TestPipelinesStartEachOtherAtMostFiveDeep(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define("slug: p6\njobs: { a: { command: x } }\n")
	for n := 5; n > 0; n-- {
		b.define(fmt.Sprintf("slug: p%d\njobs: { a: { pipeline: { slug: p%d } } }\n", n, n+1))
	}
	id := b.executeSlug("p1").ID
	for range 4 {
		id = b.waitChild(id, "a", hodei.RunFailed).RunID
	}
	r := b.shownRun(id)
	require.Equal(t, "p5", *r.Pipeline)
	require.Equal(t, hodei.ReasonPipelineDepth, *r.Jobs[0].Reason)
	require.Contains(t, *r.Jobs[0].Message, "at most 5 deep")
	require.Empty(t, b.executions())

	second := b.executeSlug("p2")
	id = second.ID
	for range 4 {
		id = b.waitChild(id, "a", hodei.RunRunning).RunID
	}
	b.finish(id, "a", completed)
	b.waitRun(second.ID, hodei.RunCompleted)
}

// uncreated is a run whose orchestrator is killed before it creates the run that a job
// asks for.
func (b *bench) uncreated(slug string) postgres.Advanced {
	b.t.Helper()
	id, err := b.db.PipelineID(b.t.Context(), hodei.PipelineRef(slug))
	require.NoError(b.t, err)
	a, err := b.db.CreateRun(b.t.Context(), hodei.Run{PipelineID: id, Trigger: hodei.RunTrigger{Kind: hodei.TriggerAPI}},
		func(r *hodei.Run, s hodei.Settings, jobs []hodei.Job) error {
			return run.Expand(r, run.Source{Settings: s, Jobs: jobs})
		}, advance, handNothing)
	require.NoError(b.t, err)
	require.Len(b.t, a.Calls, 1)
	return a
}

// createChild creates the run that the job of the parent has asked for, if it waits for it.
func (b *bench) createChild(parent postgres.Advanced, slug string) bool {
	id, err := b.db.PipelineID(b.t.Context(), hodei.PipelineRef(slug))
	assert.NoError(b.t, err)
	call := parent.Calls[0]
	draft := hodei.Run{PipelineID: id, Parent: &hodei.ParentRun{RunID: parent.Run.ID}, Trigger: hodei.RunTrigger{Kind: hodei.TriggerPipeline}}
	_, created, err := b.db.CreateChild(b.t.Context(), draft, call, func(r *hodei.Run, s hodei.Settings, jobs []hodei.Job) error {
		return run.ExpandCall(r, run.Source{Settings: s, Jobs: jobs}, call)
	}, advance, handNothing)
	assert.NoError(b.t, err)
	return created
}

// TestACancelledJobStartsNoRun: the cancel comes while the run is being created.
func TestACancelledJobStartsNoRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.manager(&neighbours{stop: func(schemas.StopExecutionRequest) (hodei.Execution, error) {
		return hodei.Execution{}, hodei.Errorf(hodei.Unavailable, "later")
	}})
	b.define(smoke, callsSmoke+"  long: { command: x }\n")
	a := b.uncreated("release")
	_, failed := asked[hodei.Run](b, schemas.CancelRun.Op, body{"id": a.Run.ID.String()})
	require.Nil(t, failed)
	b.waitJob(a.Run.ID, "smoke", hodei.JobCancelled)
	require.Equal(t, hodei.RunRunning, b.shownRun(a.Run.ID).Status, "a job of it has not ended")
	require.False(t, b.createChild(a, "smoke"))
}

// TestAnAttemptStartsOneRun, however many ask for it at once, and none once the job is
// cancelled.
func TestAnAttemptStartsOneRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.instance()
	b.define(smoke, callsSmoke)
	a := b.uncreated("release")
	create := func() bool { return b.createChild(a, "smoke") }
	var made atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if create() {
				made.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, made.Load())
	child := b.waitChild(a.Run.ID, "smoke", hodei.RunRunning)
	require.Equal(t, 1, child.Number, "the others leave no gap")
	b.finish(child.RunID, "test", hodei.Outcome{Status: hodei.Failed})
	b.waitRun(a.Run.ID, hodei.RunFailed)
	require.False(t, create())
}

// TestARunThatWasNotCreatedIsCreatedByTheSweep: the orchestrator that should have created
// it was killed after the commit.
func TestARunThatWasNotCreatedIsCreatedByTheSweep(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define(smoke, callsSmoke)
	a := b.uncreated("release")
	b.waitChild(a.Run.ID, "smoke", hodei.RunRunning)
}

// TestTheTimeoutOfAJobEndsTheRunThatItStarted.
func TestTheTimeoutOfAJobEndsTheRunThatItStarted(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.stopping()
	b.define(smoke, "slug: release\njobs: { s: { pipeline: { slug: smoke, params: { env: prod } }, timeout: 1s } }\n")
	r := b.waitRun(b.executeSlug("release").ID, hodei.RunFailed)
	require.Equal(t, hodei.JobTimedOut, r.Jobs[0].Status)
	require.Equal(t, hodei.ReasonRunTimeout, *r.Jobs[0].Reason)
	require.Equal(t, hodei.RunTimedOut, r.Jobs[0].Child.Status)
}

// TestRetriesStartAnotherRun for each attempt.
func TestRetriesStartAnotherRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define(smoke, "slug: release\njobs: { s: { pipeline: { slug: smoke, params: { env: prod } }, retries: { max: 1, on: [FAILED] } } }\n")
	r := b.executeSlug("release")
	first := b.waitChild(r.ID, "s", hodei.RunRunning)
	b.finish(first.RunID, "test", hodei.Outcome{Status: hodei.Failed})
	var second hodei.ChildRun
	require.Eventually(t, func() bool {
		second = *b.shownRun(r.ID).Jobs[0].Child
		return second.RunID != first.RunID
	}, time.Minute, 2*time.Millisecond)
	b.finish(second.RunID, "test", completed)
	r = b.waitRun(r.ID, hodei.RunCompleted)
	require.Equal(t, 2, r.Jobs[0].Attempt)
	require.Equal(t, "2", r.Jobs[0].Outputs["run_number"])
}

// TestAPipelineWithARunThatAnotherWaitsForIsNotDeleted. Afterwards each can be deleted
// without the other, and what is left can still be read.
func TestAPipelineWithARunThatAnotherWaitsForIsNotDeleted(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define(smoke, "slug: release\njobs: { s: { pipeline: { slug: smoke, params: { env: prod } } } }\n")
	remove := func(slug string) *hodei.Error {
		_, failed := asked[struct{}](b, schemas.DeletePipeline.Op, body{"id": slug})
		return failed
	}
	var parents, children []hodei.RunID
	for range 2 {
		r := b.executeSlug("release")
		child := b.waitChild(r.ID, "s", hodei.RunRunning)
		require.Equal(t, hodei.Conflict, remove("smoke").Code)
		require.Equal(t, hodei.Conflict, remove("release").Code)
		b.finish(child.RunID, "test", completed)
		b.waitRun(r.ID, hodei.RunCompleted)
		parents, children = append(parents, r.ID), append(children, child.RunID)
	}
	require.Nil(t, remove("smoke"))
	r := b.shownRun(parents[0])
	require.Nil(t, r.Jobs[0].Child)
	require.Equal(t, children[0].String(), r.Jobs[0].Outputs["run_id"])

	b.define(smoke)
	last := b.executeSlug("release")
	child := b.waitChild(last.ID, "s", hodei.RunRunning)
	b.finish(child.RunID, "test", completed)
	b.waitRun(last.ID, hodei.RunCompleted)
	require.Nil(t, remove("release"))
	require.Nil(t, b.shownRun(child.RunID).Parent)
	next, err := b.db.NextRun(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, time.Minute, next, "nothing is due that no instance can take")
}

// TestManyParentsAndChildren on two instances, one of which stops half-way: every run ends,
// and each attempt of a job has one run.
func TestManyParentsAndChildren(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	stop := b.instance()
	b.define("slug: low\njobs: { a: { command: x }, b: { needs: [a], command: x } }\n",
		"slug: middle\njobs: { a: { pipeline: { slug: low }, matrix: { values: { n: [1, 2, 3] } } }, b: { command: x } }\n",
		"slug: top\njobs: { a: { pipeline: { slug: middle } }, b: { needs: [a], pipeline: { slug: low }, retries: { max: 1 }, when: always } }\n")
	defer b.fleet()()
	var all []hodei.Run
	for n := range 12 {
		all = append(all, b.executeSlug("top"))
		if n == 6 {
			stop()
		}
	}
	for _, r := range all {
		require.Eventually(t, func() bool { return b.shownRun(r.ID).Status.Ended() }, 2*time.Minute, 10*time.Millisecond)
	}
	runs, _, err := b.db.ListRuns(t.Context(), postgres.RunFilter{}, postgres.Page{Size: 1000})
	require.NoError(t, err)
	kinds := map[string]int{}
	for _, r := range runs {
		require.True(t, r.Status.Ended(), "%s#%d", *r.Pipeline, r.Number)
		kinds[*r.Pipeline]++
	}
	// outcomeOf has a and b complete.
	require.Equal(t, hodei.Completed, outcomeOf("a"))
	require.Equal(t, hodei.Completed, outcomeOf("b"))
	require.Equal(t, map[string]int{"top": 12, "middle": 12, "low": 48}, kinds)
}

// TestACancelAtAnyMomentLeavesNoRun: a run that is being created while the run that asks
// for it is cancelled is not created, or is cancelled too.
func TestACancelAtAnyMomentLeavesNoRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.stopping()
	b.instance()
	b.define("slug: low\njobs: { b: { command: x } }\n",
		"slug: middle\njobs: { a: { command: x }, b: { needs: [a], pipeline: { slug: low }, matrix: { values: { n: [1, 2] } } } }\n",
		"slug: top\njobs: { a: { command: x }, b: { needs: [a], pipeline: { slug: middle } } }\n")
	defer b.fleet()()
	var all sync.WaitGroup
	for n := range 24 {
		all.Go(func() {
			r, failed := asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": "top"})
			if failed != nil {
				t.Errorf("run %d: %v", n, failed)
				return
			}
			for range 2 * n { // each is cancelled a little later
				if _, err := b.db.GetRun(t.Context(), r.ID); err != nil {
					t.Error(err)
				}
			}
			if _, failed := asked[hodei.Run](b, schemas.CancelRun.Op, body{"id": r.ID.String()}); failed != nil && failed.Code != hodei.Conflict {
				t.Errorf("run %d: %v", n, failed)
			}
		})
	}
	all.Wait()
	require.Eventually(t, func() bool {
		live, _, err := b.db.ListRuns(t.Context(), postgres.RunFilter{States: []hodei.RunStatus{hodei.RunPending, hodei.RunRunning}}, postgres.Page{Size: 100})
		return err == nil && len(live) == 0
	}, 2*time.Minute, 10*time.Millisecond)
	runs, _, err := b.db.ListRuns(t.Context(), postgres.RunFilter{}, postgres.Page{Size: 1000})
	require.NoError(t, err)
	kinds := map[string]int{}
	for _, r := range runs {
		kinds[*r.Pipeline+" "+string(r.Status)]++
	}
	t.Log(kinds)
}
