package rpc_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// discard answers any operation with nothing and fails the test where it is
// reached with what should have been refused.
func discard[Req, Rep any](t *testing.T) func(context.Context, Req) (Rep, error) {
	return func(_ context.Context, req Req) (rep Rep, err error) {
		if !strings.HasPrefix(t.Name(), "TestAccepts") {
			t.Errorf("reached with %+v", req)
		}
		return rep, nil
	}
}

func serveAll(t *testing.T) func(op *schemas.Op, body string) error {
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, discard[schemas.CreatePipelineRequest, hodei.Pipeline](t))
		rpc.Handle(s, schemas.GetPipeline, discard[schemas.GetPipelineRequest, hodei.Pipeline](t))
		rpc.Handle(s, schemas.CreateJob, discard[schemas.CreateJobRequest, hodei.Job](t))
		rpc.Handle(s, schemas.ExecuteJob, discard[schemas.ExecuteJobRequest, schemas.StartedExecution](t))
		rpc.Handle(s, schemas.ListExecutions, discard[schemas.ListExecutionsRequest, schemas.List[hodei.Execution]](t))
		rpc.Handle(s, schemas.OrchestratorHealth, discard[schemas.Empty, schemas.Health](t))
	})
	return func(op *schemas.Op, body string) error {
		_, err := rpc.Forward(t.Context(), nc, op, op.Subject, []byte(body))
		return err
	}
}

func TestRefuses(t *testing.T) {
	ask := serveAll(t)
	id := uuid.NewString()
	job := func(field string) string { return `{"pipeline_id":"` + id + `",` + field + `}` }
	pipeline, createJob, executions := schemas.CreatePipeline.Op, schemas.CreateJob.Op, schemas.ListExecutions.Op
	for _, c := range []struct {
		op                 *schemas.Op
		body, field, issue string
	}{
		{pipeline, `{"name":`, "body", "unexpected end of JSON input (at byte 8)"},
		{pipeline, `{"name":"a"} {}`, "body", "invalid character '{' after top-level value (at byte 14)"},
		{pipeline, `not json`, "body", "invalid character 'o' in literal null (expecting 'u') (at byte 2)"},
		{pipeline, `null`, "body", "object required, got null"},
		{pipeline, `["a"]`, "body", "object required, got array"},
		{pipeline, ``, "name", "required"},
		{pipeline, `{}`, "name", "required"},
		{pipeline, `{"name":"a","nmae":"b"}`, "nmae", "unknown field"},
		{pipeline, `{"name":"a","Name":"b"}`, "Name", "unknown field"},
		{pipeline, `{"name":5}`, "name", "string required, got number"},
		{pipeline, `{"name":null}`, "name", "string required, got null"},
		{pipeline, `{"name":" \t "}`, "name", "must not be blank"},
		{pipeline, `{"name":"` + strings.Repeat("é", 201) + `"}`, "name", "at most 200 characters allowed, got 201"},
		{pipeline, `{"name":"a\u0000b"}`, "name", "must not contain the NUL character"},
		{pipeline, `{"name":1e999999999}`, "name", "number out of range"},
		{createJob, `{"pipeline_id":"nonsense"}`, "pipeline_id", "UUID format required"},
		{createJob, `{"pipeline_id":"job_` + id + `"}`, "pipeline_id", "UUID format required"},
		{createJob, job(`"command":5`), "command", "string or array required"},
		{createJob, job(`"command":{}`), "command", "string or array required"},
		{createJob, job(`"command":["a",5]`), "command.1", "string required, got number"},
		{createJob, job(`"command":[]`), "command", "must not be empty"},
		{createJob, job(`"command":""`), "command", "must not be empty"},
		{createJob, job(`"environment":{"1A":"x"}`), "environment.1A", "invalid name"},
		{createJob, job(`"environment":{"A":1}`), "environment.A", "string required, got number"},
		{createJob, job(`"environment":{"A":"\u0000"}`), "environment.A", "must not contain the NUL character"},
		{createJob, job(`"command":["\u0000"]`), "command.0", "must not contain the NUL character"},
		{createJob, job(`"priority":11`), "priority", "at most 10 allowed"},
		{createJob, job(`"priority":1.5`), "priority", "integer required, got number"},
		{createJob, job(`"priority":1e-999999999`), "priority", "number out of range"},
		{createJob, job(`"priority":0.` + strings.Repeat("0", 100) + `1`), "priority", "number out of range"},
		{createJob, job(`"priority":5.0`), "priority", "integer required"},
		{createJob, job(`"requirements":{"capacity":0}`), "requirements.capacity", "at least 1 required"},
		{createJob, job(`"requirements":{"gpu":1}`), "requirements.gpu", "unknown field"},
		{createJob, job(`"requirements":[]`), "requirements", "object required"},
		{createJob, job(`"retries":{}`), "retries.max", "required"},
		{createJob, job(`"timeout_seconds":0`), "timeout_seconds", "more than 0 required"},
		{executions, `{"status":"running"}`, "status", "one of CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, TIMED_OUT required"},
		{executions, `{"job_id":"x"}`, "job_id", "UUID format required"},
		{executions, `{"limit":0}`, "limit", "at least 1 required"},
		{schemas.OrchestratorHealth.Op, `{"a":1}`, "a", "unknown field"},
	} {
		failed := asked(t, ask(c.op, c.body))
		require.Equal(t, hodei.Invalid, failed.Code, c.body)
		require.Equal(t, &hodei.ErrorDetails{Field: c.field, Issue: c.issue}, failed.Details, c.body)
	}
}

