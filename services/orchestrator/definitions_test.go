package orchestrator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

const release = `
slug: release
params: { env: { enum: [staging, prod], default: staging } }
env: { LEVEL: 1.30 }
defaults: { timeout: 1h, env: { A: a } }
jobs:
  build: { command: make, type: rust }
  test: { needs: [build], command: make test, matrix: { values: { go: [1.30, 1.20] } } }
finally:
  clean: { command: make clean }
`

// asked sends a request as it is and returns the reply or the error.
func asked[Rep any](b *bench, op *schemas.Op, body any) (rep Rep, failed *hodei.Error) {
	b.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(b.t, err)
	msg, err := b.nc.Request(op.Subject, text, 30*time.Second)
	require.NoError(b.t, err)
	if msg.Header.Get("Nats-Service-Error-Code") != "" {
		failed = &hodei.Error{}
		require.NoError(b.t, json.Unmarshal(msg.Data, failed))
		return rep, failed
	}
	require.NoError(b.t, json.Unmarshal(msg.Data, &rep), string(msg.Data))
	return rep, nil
}

type body = map[string]any

func (b *bench) apply(document string, more body) schemas.AppliedPipeline {
	b.t.Helper()
	request := body{"slug": "release", "document": document}
	for name, value := range more {
		request[name] = value
	}
	reply, failed := asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, request)
	require.Nil(b.t, failed)
	return reply
}

// changed are the fields and actions of changes.
func changed(changes []hodei.Change) (out []string) {
	for _, c := range changes {
		out = append(out, c.Action+" "+c.Field)
	}
	return out
}

func (b *bench) jobsOf(slug string) map[string]hodei.Job {
	b.t.Helper()
	list, failed := asked[schemas.List[hodei.Job]](b, schemas.ListJobs.Op, body{"pipeline_id": slug})
	require.Nil(b.t, failed)
	jobs := map[string]hodei.Job{}
	for _, j := range list.Items {
		jobs[j.Key] = j
	}
	require.Len(b.t, jobs, len(list.Items))
	return jobs
}

func TestApplyCreatesAPipelineAndItsJobs(t *testing.T) {
	t.Parallel()
	b := start(t)
	dry := b.apply(release, body{"dry_run": true})
	assert.Nil(t, dry.Pipeline)
	assert.Contains(t, changed(dry.Changes), "created jobs.build")
	_, failed := asked[hodei.Pipeline](b, schemas.GetPipeline.Op, body{"id": "release"})
	require.NotNil(t, failed, "a dry run writes nothing")

	reply := b.apply(release, nil)
	assert.Equal(t, dry.Changes, reply.Changes)
	assert.Equal(t, "release", *reply.Pipeline.Slug)
	assert.Equal(t, "release", reply.Pipeline.Name, "named after its slug")
	assert.Equal(t, hodei.PipelineActive, reply.Pipeline.Status)
	assert.Equal(t, 3, reply.Pipeline.JobCount)
	jobs := b.jobsOf("release")
	build, err := b.db.GetJob(t.Context(), jobs["build"].ID)
	require.NoError(t, err)
	assert.Equal(t, "rust", *build.Type)
	assert.Equal(t, "sh", build.Shell.Name, "a failing line ends a job of a file")
	assert.InDelta(t, 3600, *build.TimeoutSeconds, 0)
	assert.Equal(t, map[string]string{"A": "a"}, build.Environment)
	assert.Equal(t, []hodei.Need{{Job: "build"}}, jobs["test"].Needs)
	assert.True(t, jobs["clean"].Finally)
}

func TestApplyAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := start(t)
	first := b.apply(release, nil)
	again := b.apply(release, nil)
	assert.Empty(t, again.Changes)
	assert.Equal(t, first.Pipeline.UpdatedAt, again.Pipeline.UpdatedAt)

	// What is written out is what was applied.
	document, failed := asked[json.RawMessage](b, schemas.GetDefinition.Op, body{"id": "release"})
	require.Nil(t, failed)
	assert.Empty(t, b.apply(string(document), body{"format": "json"}).Changes)
	assert.Contains(t, string(document), "1.30", "numbers keep their text in the record")
}