// An id in the path that cannot be one names a record that is not there.
func TestRefusesAPathThatNamesNothing(t *testing.T) {
	ask := serveAll(t)
	for _, id := range []string{"nonsense", "job_" + uuid.NewString(), strings.Repeat("x", 5000)} {
		failed := asked(t, ask(schemas.GetPipeline.Op, `{"id":"`+id+`"}`))
		require.Equal(t, hodei.NotFound, failed.Code)
		require.Equal(t, "Pipeline not found", failed.Message)
		require.Equal(t, "pipeline", failed.Resource)
		require.True(t, strings.HasPrefix(id, strings.TrimSuffix(failed.ResourceID, "…")))
		require.Nil(t, failed.Details)
	}
	failed := asked(t, ask(schemas.GetPipeline.Op, `{"id":5}`))
	require.Equal(t, &hodei.ErrorDetails{Field: "id", Issue: "string required, got number"}, failed.Details)
	failed = asked(t, ask(schemas.GetPipeline.Op, `{}`))
	require.Equal(t, &hodei.ErrorDetails{Field: "id", Issue: "required"}, failed.Details)
	failed = asked(t, ask(schemas.ExecuteJob.Op, `{"id":"nonsense","wait_seconds":"x"}`))
	require.Equal(t, "job", failed.Resource)
}

// TestWhatIsMadeFromItsTypeIsNotChecked: by Hodei's own code, which says so; what
// people send is, on the same subject.
func TestWhatIsMadeFromItsTypeIsNotChecked(t *testing.T) {
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.AssignExecution, func(context.Context, schemas.AssignRequest) (schemas.Assignment, error) {
			return schemas.Assignment{Status: schemas.Assigned}, nil
		})
	})
	bad := schemas.AssignRequest{WorkerRequirements: &hodei.Requirements{Capacity: -1}}
	answer, err := rpc.Call(t.Context(), nc, schemas.AssignExecution, bad)
	require.NoError(t, err)
	require.Equal(t, schemas.Assigned, answer.Status)
	body, err := hodei.JSON(bad)
	require.NoError(t, err)
	_, err = rpc.Forward(t.Context(), nc, schemas.AssignExecution.Op, schemas.AssignExecution.Subject, body)
	require.Equal(t, "worker_requirements.capacity", asked(t, err).Details.Field)
}

func TestRefusesWhatIsTooLarge(t *testing.T) {
	ask := serveAll(t)
	require.ErrorIs(t, ask(schemas.CreatePipeline.Op, `{"name":"`+strings.Repeat("x", rpc.MaxBody)+`"}`), hodei.TooLarge)
	require.ErrorIs(t, ask(schemas.CreatePipeline.Op, strings.Repeat("x", 5<<20)), hodei.TooLarge, "more than NATS takes")
}

func TestAccepts(t *testing.T) {
	ask := serveAll(t)
	id := uuid.NewString()
	for body, op := range map[string]*schemas.Op{
		``:                             schemas.OrchestratorHealth.Op,
		` {} `:                         schemas.ListExecutions.Op,
		`{"id":"` + id + `"}`:          schemas.GetPipeline.Op,
		`{"id":"pipe_` + id + `"}`:     schemas.GetPipeline.Op,
		`{"pipeline_id":"` + id + `"}`: schemas.CreateJob.Op,
		`{"pipeline_id":"` + id + `","command":["a"],"environment":{"A_1":""},"retries":{"max":3},"priority":0,
		  "requirements":{"type":"rust","labels":{"zone":"a"}},"timeout_seconds":0.5}`: schemas.CreateJob.Op,
		`{"name":"` + strings.Repeat("é", 200) + `","description":null}`: schemas.CreatePipeline.Op,
	} {
		require.NoError(t, ask(op, body), body)
	}
}

func TestEverySchemaOfTheTableCompiles(t *testing.T) {
	for _, op := range schemas.Operations {
		require.NotPanics(t, func() {
			rpc.Handle(rpc.New(rpc.Config{}), schemas.Operation[any, any]{Op: op}, func(context.Context, any) (any, error) { return nil, nil })
		}, op.Name)
	}
}