func TestApplyChangesJobsByTheirKeys(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.apply(release, nil)
	before := b.jobsOf("release")
	test, err := b.db.GetJob(t.Context(), before["test"].ID)
	require.NoError(t, err)
	e, err := b.db.CreateExecution(t.Context(), hodei.Execution{JobID: &test.ID, PipelineID: &test.PipelineID, Spec: test.Spec})
	require.NoError(t, err)

	next := strings.Replace(release, "  test: { needs: [build], command: make test, matrix: { values: { go: [1.30, 1.20] } } }\n",
		"  lint: { command: make lint }\n", 1)
	next = strings.Replace(next, "command: make,", "command: make all,", 1)
	reply := b.apply(next, nil)
	assert.Equal(t, []string{"changed jobs.build.command", "created jobs.lint", "deleted jobs.test"}, changed(reply.Changes))
	assert.JSONEq(t, `"make"`, string(reply.Changes[0].From))
	assert.JSONEq(t, `"make all"`, string(reply.Changes[0].To))
	after := b.jobsOf("release")
	assert.Equal(t, before["build"].ID, after["build"].ID, "a job stays the same record")
	assert.Equal(t, before["clean"].UpdatedAt, after["clean"].UpdatedAt, "a job that did not change is not written")
	assert.NotContains(t, after, "test")

	// An execution of a deleted job goes on, and its log can still be read.
	got, err := b.db.GetExecution(t.Context(), e.ID)
	require.NoError(t, err)
	assert.Nil(t, got.JobID)
	assert.Equal(t, hodei.Pending, got.Status)
	assert.Equal(t, before["test"].PipelineID, *got.PipelineID)
}

func TestApplyChangesNothingUnlessAllIsValid(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.apply(release, nil)
	broken := strings.Replace(release, "needs: [build]", "needs: [biuld]", 1)
	broken = strings.Replace(broken, "command: make,", "command: make all, retires: 2,", 1)
	_, failed := asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, body{"slug": "release", "document": broken})
	require.NotNil(t, failed)
	assert.Equal(t, hodei.Invalid, failed.Code)
	assert.Equal(t, []hodei.Problem{
		{Field: "jobs.build.retires", Issue: `unknown field; did you mean "retries"?`, Line: 7, Column: 31},
		{Field: "jobs.test.needs[0]", Issue: `no job "biuld"; did you mean "build"?`, Line: 8, Column: 19},
	}, failed.Details.Problems, "every problem has its place")
	assert.Equal(t, "jobs.build.retires", failed.Details.Field)
	_, failed = asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, body{"slug": "release", "document": "[]"})
	require.NotNil(t, failed)
	assert.Equal(t, "body", failed.Details.Field, "a problem of the whole document has a field, too")
	assert.Empty(t, b.apply(release, nil).Changes)
}

func TestApplyRefusesFieldsThatAreNotSupported(t *testing.T) {
	t.Parallel()
	b := start(t)
	text := strings.Replace(release, "command: make,", "command: make, run_as: ci,", 1)
	_, failed := asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, body{"slug": "release", "document": text, "dry_run": true})
	require.NotNil(t, failed)
	assert.Equal(t, []hodei.Problem{{Field: "jobs.build.run_as", Issue: "not supported by this version", Line: 7, Column: 35}}, failed.Details.Problems)
}

func TestApplyTakesTheDefinitionInTheRequest(t *testing.T) {
	t.Parallel()
	b := start(t)
	reply, failed := asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, body{
		"slug": "demo", "jobs": body{"a": body{"command": "true", "timeout": "5m"}},
	})
	require.Nil(t, failed)
	assert.Equal(t, "demo", *reply.Pipeline.Slug)
	for field, request := range map[string]body{
		"slug":     {"slug": "other", "document": release},
		"document": {"slug": "x", "document": release, "jobs": body{}},
		"body":     {"slug": "x"},
		"nmae":     {"slug": "x", "nmae": "y", "jobs": body{}},
		"format":   {"slug": "x", "document": "x", "format": "toml"},
	} {
		_, failed := asked[schemas.AppliedPipeline](b, schemas.ApplyPipeline.Op, request)
		require.NotNil(t, failed, field)
		assert.Equal(t, field, failed.Details.Field, "%v", failed)
	}
}

// A pipeline made over REST has a definition too, by which it can be changed.
func TestADefinitionOfAPipelineMadeOverREST(t *testing.T) {
	t.Parallel()
	b := start(t)
	p, failed := asked[hodei.Pipeline](b, schemas.CreatePipeline.Op, body{"name": "Made by hand", "slug": "release"})
	require.Nil(t, failed)
	for _, job := range []body{
		{"name": "Build it", "command": "make", "timeout_seconds": 90, "environment": body{"A": "1"}, "priority": 0, "after": "./report.sh"},
		{"command": []string{"true"}, "retries": body{"max": 1, "backoff_seconds": 5}},
		{"name": "later"},
	} {
		job["pipeline_id"] = p.ID.String()
		_, failed := asked[hodei.Job](b, schemas.CreateJob.Op, job)
		require.Nil(t, failed)
	}
	document, failed := asked[json.RawMessage](b, schemas.GetDefinition.Op, body{"id": "release"})
	require.Nil(t, failed)
	assert.Contains(t, string(document), `"Build-it":{`)
	assert.Contains(t, string(document), `"timeout":"1m30s"`)
	assert.Contains(t, string(document), `"after":"./report.sh"`)
	assert.Contains(t, string(document), `"shell":["sh","-c"]`, "a script over REST runs as sh -c")

	reply := b.apply(string(document), body{"format": "json"})
	assert.Empty(t, reply.Changes)
	changedText := strings.Replace(string(document), `"command":"make"`, `"command":"make all"`, 1)
	assert.Equal(t, []string{"changed jobs.Build-it.command"}, changed(b.apply(changedText, body{"format": "json"}).Changes))
	list, _, err := b.db.ListJobs(t.Context(), postgres.JobFilter{}, postgres.Page{Size: 10})
	require.NoError(t, err)
	assert.Len(t, list, 3, "the same jobs, which have keys now")
}

func TestTwoAppliesAtOnceAreOneAfterTheOther(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.instance()
	const many = 8
	ended := make(chan error, many)
	for i := range many {
		go func() {
			text, err := json.Marshal(body{"slug": "release", "document": strings.Replace(release, "make test", strings.Repeat("x", i+1), 1)})
			if err == nil {
				_, err = b.nc.Request(schemas.ApplyPipeline.Subject, text, 30*time.Second)
			}
			ended <- err
		}()
	}
	for range many {
		require.NoError(t, <-ended)
	}
	assert.Len(t, b.jobsOf("release"), 3)
}

// A job made over REST takes the fields of the file, under the names of REST, and is
// held to the same rules.
func TestAJobOverRESTIsHeldToTheRulesOfTheFile(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.apply(release, nil)
	for field, fields := range map[string]body{
		"needs[0]":           {"needs": []string{"biuld"}},
		"environment.X":      {"key": "a", "environment": body{"X": "${{ matrix.os }}"}},
		"key":                {"key": "build"},
		"command":            {"key": "a", "command": "echo ${{ params.env }}"},
		"secrets[0]":         {"key": "a", "secrets": []string{"S"}, "environment": body{"S": "x"}},
		"if.params.nope":     {"if": body{"params.nope": "x"}},
		"matrix":             {"matrix": body{"values": body{"a": numbers(300)}}},
		"when":               {"when": "sometimes"},
		"matrix.exclude[0].": {"matrix": body{"values": body{"a": []int{1}}, "exclude": []body{{"b": 1}}}},
	} {
		fields["pipeline_id"] = "release"
		if fields["command"] == nil {
			fields["command"] = "true"
		}
		_, failed := asked[hodei.Job](b, schemas.CreateJob.Op, fields)
		require.NotNil(t, failed, field)
		assert.Equal(t, hodei.Invalid, failed.Code, field)
		assert.Contains(t, failed.Details.Field, field, "%v", failed)
	}
	job, failed := asked[hodei.Job](b, schemas.CreateJob.Op, body{
		"pipeline_id": "release", "key": "deploy", "needs": []string{"test"}, "command": "true", "when": "always",
		"if": body{"params.env": "prod"}, "approval": body{"message": "Deploy to ${{ params.env }}?", "timeout_seconds": 60},
	})
	require.Nil(t, failed)
	assert.Equal(t, "deploy", job.Key)
	secret, failed := asked[hodei.Job](b, schemas.CreateJob.Op, body{"pipeline_id": "release", "key": "secretive", "command": "true", "secrets": []string{"S"}})
	require.Nil(t, failed)
	_, failed = asked[schemas.StartedExecution](b, schemas.ExecuteJob.Op, body{"id": secret.ID, "environment": body{"S": "x"}})
	require.NotNil(t, failed)
	assert.Equal(t, "environment.S", failed.Details.Field)
	document, failed := asked[json.RawMessage](b, schemas.GetDefinition.Op, body{"id": "release"})
	require.Nil(t, failed)
	assert.Contains(t, string(document), `"deploy":{"needs":["test"],"when":"always","if":{"params.env":"prod"},"approval":{"message":"Deploy to ${{ params.env }}?","timeout":"1m"}`)
}

func numbers(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// A change of the definition is for later runs.
func TestARunUsesTheDefinitionOfItsCreation(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.apply("slug: release\njobs:\n  a: { command: 'true' }\n  b: { needs: [a], command: echo before }\n", nil)
	r, failed := asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": "release"})
	require.Nil(t, failed)
	b.apply("slug: release\njobs:\n  a: { command: 'true' }\n  c: { needs: [a], command: echo after }\n", nil)
	b.finish(r.ID, "a", hodei.Outcome{Status: hodei.Completed})
	j := b.waitJob(r.ID, "b", hodei.JobPending)
	e, err := b.db.GetExecution(t.Context(), *j.ExecutionID)
	require.NoError(t, err)
	require.Equal(t, "echo before", e.Command.Shell)
	require.Nil(t, e.JobID, "the job was deleted")
	next, failed := asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": "release"})
	require.Nil(t, failed)
	require.Equal(t, "c", next.Jobs[1].Key)
}

// TestRunsAreNumberedByPipeline, from 1 and without gaps: one that is refused takes no
// number.
func TestRunsAreNumberedByPipeline(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.apply(release, nil)
	other := b.pipeline(needing("a"))
	for _, want := range []int{1, 2} {
		for _, id := range []string{"release", other.String()} {
			r, failed := asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": id})
			require.Nil(t, failed)
			require.Equal(t, want, r.Number)
		}
		_, failed := asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": "release", "params": body{"env": "nope"}})
		require.NotNil(t, failed)
	}
}

// A run has the settings of its pipeline.
func TestARunUsesTheSettingsOfTheDefinition(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.apply(release+"timeout: 90m\nfail_fast: true\n", nil)
	r, failed := asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": "release"})
	require.Nil(t, failed)
	assert.Equal(t, map[string]string{"env": "staging"}, r.Params)
	whole, err := b.db.GetWholeRun(t.Context(), r.ID)
	require.NoError(t, err)
	assert.True(t, whole.Plan.FailFast)
	assert.InDelta(t, 5400, whole.Plan.TimeoutSeconds, 0)
	assert.Equal(t, "build", whole.Jobs[0].Key)
	_, failed = asked[hodei.Run](b, schemas.ExecutePipeline.Op, body{"id": "release", "params": body{"env": "nope"}})
	require.NotNil(t, failed)
	assert.Equal(t, "params.env", failed.Details.Field)
}

// TestATimeInThePastIsAWarning with its place in the file, whether or not it has fired.
func TestATimeInThePastIsAWarning(t *testing.T) {
	t.Parallel()
	b := start(t)
	const document = "slug: release\nschedules:\n  - { at: \"2001-01-31T08:00:00Z\" }\n  - { at: \"9001-01-31T08:00:00Z\" }\njobs: { a: { command: x } }\n"
	for range 2 {
		applied := b.apply(document, nil)
		require.Len(t, applied.Warnings, 1)
		require.Equal(t, "3:11: schedules[0].at: lies in the past: the schedule starts nothing more", applied.Warnings[0].String())
	}
}
